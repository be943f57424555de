"""`Opening`: how a partition comes to its state, and whether it fits what the inputs hold."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog

from streamgauge.clients.connection import Connection
from streamgauge.streams.core.shelf import Shelf
from streamgauge.streams.state_log import log_bounds, refuse_foreign_logs, restore
from streamgauge.streams.store import MemoryStore, MirrorError, Progress, StateStore
from streamgauge.streams.telemetry import Telemetry

log = structlog.get_logger("streamgauge.opening")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Opening:
    """Of one partition that is fenced. Its methods block, until `wanted` turns False."""

    connection: Connection
    group: str
    partition: int
    wanted: Callable[[], bool]
    progress: Progress
    telemetry: Telemetry

    def restore(
        self, store: StateStore, make: Callable[[Iterable[tuple[bytes, bytes]], Shelf | None], Made]
    ) -> tuple[StateStore, Made]:
        """What `make` makes of the live snapshots, those in `store` and those new in the topic, and of the
        shelf on which they stay, if there is one.

        A store whose disk fails is wiped, and another one takes its place, which is given back: all that it
        held is in the topic. Raises `StateError`.
        """
        while True:
            try:
                restore(
                    store,
                    self.connection,
                    group=self.group,
                    partition=self.partition,
                    wanted=self.wanted,
                    progress=self.progress,
                )
                store.flush()
                return store, make(store.snapshots(), store.shelf)
            except MirrorError as error:
                log.error("mirror_given_up", partition=self.partition, cause=str(error))
                self.telemetry.mirrors_given_up.inc()
                with contextlib.suppress(MirrorError):
                    store.wipe()
                store = MemoryStore()

    def check_inputs(self, applied: Mapping[str, int]) -> None:
        """Raise `ConfigurationError` if the inputs are others; tell what retention took unread."""
        bounds = log_bounds(self.connection, applied, group=self.group, partition=self.partition)
        refuse_foreign_logs(applied, bounds, prefix=self.connection.prefix, partition=self.partition)
        for topic, offset in applied.items():
            if bounds[topic].start > offset + 1:
                lost = bounds[topic].start - offset - 1
                log.error(
                    "input_expired_unread",
                    partition=self.partition,
                    topic=topic,
                    offset=offset + 1,
                    messages=lost,
                )
                self.telemetry.expired.inc(lost)
