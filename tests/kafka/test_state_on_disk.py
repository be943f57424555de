"""A worker with a state directory on a real broker: it restarts from the disk, and reads only what is new."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from streamgauge.schemas.message import STATE
from tests.harness import WorkerProcess, create_topics, read_topic, wait_until
from tests.kafka.test_engine_exact import Traffic, assert_exact, committed_totals

pytestmark = pytest.mark.kafka

EVENTS = 10_000
PARTITIONS = 4


@pytest.fixture
def start(broker: str, prefix: str, tmp_path: Path) -> Callable[[str], WorkerProcess]:
    """Makes the worker of a name, which has a state directory of its own."""
    create_topics(broker, prefix, PARTITIONS)

    def make(name: str) -> WorkerProcess:
        environment = {"STREAMGAUGE_STATE_DIR": str(tmp_path / name)}
        return WorkerProcess(broker, prefix, tmp_path / f"{name}.log", environment=environment)

    return make


def records_read(worker: WorkerProcess) -> list[int]:
    """For each partition that was opened, in order, how many records of the topic it took."""
    return [int(found) for found in re.findall(r"partition_opened.* records=(\d+)", worker.logs)]


def wait_open(worker: WorkerProcess, partitions: int) -> None:
    opened = f'streamgauge_partitions{{state="open"}} {partitions}.0'
    wait_until(lambda: opened in worker.health("/metrics")[1])


def sent(broker: str, prefix: str, before: dict[str, list[int]]) -> Traffic:
    """Traffic that was sent and committed; `totals` include those `before` it."""
    traffic = Traffic(broker, prefix, events=EVENTS).start()
    traffic.join()
    for key, (count, total) in before.items():
        own = traffic.totals.setdefault(key, [0, 0])
        own[0] += count
        own[1] += total
        traffic.sent += count
    wait_until(
        lambda: sum(n for n, _ in committed_totals(broker, prefix).values()) >= traffic.sent, every=0.5
    )
    return traffic


def test_a_worker_that_was_killed_restarts_from_its_disk_and_reads_only_the_tail(
    broker: str, prefix: str, start: Callable[[str], WorkerProcess]
) -> None:
    with start("worker") as worker:
        worker.wait_ready()
        first = sent(broker, prefix, {})
        assert worker.stop() == 0
        before = len(read_topic(broker, prefix + STATE))

        worker.start()
        wait_until(lambda: len(records_read(worker)) == 2 * PARTITIONS)
        assert records_read(worker) == [0] * 2 * PARTITIONS  # an empty topic, then all of it on the disk
        second = sent(broker, prefix, first.totals)
        worker.kill()

        worker.start()
        wait_until(lambda: len(records_read(worker)) == 3 * PARTITIONS)
        tail = sum(records_read(worker)[2 * PARTITIONS :])
        assert tail <= len(read_topic(broker, prefix + STATE)) - before
        assert_exact(broker, prefix, sent(broker, prefix, second.totals))
        assert worker.stop() == 0


def test_partitions_that_went_away_and_came_back_are_read_from_where_they_left(
    broker: str, prefix: str, start: Callable[[str], WorkerProcess]
) -> None:
    with start("stays") as stays:
        wait_open(stays, PARTITIONS)
        first = sent(broker, prefix, {})
        before = len(read_topic(broker, prefix + STATE))
        with start("visitor") as visitor:
            wait_open(visitor, PARTITIONS // 2)
            second = sent(broker, prefix, first.totals)
            assert visitor.stop() == 0
        wait_open(stays, PARTITIONS)
        wait_until(lambda: len(records_read(stays)) == PARTITIONS + PARTITIONS // 2)
        tail = sum(records_read(stays)[PARTITIONS:])
        assert 0 < tail <= len(read_topic(broker, prefix + STATE)) - before
        assert_exact(broker, prefix, sent(broker, prefix, second.totals))
        assert stays.stop() == 0
