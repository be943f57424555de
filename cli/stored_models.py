"""The models that workers have committed, restored: for commands that look at what only the core knows."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from streamgauge.streams.stored import StoredPartition

if TYPE_CHECKING:
    from streamgauge.streams.core.model import ModelState


def restored(
    partitions: Iterable[StoredPartition], prefix: str
) -> "list[tuple[StoredPartition, ModelState]]":
    """Each model with its partition, by name. Raises `StateError`."""
    from streamgauge.streams.core.partition import CoreSettings, Partition

    settings, found = CoreSettings(prefix=prefix), []
    for partition in partitions:
        core = Partition.restore(partition.number, settings, partition.records.items())
        found += [(partition, model) for model in core.models.values()]
    return sorted(found, key=lambda entry: entry[1].definition.model)
