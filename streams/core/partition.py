"""One partition: its models, its offsets, its outbox. Messages and ticks in, checkpoints out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from streamgauge.schemas.message import Checkpoint, Message
from streamgauge.schemas.monitor import Fleet


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """What every partition is told at start. `prefix` is that of the topics, for the offsets in outputs."""

    fleet: Fleet = Fleet()
    prefix: str = "streamgauge."
    clock: Literal["wall", "events"] = "wall"
    software: str = "streamgauge"


class Partition:
    """All state of one partition number. Deterministic: no clock, no I/O, no randomness."""

    def __init__(self, number: int, settings: CoreSettings) -> None:
        raise NotImplementedError

    @classmethod
    def restore(
        cls, number: int, settings: CoreSettings, records: Iterable[tuple[bytes, bytes]]
    ) -> "Partition":
        """From the live records of this partition of `state`. Raises `StateError`."""
        raise NotImplementedError

    @property
    def applied(self) -> Mapping[str, int]:
        """For each input that has been read, the offset of its last applied message."""
        raise NotImplementedError

    def apply(self, messages: Sequence[Message]) -> None:
        """Messages in the order of their offsets; those at or below `applied` are skipped."""
        raise NotImplementedError

    def tick(self, now_us: int) -> None:
        """All data inputs have been applied up to this time."""
        raise NotImplementedError

    @property
    def changed(self) -> bool:
        """Whether a checkpoint would carry anything."""
        raise NotImplementedError

    @property
    def urgent(self) -> bool:
        """Whether an alert or a retrain request waits for the next checkpoint."""
        raise NotImplementedError

    def checkpoint(self) -> Checkpoint:
        """What changed since the last one. Snapshot bytes are taken here; outputs are handed over once."""
        raise NotImplementedError

    def counts(self) -> Mapping[str, int]:
        """Totals since this object was made, by the names of `streamgauge_*` metrics' label `outcome`."""
        raise NotImplementedError
