"""A run of real workers: started, told what to watch, given traffic, and waited for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from streamgauge.clients.connection import Connection
from streamgauge.clients.control import Control
from streamgauge.streams.worker import DISPLACED
from tests.acceptance.senders import Sender
from tests.acceptance.traffic import PARTITIONS, Traffic
from tests.acceptance.waiting import progress, wait_applied
from tests.harness import WorkerProcess, create_topics, wait_until

Disturb = Callable[[Sender, list[WorkerProcess]], None]


class Run:
    """`streamgauge worker` processes on topics of their own. A context: at its end none is left."""

    def __init__(
        self,
        broker: str,
        prefix: str,
        logs: Path,
        *,
        clock: Literal["wall", "events"] = "events",
        replication: int = 1,
    ) -> None:
        self.connection: Connection = create_topics(broker, prefix, PARTITIONS, replication)
        self.workers: list[WorkerProcess] = []
        self._logs = logs
        self._environment = {
            "STREAMGAUGE_CLOCK": clock,
            # one for all, as on one machine: partitions that move are found there by their next owner
            "STREAMGAUGE_STATE_DIR": str(logs / "state"),
            "STREAMGAUGE_MAX_MEMORY": "350MB",  # the least: whatever can leave memory does
        }

    def worker(self) -> WorkerProcess:
        """One more worker, started."""
        worker = WorkerProcess(
            self.connection.bootstrap_servers,
            self.connection.prefix,
            self._logs / f"worker-{len(self.workers)}.log",
            module="streamgauge",
            arguments=["worker"],
            environment=self._environment,
        ).start()
        self.workers.append(worker)
        return worker

    def start(self, definitions: Sequence[Mapping[str, Any]], workers: int = 2) -> None:
        """So many workers, with as many partitions each, that know `definitions`."""
        for _ in range(workers):
            self.worker()
        for worker in self.workers:
            worker.wait_ready()
        each = PARTITIONS // workers
        wait_until(lambda: all(open_partitions(w) == each for w in self.workers))
        control = Control(self.connection, "tests")
        for definition in definitions:
            control.define(definition)
        self.wait_applied()

    def send(self, traffic: Traffic, disturb: Disturb | None = None, per_second: int | None = 5_000) -> None:
        """All of the traffic, and wait until it is applied; `afterwards` ends its windows, if anything is."""
        sender = Sender(self.connection, traffic.parcels, per_second).start()
        if disturb is not None:
            disturb(sender, self.workers)
        sender.wait()
        self.wait_applied()
        if traffic.afterwards:
            Sender(self.connection, traffic.afterwards, per_second).start().wait()
            self.wait_applied()

    def applied(self) -> int:
        """How many messages of all inputs are committed as applied, once the brokers can tell."""
        return sum(applied for applied, _ in wait_until(lambda: progress(self.connection)))

    def wait_applied(self) -> None:
        """Until every message of every input is committed as applied. A worker that was displaced is started
        again, as a supervisor would: on a busy machine a broker may end a transaction that takes too long."""

        def running() -> None:
            for worker in self.workers:
                if worker.exit_code == DISPLACED:
                    worker.start()
            assert any(worker.exit_code is None for worker in self.workers), self.workers[-1].logs[-3000:]

        wait_applied(self.connection, check=running)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.__exit__()


def open_partitions(worker: WorkerProcess) -> int:
    """How many partitions the worker has restored, by its own /metrics."""
    name = 'streamgauge_partitions{state="open"} '
    _, metrics = worker.health("/metrics")
    return next((int(float(line.removeprefix(name))) for line in metrics.splitlines() if name in line), 0)
