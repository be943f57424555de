"""What real-broker tests are made of: worker processes that can be killed and stopped, topics, waiting."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import confluent_kafka
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.streams import topics

ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")
#: Runs a `streamgauge` command in this process: (exit code, output, errors).
Command = Callable[..., tuple[int, str, str]]

#: How long a condition is waited for. On a busy machine a start alone may take half a minute, and a test that
#: passes does not pay for it.
PATIENCE_S = 120.0

#: Short enough for tests of failures; the worker's default session is 30 s.
QUICK = {
    "STREAMGAUGE_SESSION_TIMEOUT_S": "6",
    "STREAMGAUGE_HEARTBEAT_INTERVAL_S": "1",
    "STREAMGAUGE_HEALTH_PORT": "0",
    "STREAMGAUGE_LOG_FORMAT": "text",
}


class WorkerProcess:
    """A worker in a process of its own; `module` is what ``python -m`` runs, out of `directory` if it is
    there. Logs go to `log_file`."""

    def __init__(
        self,
        broker: str,
        prefix: str,
        log_file: Path,
        *,
        module: str = "tests.counting_core",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        directory: Path = ROOT,
    ) -> None:
        self._directory = directory
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("STREAMGAUGE_")},
            **QUICK,
            "STREAMGAUGE_BOOTSTRAP_SERVERS": broker,
            "STREAMGAUGE_TOPIC_PREFIX": prefix,
            **(environment or {}),
        }
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "WorkerProcess":
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._directory, env=self._environment, stdout=log, stderr=log
            )
        return self

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._running.poll()

    @property
    def logs(self) -> str:
        return self._log_file.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._running.kill()
        self._running.wait(PATIENCE_S)

    def stop(self, seconds: float = PATIENCE_S) -> int:
        """SIGTERM, and wait for the graceful end; the exit code."""
        if self._running.poll() is None:
            self._running.send_signal(signal.SIGTERM)
        return self._running.wait(seconds)

    def pause(self) -> None:
        """SIGSTOP: it does not run, and does not know it."""
        self._running.send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT, after `pause`."""
        self._running.send_signal(signal.SIGCONT)

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """The exit code, when it ends by itself."""
        return self._running.wait(seconds)

    def health(self, path: str) -> tuple[int, str]:
        """Status and body of the worker's own HTTP server; 0 while there is none."""
        port = next(
            (
                word.partition("=")[2]
                for word in reversed(self.logs.split())
                if word.startswith("health_port=")
            ),
            None,
        )
        if port is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return 0, ""

    def wait_ready(self, seconds: float = PATIENCE_S) -> None:
        """Until every assigned partition is restored; fails at once, with the log, if the process ends."""

        def ready() -> bool:
            assert self.exit_code is None, self.logs[-4000:]
            return self.health("/readyz")[0] == 200

        wait_until(ready, seconds, saying="the worker is ready")

    def peak_bytes(self) -> int:
        """The most memory that it has had at once. Only where there is /proc."""
        status = Path(f"/proc/{self._running.pid}/status")
        if not status.exists():
            pytest.skip("the memory of a process is read from /proc, which this system does not have")
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1_024

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "start it first"
        return self._process

    def __enter__(self) -> "WorkerProcess":
        return self.start()

    def __exit__(self, failure: object = None, *_: object) -> None:
        if failure is not None:
            print(f"the last lines of a worker (exit code {self.exit_code}):\n{self.logs[-6000:]}")
        if self._process is not None and self._process.poll() is None:
            self.cont()
            self.kill()


def notifier(
    broker: str,
    prefix: str,
    folder: Path,
    config: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
) -> WorkerProcess:
    """`streamgauge notifier` with this configuration, which may reach this machine.

    Its groups give a dead member's partitions away soon.
    """
    session = {"STREAMGAUGE_SESSION_TIMEOUT_S": "2", "STREAMGAUGE_HEARTBEAT_INTERVAL_S": "0.5"}
    (folder / "notifier.yaml").write_text(json.dumps({"allow": ["127.0.0.1"], **config}))
    return WorkerProcess(
        broker, prefix, folder / "notifier.log", module="streamgauge",
        arguments=["notifier", "--config", str(folder / "notifier.yaml")],
        environment=session | dict(environment or {}),
    )  # fmt: skip


def create_topics(broker: str, prefix: str, partitions: int = 4, replication: int = 1) -> Connection:
    """All topics of the contract, and the connection to them."""
    connection = Connection(broker, prefix=prefix)
    topics.create_topics(connection, partitions=partitions, replication=replication)
    wait_until(lambda: all(topic.partitions == partitions for topic in topics.describe_topics(connection)))
    return connection


def wait_until(
    condition: Callable[[], T], seconds: float = PATIENCE_S, *, every: float = 0.1, saying: str = ""
) -> T:
    """What `condition` returns as soon as that is true; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {saying or condition}")
        time.sleep(every)


def read_topic(broker: str, topic: str, *, committed: bool = True) -> "list[confluent_kafka.Message]":
    """Every record of a topic as of now, by partition and offset; by default only committed ones."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": "tests",
            "enable.auto.commit": False,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "log_level": 2,
        }
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=60).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[confluent_kafka.Message] = []
        ended: set[int] = set()
        deadline = time.monotonic() + 60
        while len(ended) < len(partitions):
            assert time.monotonic() < deadline, f"{topic} was not read within 60 s"
            for message in consumer.consume(1_000, timeout=0.2):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise KafkaException(error)
        return sorted(found, key=lambda m: (m.partition(), m.offset()))
    finally:
        consumer.close()
