"""The demo's cast, each a process of its own: the embedded broker, a worker, a training job, the traffic."""

import json
import os
import socket
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO, Any, Self

from streamgauge.clients.connection import Connection
from streamgauge.demo.children import Child
from streamgauge.demo.successors import Order
from streamgauge.demo.trainer import file_of
from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.streams.embedded import EmbeddedBroker

#: How soon after its start the worker must be ready.
READY_WITHIN_S = 60.0


class Stage:
    """Broker, worker, training job and traffic, with their logs in `folder`; all are gone when it ends.

    They share nothing but the broker's address, and job and traffic the folder of trained models.
    """

    def __init__(self, folder: Path, traffic: Sequence[str]) -> None:
        self._folder = folder
        self._models = folder / "models"
        self._traffic_arguments = traffic
        self._stack = ExitStack()
        self._reports: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            broker = stack.enter_context(EmbeddedBroker())
            self.connection = Connection(broker.bootstrap_servers)
            port = _free_port()
            self._ready_url = f"http://127.0.0.1:{port}/readyz"
            environ = _environ(self.connection, port)
            self._worker = stack.enter_context(
                Child("worker", "streamgauge", ["worker"], self._folder / "worker.log", environ)
            )
            self._trainer = stack.enter_context(
                Child(
                    "training job",
                    "streamgauge.demo.trainer",
                    [str(self._models)],
                    self._folder / "trainer.log",
                    environ,
                )
            )
            self._traffic = stack.enter_context(
                Child(
                    "traffic",
                    "streamgauge.demo.traffic",
                    self._traffic_arguments,
                    self._folder / "traffic.log",
                    environ,
                    piped=True,
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def await_worker(self) -> None:
        """Return once the worker is ready. Raises `StreamgaugeError` if it ends, or takes too long."""
        deadline_s = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline_s:
            self.check()
            try:
                with urllib.request.urlopen(self._ready_url, timeout=2.0):
                    return
            except OSError:
                time.sleep(0.1)
        raise StreamgaugeError(
            f"the worker is not ready after {READY_WITHIN_S:.0f} s; its log ends:\n{self._worker.tail()}"
        )

    def start_traffic(self) -> None:
        """Let the apps and the label sources begin; until now they have only trained their models."""
        self._traffic.say("begin")
        Thread(target=_read, args=(self._traffic.stdout, self._reports), daemon=True).start()

    def check(self) -> None:
        """Raise `ChildDiedError` if worker or training job have ended, or the traffic has failed."""
        for child in (self._worker, self._trainer):
            if child.exit_code() is not None:
                raise child.death()
        self._traffic.check()

    def order(self, order: Order) -> None:
        """Tell the traffic which version is to answer."""
        file = file_of(self._models, order.model, order.version)
        self._traffic.say(json.dumps(asdict(order) | {"file": str(file)}))

    def reports(self) -> list[dict[str, Any]]:
        """What the traffic has told of itself since the last call."""
        told = []
        while True:
            try:
                told.append(self._reports.get_nowait())
            except Empty:
                return told


def _environ(connection: Connection, port: int) -> Mapping[str, str]:
    """This process's environment, without settings meant for a real cluster."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}
    return inherited | {
        "STREAMGAUGE_BOOTSTRAP_SERVERS": connection.bootstrap_servers,
        "STREAMGAUGE_CLOCK": "events",
        "STREAMGAUGE_HEALTH_PORT": str(port),
        "STREAMGAUGE_LOG_FORMAT": "text",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _read(stream: IO[str], reports: "SimpleQueue[dict[str, Any]]") -> None:
    try:
        for line in stream:
            reports.put(json.loads(line))
    except ValueError:
        return  # the demo was stopped: the stream is closed, or ends within a line
