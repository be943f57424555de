"""What a model takes of memory, and what of it can leave: windows that nobody uses, the oldest predictions.

All of it is on the shelf, as it was committed; `Models.relieve` says in which order, and when models sleep.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from streamgauge.detectors.binning import FeatureBinner
from streamgauge.streams.core.cold_store import ColdStore
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.parking import Read
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.watch import Watch
from streamgauge.streams.core.windows import Window

#: Names, ledgers, alerts; of a version its evidence; of that of each feature, once there is a baseline.
_MODEL_BYTES, _VERSION_BYTES, _FEATURE_BYTES = 60_000, 140_000, 19_000


class Weight(NamedTuple):
    """Bytes that a model takes, about, and that its largest column takes beside them while it grows."""

    held: int
    growth: int


def weigh(model: ModelState) -> Weight:
    """Without a walk through all of it: what grows is counted, the rest is what such models take."""
    join = model.intake.join
    tables = join.predictions, join.predictions.given, join.waiting
    held = _MODEL_BYTES + sum(table.held_bytes for table in tables)
    for version in model.intake.versions.values():
        bank = version.watch.bank
        learned = 0 if bank is None else _VERSION_BYTES + len(bank.binner.names) * _FEATURE_BYTES
        held += learned + version.watch.learning.held_bytes
        held += sum(window.held_bytes for window in _windows(version))
    return Weight(held, max(table.growth_bytes for table in tables))


def park(name: str, model: ModelState, cold: ColdStore, *, spare_used: bool) -> None:
    """Windows leave memory; with `spare_used`, not those that changed since they were last thought of."""
    for version in model.intake.versions.values():
        version.rollups.forget()
        terms = name, version.name, partial(binners, version.watch)
        _park(version.windows.values(), cold.windows(*terms), spare_used)
        _park(version.rollups.held.values(), cold.rollups(*terms), spare_used)


def cool(models: Iterable[ModelState], excess_bytes: int) -> None:
    """The oldest predictions leave memory, of all tables as large a part, so many bytes in all."""
    tables = [model.intake.join.predictions for model in models]
    for table in tables:
        table.settle()
    hot_bytes = sum(table.hot_bytes for table in tables)
    stays = max(0.0, 1.0 - excess_bytes / hot_bytes) if hot_bytes else 0.0
    for table in tables:
        table.cool(int((len(table) - table.cold) * stays))


def binners(watch: Watch) -> tuple[FeatureBinner | None, FeatureBinner | None]:
    """By which the windows of its version count features, and labels."""
    return None if watch.bank is None else watch.bank.binner, watch.labels.binner


def _windows(version: Version) -> Iterator[Window]:
    yield from version.windows.values()
    yield from version.rollups.held.values()


def _park(windows: Iterable[Window], read: Read, spare_used: bool) -> None:
    for window in windows:
        if not (window.parked or window.touched or (spare_used and window.used)):
            window.park(read)
        window.used = False
