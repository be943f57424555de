"""A partition's heartbeat among the metrics: who reads those sees when nobody works on it any more.

With it goes how many messages of new models were refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamgauge.schemas.errors import Reason
from streamgauge.schemas.heartbeat import EVERY_US, REFUSED_MODELS, heartbeat
from streamgauge.schemas.message import DEAD_LETTERS, Checkpoint, Message, Output
from streamgauge.streams.task_context import Core


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
        #: Messages of new models since the last heartbeat, in a partition that watches `max_models` already.
        self._refused = 0

    @property
    def applied(self) -> Mapping[str, int]:
        return self._core.applied

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
            told = self._number, before_us, now_us, self._software
            self._beats += (heartbeat(*told),)
            if self._refused:
                self._beats += (heartbeat(*told, metric=REFUSED_MODELS, value=float(self._refused)),)
                self._refused = 0

    def checkpoint(self) -> Checkpoint:
        beats, self._beats = self._beats, ()
        checkpoint = self._core.checkpoint()
        self._refused += sum(
            output.topic == DEAD_LETTERS and output.record["reason"] == Reason.UNKNOWN_MODEL
            for output in checkpoint.outputs
        )
        return replace(checkpoint, outputs=checkpoint.outputs + beats)

    def settled(self) -> None:
        self._core.settled()

    def counts(self) -> Mapping[str, int]:
        return self._core.counts()

    def spending(self) -> tuple[float, Mapping[str, int]]:
        return self._core.spending()
