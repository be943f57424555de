"""What the tasks of a worker share, and what they ask of the core of a partition."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import Checkpoint, Message, Output
from streamgauge.streams.core.shelf import Shelf
from streamgauge.streams.membership import Membership
from streamgauge.streams.schema_lookup import SchemaLookup
from streamgauge.streams.settings import WorkerSettings
from streamgauge.streams.store import StateStore
from streamgauge.streams.telemetry import Telemetry


class Core(Protocol):
    """What a task asks of `streamgauge.streams.core.partition.Partition`."""

    @property
    def applied(self) -> Mapping[str, int]: ...
    @property
    def changed(self) -> bool: ...
    @property
    def urgent(self) -> bool: ...
    def apply(self, messages: Sequence[Message]) -> None: ...
    def tick(self, now_us: int) -> None: ...
    def checkpoint(self) -> Checkpoint: ...
    def settled(self) -> None: ...
    def counts(self) -> Mapping[str, int]: ...
    def spending(self) -> tuple[float, Mapping[str, int]]: ...


#: Makes a partition's core from its number and the live records of its state; where these can be read later
#: too, from the shelf that has them.
CoreFactory = Callable[[int, Iterable[tuple[bytes, bytes]], Shelf | None], Core]
#: An output record's value and headers; called in the commit's thread.
Encoder = Callable[[Output], tuple[bytes, list[tuple[str, bytes]]]]


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What all tasks of a worker share. `fail` ends the process and is called with the cause."""

    settings: WorkerSettings
    connection: Connection
    membership: Membership
    core: CoreFactory
    encode: Encoder
    telemetry: Telemetry
    fail: Callable[[BaseException], NoReturn]
    new_store: Callable[[int], StateStore]
    #: If a schema registry is set up.
    schemas: SchemaLookup | None = None
