"""`run_worker`: one process that owns partitions until it is stopped, and whose exit code says why."""

import asyncio
import faulthandler
import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import structlog
import uvloop

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import INPUTS
from streamgauge.streams.app import build_app, input_topic
from streamgauge.streams.health import HealthServer
from streamgauge.streams.logs import configure_logs
from streamgauge.streams.membership import Membership, Probe, ReadCommittedApp
from streamgauge.streams.ownership import Ownership
from streamgauge.streams.schema_lookup import SchemaLookup
from streamgauge.streams.settings import WorkerSettings, check_state_dir
from streamgauge.streams.task import LONGEST_PAUSE_S
from streamgauge.streams.task_context import CoreFactory, Encoder, TaskContext
from streamgauge.streams.telemetry import Telemetry
from streamgauge.streams.topics import check_topics, describe_topics
from streamgauge.streams.transaction import FencedError
from streamgauge.streams.watchdog import Observation, Watchdog
from streamgauge.streams.wiring import core_of, encoder_of, memory_of, schemas_of, stores_of

#: Exit codes. After 1 and 3 a supervisor should start the worker again; 2 needs a person.
STOPPED, FAILED, WRONG_USE, DISPLACED = 0, 1, 2, 3
_TICK_S = 1.0
#: Young collections after which what survived them is hidden from full ones: state has no cycles, and walking
#: that of 700 models stopped every event for 66 ms. What a run leaves in older cycles is some 30 objects.
_GROWN = 5
#: How long a stop may take, final commits included, before the process ends all the same.
STOP_DEADLINE_S = 25.0

log = structlog.get_logger("streamgauge.worker")


def run_worker(
    settings: WorkerSettings, *, core: CoreFactory | None = None, encode: Encoder | None = None
) -> int:
    """Run until SIGTERM or SIGINT; 0 after a graceful stop with a final commit.

    Any failure ends the whole process at once, with 1 (failed), 2 (something is configured wrongly) or 3
    (fenced by another worker, or by a broker that ended a transaction): going on could lose events, and what
    was committed is safe. Raises `ConfigurationError` before anything has started. `core` and `encode` are
    for tests of the engine alone.
    """
    configure_logs(settings.log_level, settings.log_format)
    check_state_dir(settings.state_dir)
    partitions = check_topics(describe_topics(settings.connection), settings.topic_prefix)
    log.info("starting", brokers=settings.bootstrap_servers, group=settings.group, partitions=partitions)
    with tempfile.TemporaryDirectory(prefix="streamgauge-") as directory:
        telemetry = Telemetry(memory_of(settings))
        schemas = schemas_of(settings, telemetry)
        core = core or core_of(settings, telemetry.detecting, telemetry.applied, schemas, telemetry.memory)
        worker = _Worker(settings, core, encode or encoder_of(settings), Path(directory), telemetry, schemas)
        # A full collection would walk all that was imported: 75 ms in which no event moves.
        gc.collect()
        gc.freeze()
        uvloop.run(worker.run())
    return STOPPED


