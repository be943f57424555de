"""`run_notifier`: one process with a thread for each target and one for heartbeats, until it is stopped."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from threading import Event, Thread
from typing import Any, NoReturn

import structlog

from streamgauge.notify.addresses import Allowed
from streamgauge.notify.config import NotifierConfig, Target
from streamgauge.notify.handover import Handing
from streamgauge.notify.heartbeats import HeartbeatWatch
from streamgauge.notify.hooks import Hand, hook
from streamgauge.notify.runner import Runner
from streamgauge.notify.senders import Sender, sender
from streamgauge.notify.telemetry import Telemetry
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.streams.health import HealthServer
from streamgauge.streams.logs import configure_logs
from streamgauge.streams.settings import WorkerSettings

#: Exit codes. After 1 a supervisor should start it again.
STOPPED, FAILED = 0, 1
#: How long attempts that are being made may take when it stops.
STOP_DEADLINE_S = 25.0

log = structlog.get_logger("streamgauge.notifier")
_Part = Runner | Handing | HeartbeatWatch


def senders_of(config: NotifierConfig, targets: Mapping[str, Target]) -> dict[str, Sender]:
    """What sends alerts, to each target that routes lead to.

    Raises `ConfigurationError` that names one that could never work.
    """
    allowed, found = Allowed(config.allow), {}
    led_to = {name for route in config.routes for name in route.to}
    for name, target in targets.items():
        if name not in led_to:
            continue
        try:
            found[name] = sender(target, allowed)
        except ConfigurationError as error:
            raise ConfigurationError(f"targets.{name}: {error}") from error
    return found


def hooks_of(config: NotifierConfig, targets: Mapping[str, Target]) -> dict[str, Hand]:
    """What hands retrain requests over, to each target of `retrain`."""
    allowed = Allowed(config.allow)
    led_to = {entry.to for entry in config.retrain}
    return {name: hook(target, allowed) for name, target in targets.items() if name in led_to}


def run_notifier(config: NotifierConfig, targets: Mapping[str, Target], settings: WorkerSettings) -> int:
    """Run until SIGTERM or SIGINT; 0 after a graceful stop.

    A failure in one thread ends the process: what was delivered is committed, and nothing else is lost.
    Raises `ConfigurationError` before anything has started.
    """
    senders, hooks = senders_of(config, targets), hooks_of(config, targets)
    configure_logs(settings.log_level, settings.log_format)
    telemetry, stop = Telemetry(), Event()
    shared: dict[str, Any] = {"settings": settings, "telemetry": telemetry}
    parts: dict[str, _Part] = {
        name: Runner(name, targets[name], config.routes, each, **shared) for name, each in senders.items()
    }
    parts |= {
        f"{name}.retrain": Handing(name, config.retrain, each, targets[name].expire, **shared)
        for name, each in hooks.items()
    }
    parts["heartbeats of workers"] = HeartbeatWatch(**shared)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    threads = [
        Thread(target=_guarded, args=(name, part, stop), name=name, daemon=True)
        for name, part in parts.items()
    ]
    health = HealthServer(
        settings.health_host,
        settings.health_port,
        telemetry.registry,
        lambda: ", ".join(name for name, part in parts.items() if not part.ready.is_set()),
        settings.health_token.get_secret_value(),
    )
    for thread in threads:
        thread.start()
    log.info("started", targets=sorted(targets), health_port=health.port)
    stop.wait()
    log.info("stopping")
    deadline = time.monotonic() + STOP_DEADLINE_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    health.close()
    log.info("stopped")
    return STOPPED


def _guarded(name: str, part: _Part, stop: Event) -> None:
    try:
        part.run(stop)
    except BaseException as error:  # noqa: BLE001
        _fail(name, error)


def _fail(name: str, cause: BaseException) -> NoReturn:
    """End the process now; the others' progress is committed after each attempt."""
    log.critical("failed", part=name, error=str(cause), kind=type(cause).__name__, exc_info=cause)
    sys.stderr.flush()
    os._exit(FAILED)
