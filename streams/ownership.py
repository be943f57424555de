"""Which partitions this worker has: rebalances open and close tasks, and messages find theirs."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.schemas.message import (
    CONTROL,
    DATA_INPUTS,
    GROUND_TRUTH,
    INPUTS,
    PREDICTIONS,
    RETRAIN_STATUS,
    Message,
)
from streamgauge.streams.holding import Holding
from streamgauge.streams.membership import Probe
from streamgauge.streams.task import PartitionTask
from streamgauge.streams.task_context import TaskContext
from streamgauge.streams.ticks import tick_time

log = structlog.get_logger("streamgauge.ownership")

#: Gathered messages are applied when there are so many, or so many bytes, or none fetched waits behind them.
MAX_GATHERED = 256
MAX_GATHERED_BYTES = 1_000_000
#: The order between topics is nobody's promise; this one lets long runs of one topic be applied as columns,
#: definitions before the events they are about, and predictions before their labels.
_TURNS = {topic: turn for turn, topic in enumerate((CONTROL, PREDICTIONS, GROUND_TRUTH, RETRAIN_STATUS))}


class NotCoassignedError(StreamgaugeError):
    """This worker got different partition numbers of the input topics: a model's events would be split."""


@dataclass(slots=True)
class _Inbox:
    messages: dict[int, list[Message]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0
    size: int = 0

    def clear(self) -> None:
        self.messages, self.count, self.size = defaultdict(list), 0, 0


class Ownership:
    """The tasks of this worker by partition number. All in the event loop."""

    def __init__(self, context: TaskContext) -> None:
        self.tasks: dict[int, PartitionTask] = {}
        self._assigned = asyncio.Event()
        self._context = context
        self._inbox = _Inbox()
        self._names = {context.connection.topic(name): name for name in INPUTS}
        self.holding = Holding(context.schemas, self._take_all, context.membership.hold, context.fail)

    @property
    def assigned(self) -> bool:
        """Whether no rebalance is under way."""
        return self._assigned.is_set()

    @property
    def restoring(self) -> str:
        """What stands between the partitions and their messages, in words; empty if nothing does."""
        if not self.assigned:
            return "waiting for partitions"
        tasks = list(self.tasks.values())
        opening = [task.progress for task in tasks if task.core is None]
        if not opening:
            return self.holding.trouble
        read, offsets = sum(part.read for part in opening), sum(part.offsets for part in opening)
        return f"restoring {len(opening)} of {len(tasks)} partitions: {read} records read, {offsets} offsets"

    def revoke(self) -> None:
        """A rebalance begins. What was gathered comes again after it, from the committed offsets."""
        self._assigned.clear()
        self._forget()

    async def assign(self, assigned: Iterable[tuple[str, int]]) -> None:
        """A rebalance is over. A partition that stays keeps its task, and with it its state.

        Raises `NotCoassignedError`.
        """
        numbers: dict[str, set[int]] = {topic: set() for topic in self._names}
        for topic, partition in assigned:
            numbers[topic].add(partition)
        mine = next(iter(numbers.values()))
        if any(partitions != mine for partitions in numbers.values()):
            raise NotCoassignedError(f"the inputs were assigned apart: {numbers}")
        self._forget()
        lost = [self.tasks.pop(number) for number in sorted(self.tasks.keys() - mine)]
        for task in lost:
            await task.close()
        kept = len(self.tasks)
        for number in sorted(mine - self.tasks.keys()):
            self.tasks[number] = PartitionTask(number, self._context)
        self._assigned.set()
        self._context.telemetry.rebalances.inc()
        log.info("assigned", partitions=sorted(mine), kept=kept, lost=[task.number for task in lost])

    async def consume(self, events: AsyncIterable[Any], nothing_waits: Callable[[], bool]) -> None:
        """Gather the messages of Faust's `events`, and apply them many at a time.

        Faust fills the agent's queue one message at a turn of the loop, so an empty queue alone says nothing:
        with a backlog of 18,000, batches had 1.1 messages. It may also deliver before `assign` is through.
        What comes so early waits: if it were dropped and the next one taken, it would be lost, for when it
        comes again it is older than what was applied.
        """
        last_fetched = self._context.membership.is_last_fetched
        async for event in events:
            message = event.message
            await self._assigned.wait()
            task = self._task_of(message)
            if task is not None and task.core is None:
                self.apply()
                await task.wait_open()
                task = self._task_of(message)
            if task is None:
                self._context.telemetry.stale.inc()
            else:
                self._gather(message)
            if self._is_full or (
                nothing_waits() and last_fetched(message.topic, message.partition, message.offset)
            ):
                self.apply()

    def apply(self) -> None:
        """Apply what was gathered."""
        if not self._inbox.count:
            return
        gathered, telemetry = self._inbox.messages, self._context.telemetry
        self._inbox.clear()
        with telemetry.apply_seconds.time():
            for number, messages in gathered.items():
                messages.sort(key=lambda message: _TURNS[message.topic])
                self.tasks[number].apply(messages)
                telemetry.messages.inc(len(messages))
        self.holding.applied()

    def tick(self, probe: Probe) -> None:
        """Tell each partition the time up to which everything was applied, where that is known."""
        self.apply()
        if not probe.is_timed:
            return
        topics = [self._context.connection.topic(name) for name in DATA_INPUTS]
        for number, task in self.tasks.items():
            if task.core is not None and self.assigned:
                now_us = tick_time(probe.reaches, self.applied_by_topic(task), topics, number)
                if now_us is not None:
                    task.tick(now_us)

    def applied_by_topic(self, task: PartitionTask) -> Mapping[str, int]:
        """A task's last applied offsets, by full topic name."""
        applied = {} if task.core is None else task.core.applied
        return {self._context.connection.topic(name): offset for name, offset in applied.items()}

    async def close(self, *, final: bool) -> None:
        """Let go of every partition, each after a last commit if `final`."""
        if final:
            self.apply()
        self._forget()
        await asyncio.gather(*(task.close(final=final) for task in self.tasks.values()))
        self.tasks.clear()

    def _task_of(self, message: Any) -> PartitionTask | None:
        if not self.assigned or message.generation_id != self._context.membership.generation:
            return None
        return self.tasks.get(message.partition)

    def _gather(self, message: Any) -> None:
        got = Message(
            topic=self._names[message.topic],
            offset=message.offset,
            timestamp_us=round(message.timestamp * 1_000_000),
            key=message.key,
            value=message.value,
            headers=tuple((name, value or b"") for name, value in message.headers or ()),
        )
        if not self.holding.takes(message.partition, got):
            self._take(message.partition, got)

    def _take(self, number: int, message: Message) -> None:
        inbox = self._inbox
        inbox.messages[number].append(message)
        inbox.count += 1
        inbox.size += len(message.value or b"")

    def _take_all(self, number: int, messages: Sequence[Message]) -> None:
        """Of a partition that has waited: what it got before, and then these, with nothing in between."""
        for message in messages:
            self._take(number, message)
            if self._is_full:
                self.apply()
        self.apply()

    @property
    def _is_full(self) -> bool:
        return self._inbox.count >= MAX_GATHERED or self._inbox.size >= MAX_GATHERED_BYTES

    def _forget(self) -> None:
        """What was gathered comes again, from the committed offsets."""
        self._inbox.clear()
        self.holding.clear()
