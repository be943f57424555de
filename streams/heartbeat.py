"""A partition's heartbeat among the metrics: who reads those sees when nobody works on it any more."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from streamgauge.schemas.message import METRICS, Checkpoint, Message, Output
from streamgauge.schemas.times import format_time
from streamgauge.streams.task_context import Core

if TYPE_CHECKING:
    from streamgauge.streams.core.model import ModelState

HEARTBEAT = "heartbeat"
#: Between two heartbeats of a partition.
EVERY_US = 60_000_000


class Beating:
    """A core that tells, once a minute, up to when all inputs of its partition are applied.

    While a backlog is worked off nothing is told, and nothing of a partition that never had a message.
    """

    def __init__(self, core: Core, number: int, software: str) -> None:
        self._core = core
        self._number = number
        self._software = software
        self._beats: tuple[Output, ...] = ()
        self._told_us: int | None = None

    @property
    def applied(self) -> Mapping[str, int]:
        return self._core.applied

    @property
    def models(self) -> "Mapping[str, ModelState]":
        return self._core.models

    @property
    def changed(self) -> bool:
        return self._core.changed or bool(self._beats)

    @property
    def urgent(self) -> bool:
        return self._core.urgent

    def apply(self, messages: Sequence[Message]) -> None:
        self._core.apply(messages)

    def tick(self, now_us: int) -> None:
        self._core.tick(now_us)
        before_us = now_us - EVERY_US if self._told_us is None else self._told_us
        if self.applied and now_us - before_us >= EVERY_US:
            self._told_us = now_us
            self._beats += (heartbeat(self._number, before_us, now_us, self._software),)

    def checkpoint(self) -> Checkpoint:
        beats, self._beats = self._beats, ()
        checkpoint = self._core.checkpoint()
        return replace(checkpoint, outputs=checkpoint.outputs + beats)

    def settled(self) -> None:
        self._core.settled()

    def counts(self) -> Mapping[str, int]:
        return self._core.counts()


def heartbeat(partition: int, before_us: int, now_us: int, software: str) -> Output:
    """All inputs of the partition are applied up to `now_us`; `before_us` is that of the heartbeat before.

    >>> beat = heartbeat(3, 1795255140000000, 1795255200000000, "streamgauge/0.1.0")
    >>> beat.record["metric"], beat.record["segment"], beat.record["window"]["end"]
    ('heartbeat', {'partition': '3'}, '2026-11-21T10:00:00.000000Z')
    """
    unset = ("feature", "group", "class", "low", "high", "coverage", "definition_id", "baseline_id")
    record = {
        "model": "",
        "version": "",
        "segment": {"partition": str(partition)},
        "window": {"start": format_time(before_us), "end": format_time(now_us)},
        "metric": HEARTBEAT,
        **dict.fromkeys((*unset, "compared_with", "verdict")),
        "value": 1.0,
        "n": 1,
        "status": "final",
        "revision": 0,
        "software": software,
    }
    return Output(METRICS, b"", record)
