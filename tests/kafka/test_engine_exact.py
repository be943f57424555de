"""The engine on a real broker: whatever happens to workers and brokers, every event counts exactly once."""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer

from streamgauge.schemas.message import GROUND_TRUTH, METRICS, PREDICTIONS, STATE
from tests.counting_core import APPLIED
from tests.harness import PATIENCE_S, WorkerProcess, create_topics, read_topic, wait_until
from tests.kafka_broker import JarBroker

pytestmark = pytest.mark.kafka

EVENTS = 50_000
KEYS = 40


class Traffic:
    """Events of 40 models on two inputs, sent in the background; knows what the sums must be."""

    def __init__(self, broker: str, prefix: str, events: int = EVENTS, per_second: int = 5_000) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": broker,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "log_level": 2,
            }
        )
        self._prefix = prefix
        self._events = events
        self._per_second = per_second
        self.totals: dict[str, list[int]] = {}
        self.sent = 0
        self.undelivered: list[str] = []
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        chance = random.Random(7)
        pause = threading.Event()
        while self.sent < self._events:
            for _ in range(min(self._per_second // 20, self._events - self.sent)):
                key, value = f"model-{chance.randrange(KEYS)}", chance.randrange(1_000)
                topic = self._prefix + (PREDICTIONS if chance.random() < 0.7 else GROUND_TRUTH)
                self._producer.produce(topic, key=key, value=str(value), on_delivery=self._delivered)
                total = self.totals.setdefault(key, [0, 0])
                total[0] += 1
                total[1] += value
                self.sent += 1
            self._producer.poll(0)
            pause.wait(0.05)
        self._producer.flush(60)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.undelivered.append(error.str())

    def start(self) -> "Traffic":
        self._thread.start()
        return self

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        assert self.undelivered == []


def committed_totals(broker: str, prefix: str) -> dict[str, list[int]]:
    latest = {m.key(): m.value() for m in read_topic(broker, prefix + STATE)}
    return {
        key.decode(): json.loads(value)["totals"]
        for key, value in latest.items()
        if key != APPLIED and key.startswith(b"model")
    }


def assert_exact(broker: str, prefix: str, traffic: Traffic, seconds: float = PATIENCE_S) -> None:
    """State holds every event once, and so do the outputs."""
    traffic.join()
    wait_until(
        lambda: sum(n for n, _ in committed_totals(broker, prefix).values()) >= traffic.sent,
        seconds,
        every=1,
        saying="every event is in committed state",
    )
    assert committed_totals(broker, prefix) == traffic.totals
    origins = Counter(m.value() for m in read_topic(broker, prefix + METRICS))
    assert len(origins) == traffic.sent
    assert set(origins.values()) == {1}


@pytest.fixture
def two_workers(broker: str, prefix: str, tmp_path: Path) -> Iterator[list[WorkerProcess]]:
    create_topics(broker, prefix)
    with (
        WorkerProcess(broker, prefix, tmp_path / "worker-0.log") as first,
        WorkerProcess(broker, prefix, tmp_path / "worker-1.log") as second,
    ):
        yield [first, second]
        for worker in (first, second):
            if worker.exit_code not in (None, 0):
                print(worker.logs[-4000:])


def both_own_partitions(workers: list[WorkerProcess]) -> bool:
    for worker in workers:
        assert worker.exit_code is None, worker.logs[-3000:]
    return all('streamgauge_partitions{state="open"} 2.0' in w.health("/metrics")[1] for w in workers)


def test_two_workers_count_every_event_once(
    broker: str, prefix: str, two_workers: list[WorkerProcess]
) -> None:
    wait_until(lambda: both_own_partitions(two_workers))
    traffic = Traffic(broker, prefix).start()
    assert_exact(broker, prefix, traffic)
    assert [worker.stop() for worker in two_workers] == [0, 0]


def test_what_comes_before_a_partition_is_taken_over_is_not_lost(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    create_topics(broker, prefix, partitions=1)
    first = WorkerProcess(broker, prefix, tmp_path / "first.log")
    second = WorkerProcess(broker, prefix, tmp_path / "second.log", module="tests.slow_assignment")
    with first:
        first.wait_ready()
        with second:
            second.wait_ready()
            traffic = Traffic(broker, prefix).start()
            wait_until(lambda: traffic.sent > EVENTS // 3)
            first.kill()
            assert_exact(broker, prefix, traffic)


def test_a_worker_that_is_killed_takes_no_event_with_it(
    broker: str, prefix: str, tmp_path: Path, two_workers: list[WorkerProcess]
) -> None:
    wait_until(lambda: both_own_partitions(two_workers))
    traffic = Traffic(broker, prefix).start()
    wait_until(lambda: traffic.sent > EVENTS // 3)
    two_workers[0].kill()
    wait_until(lambda: traffic.sent > EVENTS * 2 // 3)
    with WorkerProcess(broker, prefix, tmp_path / "worker-2.log"):
        assert_exact(broker, prefix, traffic)
    assert two_workers[1].exit_code is None


def test_a_worker_stopped_for_longer_than_its_session_cannot_overwrite_its_successor(
    broker: str, prefix: str, tmp_path: Path, two_workers: list[WorkerProcess]
) -> None:
    wait_until(lambda: both_own_partitions(two_workers))
    traffic = Traffic(broker, prefix, per_second=2_500).start()
    wait_until(lambda: traffic.sent > EVENTS // 4)
    two_workers[0].pause()
    survivor = two_workers[1]
    wait_until(lambda: 'streamgauge_partitions{state="open"} 4.0' in survivor.health("/metrics")[1])
    committed = sum(n for n, _ in committed_totals(broker, prefix).values())
    wait_until(lambda: sum(n for n, _ in committed_totals(broker, prefix).values()) > committed, every=0.5)
    sleeper = two_workers[0]
    sleeper.cont()
    # if it slept in the middle of something it is displaced; if not, it joins again as if it were new
    four = 'streamgauge_partitions{state="open"} 4.0'
    wait_until(lambda: sleeper.exit_code is not None or four not in survivor.health("/metrics")[1])
    assert sleeper.exit_code in (None, 3), sleeper.logs[-2000:]
    with WorkerProcess(broker, prefix, tmp_path / "worker-2.log"):
        assert_exact(broker, prefix, traffic)
    assert survivor.exit_code is None


def test_a_broker_that_is_killed_and_started_again_loses_and_doubles_nothing(
    restartable_broker: JarBroker, prefix: str, tmp_path: Path
) -> None:
    broker = restartable_broker.bootstrap_servers
    create_topics(broker, prefix)
    with WorkerProcess(broker, prefix, tmp_path / "worker.log") as worker:
        worker.wait_ready()
        traffic = Traffic(broker, prefix, per_second=2_500).start()
        wait_until(lambda: traffic.sent > EVENTS // 3)
        restartable_broker.kill()
        restartable_broker.start()

        def everything_is_committed() -> bool:
            if worker.exit_code is not None:
                # Of four producers one may never come back from librdkafka 2.16: send_offsets_to_transaction
                # then returns at no time-out, and the watchdog ends the worker. Or the broker, once back, has
                # ended the open transaction itself, and its abort is refused as a displaced owner's would be.
                # Who runs the worker starts it again.
                why = {1: "changes are not committed for 60 s", 3: "fenced by a newer instance"}
                assert why[worker.exit_code] in worker.logs, worker.logs[-3000:]
                worker.start()
            return sum(n for n, _ in committed_totals(broker, prefix).values()) >= traffic.sent

        traffic.join()
        wait_until(everything_is_committed, 180, every=1, saying="every event is in committed state")
        assert_exact(broker, prefix, traffic)


def test_a_graceful_stop_commits_what_was_applied(broker: str, prefix: str, tmp_path: Path) -> None:
    create_topics(broker, prefix)
    rarely = {"STREAMGAUGE_COMMIT_INTERVAL_S": "5"}
    with WorkerProcess(broker, prefix, tmp_path / "worker.log", environment=rarely) as worker:
        worker.wait_ready()
        traffic = Traffic(broker, prefix, events=500).start()
        traffic.join()
        wait_until(lambda: 'outcome="applied"} 500.0' in worker.health("/metrics")[1])
        assert worker.stop() == 0
    assert committed_totals(broker, prefix) == traffic.totals
