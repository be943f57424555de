"""Where a partition's state lives between two owners: the `state` topic, and what mirrors it locally."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from confluent_kafka import Message

from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.streams.core.shelf import Shelf
from streamgauge.streams.records import StateRecord, StateRecords


class MirrorError(StreamgaugeError):
    """What is on the local disk cannot be used, or the disk cannot: the topic has it all."""


@dataclass(frozen=True, slots=True)
class LogBounds:
    """The offsets of the first record that is kept, and of the next one to be written."""

    start: int
    end: int


class StateStore(Protocol):
    """One partition's mirror of the `state` topic. Every method may raise `MirrorError`."""

    def open(self, identity: Callable[[], str], bounds: LogBounds) -> int:
        """The offset of the first record that the mirror has not read; below 0: none.

        `identity` gives what tells this topic from any other, one of the same name included.
        """
        ...

    def read(self, messages: Sequence[Message]) -> None:
        """Committed records of the topic, in the order of offsets; at least one."""
        ...

    def snapshots(self) -> Iterable[tuple[bytes, bytes]]:
        """Every live snapshot. Raises `StateError`."""
        ...

    def flush(self) -> None:
        """What was read is on disk: a start that ends early need not read it twice."""
        ...

    @property
    def shelf(self) -> Shelf | None:
        """Where live snapshots can be had later too."""
        ...

    @property
    def holds_all(self) -> bool:
        """Whether all that was committed is here."""
        ...

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Iterable[StateRecord]:
        """The records that bring the topic up to `changes`."""
        ...

    def committed(self, records: Iterable[StateRecord], position: int | None) -> None:
        """What `write` gave is in the topic now; `position` follows the last record, where it is known."""
        ...

    def wipe(self) -> None:
        """Forget everything; nothing but `open` may be called then."""
        ...

    def close(self) -> None:
        """Let go of it. What was committed is kept, if this store keeps anything."""
        ...


class MemoryStore:
    """Nothing is kept between runs: the whole topic is read on each restore."""

    shelf = None
    holds_all = False

    def __init__(self) -> None:
        self._records = StateRecords()

    def open(self, identity: Callable[[], str], bounds: LogBounds) -> int:
        return -1

    def read(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._records.read(message.key() or b"", message.value(), message.headers())

    def flush(self) -> None:
        """There is no disk."""

    def snapshots(self) -> Iterator[tuple[bytes, bytes]]:
        return self._records.snapshots()

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Iterator[StateRecord]:
        return self._records.write(changes)

    def committed(self, records: Iterable[StateRecord], position: int | None) -> None:
        """The topic has them, and that is all it takes."""

    def wipe(self) -> None:
        self._records = StateRecords()

    def close(self) -> None:
        """There is nothing to let go of."""


@dataclass(slots=True)
class Progress:
    """How far a restore has come: records read, and how many offsets lie before it."""

    read: int = 0
    offsets: int = 0
