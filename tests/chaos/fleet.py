"""The workers of a chaos run, and a supervisor as in production: who ends with 1 or 3 starts again."""

import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from streamgauge.clients.connection import Connection
from tests.chaos.sabotage import Clock, Disk
from tests.harness import WorkerProcess

#: Exit codes after which a supervisor starts a worker again (failed, displaced), and ours of signals.
RESTARTED = (1, 3)
MOST = 3


class Fleet:
    """Up to three `streamgauge worker` processes that share a state directory. A context."""

    def __init__(self, connection: Connection, logs: Path, *, session_s: float = 6) -> None:
        self._connection = connection
        self._logs = logs
        self.disk = Disk(logs / "state")
        self.clock = Clock(logs)
        self.exits: Counter[int] = Counter()
        self.refusals: list[str] = []
        self.starts = 0
        self._session_s = session_s
        self._members: list[WorkerProcess] = []
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def __enter__(self) -> "Fleet":
        self.disk.mount()
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._supervisor.join()
        for worker in self._members:
            worker.__exit__()
        self.disk.unmount()

    @property
    def members(self) -> list[WorkerProcess]:
        """Those that are to run, whether or not they do at this moment."""
        with self._lock:
            return list(self._members)

    def join(self) -> WorkerProcess:
        """One more."""
        with self._lock:
            worker = self._start()
            self._members.append(worker)
            return worker

    def pick(self, number: int) -> WorkerProcess:
        """One of the members."""
        with self._lock:
            return self._members[number % len(self._members)]

    def kill(self, worker: WorkerProcess, away_s: float) -> None:
        """SIGKILL; another takes its place after so long."""
        self.lose(worker)
        self._ended.wait(away_s)
        self.join()

    def lose(self, worker: WorkerProcess) -> None:
        """SIGKILL, and no other takes its place."""
        with self._lock:
            self._leave(worker)
            worker.kill()
            self.exits[worker.wait(10)] += 1

    def stop(self, worker: WorkerProcess) -> int:
        """SIGTERM, and no other takes its place; the exit code."""
        with self._lock:
            self._leave(worker)
        code = worker.stop()
        self.exits[code] += 1
        return code

    def outsider(self) -> WorkerProcess:
        """One that nobody starts again; a context."""
        return self._new()

    def _leave(self, worker: WorkerProcess) -> None:
        if worker in self._members:
            self._members.remove(worker)

    def _start(self) -> WorkerProcess:
        return self._new().start()

    def _new(self) -> WorkerProcess:
        self.starts += 1
        environment: Mapping[str, str] = {
            "STREAMGAUGE_STATE_DIR": str(self.disk.path),
            "STREAMGAUGE_MAX_MEMORY": "350MB",  # the least: whatever can leave memory does
            "STREAMGAUGE_SESSION_TIMEOUT_S": str(self._session_s),
            **self.clock.environment,
        }
        return WorkerProcess(
            self._connection.bootstrap_servers,
            self._connection.prefix,
            self._logs / f"worker-{self.starts:03}.log",
            module="streamgauge",
            arguments=["worker"],
            environment=environment,
        )

    def _supervise(self) -> None:
        while not self._ended.wait(0.5):
            with self._lock:
                for worker in list(self._members):
                    code = worker.exit_code
                    if code is None:
                        continue
                    self.exits[code] += 1
                    self._leave(worker)
                    if code not in RESTARTED:
                        self.refusals.append(f"a worker ended with {code}: {worker.logs[-2_000:]}")
                    self._members.append(self._start())