class _Worker:
    """The wiring of one worker; all of it lives as long as the event loop."""

    def __init__(
        self,
        settings: WorkerSettings,
        core: CoreFactory,
        encode: Encoder,
        directory: Path,
        telemetry: Telemetry,
        schemas: SchemaLookup | None,
    ) -> None:
        self._settings = settings
        self._core = core
        self._encode = encode
        self._directory = directory
        self._telemetry = telemetry
        self._schemas = schemas

    async def run(self) -> None:
        settings = self._settings
        connection = settings.connection
        self._app = app = build_app(settings, self._directory)
        self._membership = Membership(app, settings.group)
        self._ownership = Ownership(
            TaskContext(
                settings=settings,
                connection=connection,
                membership=self._membership,
                core=self._core,
                encode=self._encode,
                telemetry=self._telemetry,
                fail=fail,
                new_store=stores_of(settings, self._telemetry.mirrors_given_up.inc),
                schemas=self._schemas,
            )
        )
        self._attach(app)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def request_stop() -> None:
            stop.set()
            loop.call_later(STOP_DEADLINE_S, fail, TimeoutError("the stop took too long"))

        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, request_stop)
        health = HealthServer(
            settings.health_host,
            settings.health_port,
            self._telemetry.registry,
            lambda: self._ownership.restoring,
            settings.health_token.get_secret_value(),
        )
        watchdog = Watchdog(
            lambda: self._membership.probe(for_errors=True), self._observe, lambda why: fail(StuckError(why))
        )
        await app.start()
        watchdog.start()
        ticker = asyncio.create_task(_guarded(self._tick_forever))
        log.info("started", health_port=health.port)
        await _first(stop.wait(), app.wait_until_stopped())
        if not stop.is_set():
            fail(app.crash_reason or RuntimeError("Faust stopped by itself"))
        log.info("stopping")
        watchdog.stop()
        ticker.cancel()
        await app.stop()
        health.close()
        log.info("stopped")

    def _attach(self, app: ReadCommittedApp) -> None:
        ownership, topic = self._ownership, input_topic(app, self._settings.connection)

        async def consume(stream: Any) -> None:
            await _guarded(lambda: ownership.consume(stream.noack().events(), stream.channel.queue.empty))

        async def revoked(*_: object, **__: object) -> None:
            ownership.revoke()

        async def assigned(_: object, assigned: set[tuple[str, int]], **__: object) -> None:
            await _guarded(lambda: ownership.assign(assigned))

        async def stopping(*_: object, **__: object) -> None:
            await _guarded(lambda: ownership.close(final=True))

        app.agent(topic, name="inputs")(consume)
        app.on_partitions_revoked.connect(revoked, weak=False)
        app.on_partitions_assigned.connect(assigned, weak=False)
        app.on_before_shutdown.connect(stopping, weak=False)

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            future = self._membership.probe()
            if future is None:
                continue
            probe = await asyncio.wrap_future(future)
            if self._settings.clock == "wall":
                self._ownership.tick(probe)
            else:
                self._ownership.apply()
            self._measure(probe)
            if gc.get_count()[2] >= _GROWN:
                gc.freeze()

    def _measure(self, probe: Probe) -> None:
        tasks, telemetry = self._ownership.tasks, self._telemetry
        cores = {number: task.core for number, task in tasks.items() if task.core is not None}
        telemetry.outcomes.update({number: core.counts() for number, core in cores.items()})
        telemetry.spending(core.spending() for core in cores.values())
        telemetry.partitions.labels("open").set(len(cores))
        telemetry.partitions.labels("opening").set(len(tasks) - len(cores))
        telemetry.partitions.labels("held").set(len(self._ownership.holding.numbers))
        connection = self._settings.connection
        for name in INPUTS:
            lags = [
                max(0, reach.highwater - reach.position)
                for (topic, _), reach in probe.reaches.items()
                if topic == connection.topic(name)
            ]
            telemetry.lag.labels(name).set(sum(lags))
        telemetry.uncommitted.set(self._uncommitted_s())
        reached_us = [task.reached_us for task in tasks.values()]
        if self._settings.clock == "wall":
            telemetry.watermark_age.set((probe.now_us - min(reached_us, default=probe.now_us)) / 1e6)

    def _uncommitted_s(self) -> float:
        since = [task.uncommitted_since for task in list(self._ownership.tasks.values())]
        now = time.monotonic()
        return max((now - moment for moment in since if moment is not None), default=0.0)

    def _observe(self, probe: Probe | None) -> Observation:
        tasks = list(self._ownership.tasks.values())
        return Observation(
            probe,
            uncommitted=self._uncommitted_s() > LONGEST_PAUSE_S + 5,
            opening=any(task.core is None for task in tasks),
            held=self._ownership.holding.numbers,
        )


class StuckError(Exception):
    """The watchdog's reason."""


def fail(cause: BaseException) -> NoReturn:
    """End the process now: no clean-up may commit, wait or hide what has happened."""
    code = (
        WRONG_USE
        if isinstance(cause, ConfigurationError)
        else DISPLACED
        if isinstance(cause, FencedError)
        else FAILED
    )
    log.critical("failed", exit_code=code, error=str(cause), kind=type(cause).__name__, exc_info=cause)
    if isinstance(cause, StuckError):
        faulthandler.dump_traceback(all_threads=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _guarded(work: Callable[[], Awaitable[object]]) -> None:
    """Faust restarts an agent that fails, and loses its event: here a failure ends the process."""
    try:
        await work()
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001
        fail(error)


async def _first(*works: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
