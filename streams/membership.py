"""What Faust's consumer knows and does not tell: membership, what was delivered, how far the logs reach.

Everything that reaches into Faust 0.15 and aiokafka is here, so that an upgrade is checked in one place.
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streamgauge.streams.broker_clock import BrokerClock
from streamgauge.streams.group_metadata import group_metadata


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one input partition was read: all below `position` was delivered, `delivered` the last record.

    `highwater` is the log's end as of `polled_us`, microseconds since the epoch, by the brokers' clock.
    """

    position: int
    delivered: int
    highwater: int
    polled_us: int


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at the consumer; `trouble` is an error of the group's coordination that Faust would hide.

    `now_us` is when it was, by the clock of `polled_us`; `is_timed` is False while that clock is unknown.
    """

    generation: int
    reaches: Mapping[tuple[str, int], Reach]
    trouble: str | None = None
    now_us: int = 0
    is_timed: bool = True


#: A record's time is that of the broker, not of who sent it.
_LOG_APPEND_TIME = 1
#: Since a poll, by this machine's clock, for its consumer to be up to date.
_RECENT_US = 1_000_000
_NOTHING = TP("", -1)
#: How long a broker may hold a fetch that finds nothing.
FETCH_WAIT_MS = 100


class _ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Reads committed records only, and notes the last one delivered of each partition, and the time.

    Partitions in `held` are left alone. Faust's own way to pause one drops what it has read of it.
    """

    delivered: dict[Any, int]
    clock: BrokerClock
    held: frozenset[int] = frozenset()

    def _create_worker_consumer(self, transport: Any) -> Any:
        self.delivered = {}
        self.clock = BrokerClock()
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        # While records wait here, aiokafka asks for the other partitions only, and until that fetch is
        # answered it sends no other: with Faust's 1.5 s, idle partitions held up the busy ones.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def _fetch_records(self, consumer: Any, active: Any, *args: Any, **kwargs: Any) -> Any:
        if self.held:
            wanted = {tp for tp in active if tp.partition not in self.held}
            active = wanted or {_NOTHING}  # of none at all, aiokafka gives everything
        records = await super()._fetch_records(consumer, active, *args, **kwargs)
        for tp, batch in records.items():
            if batch:
                last = batch[-1]
                self.delivered[tp.topic, tp.partition] = last.offset
                if last.timestamp_type == _LOG_APPEND_TIME:
                    self.clock.took((tp.topic, tp.partition), last.offset, last.timestamp * 1_000)
        return records


class _Consumer(driver.Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):  # type: ignore[misc]
    Consumer = _Consumer


class ReadCommittedApp(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer skips the records of transactions that their producers aborted."""

    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self)


class Membership:
    """This worker's place in the consumer group. All methods may be called from any thread."""

    def __init__(self, app: ReadCommittedApp, group: str) -> None:
        self._app = app
        self._group = group

    @property
    def generation(self) -> int:
        """The generation whose messages the app delivers now."""
        return int(self._app.consumer_generation_id)

    def metadata(self) -> bytes | None:
        """The membership for a transaction; None while there is none (a rebalance is under way)."""
        thread = self._thread()
        if thread is None:
            return None
        coordinator = thread._consumer._coordinator
        generation, member = coordinator.generation, coordinator.member_id
        if generation < 0 or not member or generation != self.generation:
            return None
        return group_metadata(self._group, generation, member)

    def is_last_fetched(self, topic: str, partition: int, offset: int) -> bool:
        """Whether nothing fetched waits behind this message in Faust's hands."""
        thread = self._thread()
        return thread is None or offset >= thread.delivered.get((topic, partition), -1)

    def hold(self, partitions: frozenset[int]) -> None:
        """Read no more of the inputs of these partitions; what Faust has in hand still comes."""
        thread = self._thread()
        if thread is not None:
            thread.held = partitions

    def probe(self, *, for_errors: bool = False) -> "Future[Probe] | None":
        """One consistent look, taken in the consumer's own loop; None before it has started.

        Looking `for_errors` takes a pending error out of the coordinator: only one caller may.
        """
        thread = self._thread()
        if thread is None:
            return None
        return asyncio.run_coroutine_threadsafe(_look(thread, for_errors), thread.thread_loop)

    def _thread(self) -> Any:
        consumer = self._app._consumer
        thread = None if consumer is None else consumer._thread
        return None if thread is None or thread._consumer is None else thread


async def _look(thread: _ConsumerThread, for_errors: bool) -> Probe:
    consumer = thread._consumer
    trouble = None
    if for_errors:
        try:
            consumer._coordinator.check_errors()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we want to know
            trouble = repr(error)
    reaches, clock, wall_us = {}, thread.clock, time.time_ns() // 1_000
    now_us = clock.now_us()
    subscription: Any = consumer._subscription.subscription
    assignment: Any = None if subscription is None else subscription.assignment
    for tp in () if assignment is None else assignment.tps:
        state = assignment.state_value(tp)
        if state.has_valid_position and state.highwater is not None and state.timestamp is not None:
            age_us = wall_us - state.timestamp * 1_000
            if age_us < 0:  # the clock was set back: the next poll says more
                continue
            if age_us < _RECENT_US and state.position >= state.highwater:
                clock.waits((tp.topic, tp.partition), state.highwater)
            reaches[tp.topic, tp.partition] = Reach(
                position=state.position,
                delivered=thread.delivered.get((tp.topic, tp.partition), -1),
                highwater=state.highwater,
                polled_us=now_us - age_us,
            )
    return Probe(consumer._coordinator.generation, reaches, trouble, now_us, clock.is_known)
