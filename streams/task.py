"""One partition on this worker, from opening to closing: what was applied is committed in the background."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from streamgauge.schemas.message import INPUTS, STATE, Checkpoint, Message
from streamgauge.streams.opening import Opening
from streamgauge.streams.records import StateRecord
from streamgauge.streams.store import Progress
from streamgauge.streams.task_context import Core, TaskContext
from streamgauge.streams.transaction import (
    MAX_RECORD_BYTES,
    AbortedError,
    FencedError,
    FencedProducer,
    ProducerLostError,
    Record,
)

log = structlog.get_logger("streamgauge.task")

#: How often the log tells how far a restore has come.
_PROGRESS_S = 5.0
#: However much is written: what a crash makes the next owner apply again is bounded.
LONGEST_PAUSE_S = 10.0


class PartitionTask:
    """Opens a partition, applies what the agent hands over, and commits it; all in one event loop.

    The partition's own thread does what blocks: opening, encoding, transactions. While a transaction is under
    way the loop goes on applying.
    """

    def __init__(self, number: int, context: TaskContext) -> None:
        self.number = number
        self.core: Core | None = None
        self.uncommitted_since: float | None = None
        #: Wall time up to which all inputs are known to be applied; from its opening on, for want of better.
        self.reached_us = time.time_ns() // 1_000
        self._context = context
        self._wanted = True
        self._committing = asyncio.Lock()
        self._kept: Checkpoint | None = None
        self._due = asyncio.Event()
        self.progress = Progress()
        self._store = context.new_store(number)
        self._written: list[StateRecord] = []
        self._pause_s = context.settings.commit_interval_s
        connection, settings = context.connection, context.settings
        self._log = log.bind(partition=number)
        self._producer = FencedProducer(
            connection,
            group=settings.group,
            transactional_id=settings.transactional_id(number),
            partition=number,
            wanted=lambda: self._wanted,
            input_topics=[connection.topic(name) for name in INPUTS],
            state_topic=connection.topic(STATE),
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"partition-{number}")
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Task[None] = loop.create_task(self._guarded(self._open()))
        self._runner = loop.create_task(self._guarded(self._run()))

    @property
    def wanted(self) -> bool:
        """Whether the partition is still this worker's."""
        return self._wanted

    async def wait_open(self) -> None:
        """Until state is restored, or the partition has left."""
        await asyncio.wait([self.opened])

    def apply(self, messages: Sequence[Message]) -> None:
        """Messages of this partition, those of each topic in the order of their offsets."""
        assert self.core is not None
        self.core.apply(messages)
        self._note_change()

    def tick(self, now_us: int) -> None:
        """All data inputs have been applied up to this time."""
        assert self.core is not None
        self.reached_us = now_us
        self.core.tick(now_us)
        self._note_change()

    async def commit(self) -> None:
        """One transaction with everything applied so far; nothing if there is nothing, or no membership."""
        async with self._committing:
            core, membership = self.core, self._context.membership.metadata()
            if core is None or membership is None or not self._wanted:
                return
            if core.changed:
                self._kept = core.checkpoint() if self._kept is None else self._kept.then(core.checkpoint())
            checkpoint = self._kept
            if checkpoint is None:
                return
            began = time.monotonic()
            try:
                await self._in_thread(self._commit, checkpoint, membership)
            except AbortedError as error:
                self._context.telemetry.aborts.inc()
                self._log.info("transaction_aborted", cause=str(error))
                return
            except ProducerLostError as error:
                self._log.warning("producer_lost", cause=str(error))
                committed = await self._in_thread(self._recover)
                self._context.telemetry.producers_lost.inc()
                self._log.warning("producer_recovered", last_transaction_committed=committed)
                if not committed:
                    return
            self._context.telemetry.committed(checkpoint.outputs)
            self._note_commit(time.monotonic() - began)
            self._kept, self._written, checkpoint = None, [], None  # or it is there when the next one is made
            if self._store.holds_all:
                core.settled()
            self.uncommitted_since = began if core.changed else None

    async def close(self, *, final: bool = False) -> None:
        """Let go of the partition, after a last commit if `final`; the log keeps what was committed."""
        if final and self.opened.done():
            await self.commit()
        self._wanted = False
        self.core = None  # this object may be hidden from the garbage collector, and is in a cycle
        self._runner.cancel()
        self._thread.submit(self._producer.close)
        self._thread.submit(lambda: self._store.close())  # the one that it has by then
        self._thread.shutdown(wait=False)

    def _note_change(self) -> None:
        core = self.core
        assert core is not None
        if self.uncommitted_since is None and core.changed:
            self.uncommitted_since = time.monotonic()
        if core.urgent:
            self._due.set()

    def _note_commit(self, seconds: float) -> None:
        settings, telemetry = self._context.settings, self._context.telemetry
        written = sum(len(record.value or b"") for record in self._written)
        self._pause_s = pause_s(written, settings.commit_interval_s, settings.commit_bytes_per_s)
        telemetry.commit_seconds.observe(seconds)
        telemetry.state_bytes.inc(written)

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Any error of a partition that is still ours ends the process: going on would lose its events."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001
            if isinstance(error, FencedError):
                self._context.telemetry.fenced.inc()
            if self._wanted:
                self._context.fail(error)
            self._log.info("left_partition_failed", error=repr(error))

    async def _open(self) -> None:
        began = time.perf_counter()
        restoring = asyncio.ensure_future(self._in_thread(self._restore))
        while not (await asyncio.wait([restoring], timeout=_PROGRESS_S))[0]:
            self._log.info("restoring", records=self.progress.read, offsets=self.progress.offsets)
        self.core = restoring.result()
        self._context.telemetry.outcomes.opened(self.number, self.core.counts())
        seconds = time.perf_counter() - began
        self._context.telemetry.restore_seconds.observe(seconds)
        self._log.info(
            "partition_opened",
            seconds=round(seconds, 3),
            records=self.progress.read,
            applied=dict(self.core.applied),
        )

    def _restore(self) -> Core:
        self._producer.open()
        opened = Opening(
            self._context.connection,
            self._context.settings.group,
            self.number,
            lambda: self._wanted,
            self.progress,
            self._context.telemetry,
        )
        self._store, core = opened.restore(
            self._store, lambda records, shelf: self._context.core(self.number, records, shelf)
        )
        opened.check_inputs(core.applied)
        return core

    async def _run(self) -> None:
        await self.opened
        while self._wanted:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), self._pause_s)
            self._due.clear()
            await self.commit()

    async def _in_thread(self, work: Callable[..., Any], *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def _commit(self, checkpoint: Checkpoint, membership: bytes) -> None:
        connection = self._context.connection
        state = connection.topic(STATE)
        self._written = list(self._store.write(checkpoint.changes))
        records = [Record(state, record.key, record.value, record.headers) for record in self._written]
        for output in checkpoint.outputs:
            value, headers = self._context.encode(output)
            if len(value) + sum(len(v) for _, v in headers) + len(output.key) > MAX_RECORD_BYTES - 10_000:
                # A record that the broker refuses would abort every transaction from now on.
                self._context.telemetry.outputs_oversized.inc()
                self._log.error("output_oversized", topic=output.topic, bytes=len(value))
                continue
            records.append(Record(connection.topic(output.topic), output.key, value, headers))
        offsets = {connection.topic(name): offset for name, offset in checkpoint.offsets.items()}
        self._store.committed(self._written, self._producer.commit(records, offsets, membership))

    def _recover(self) -> bool:
        committed = self._producer.recover()
        if committed:
            self._store.committed(self._written, None)
        return committed


def pause_s(written_bytes: int, interval_s: float, bytes_per_s: int) -> float:
    """How long changes are gathered before the next commit, after one that wrote so much state.

    >>> pause_s(1_000, 0.3, 1_000_000), pause_s(2_000_000, 0.3, 1_000_000)
    (0.3, 2.0)
    """
    return min(max(interval_s, written_bytes / bytes_per_s), LONGEST_PAUSE_S)
