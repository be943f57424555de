"""Commits keep to a budget of bytes a second; what must not wait does not."""

from pathlib import Path

import pytest
from confluent_kafka import Producer

from streamgauge.schemas.message import METRICS, PREDICTIONS, STATE
from streamgauge.streams.task import LONGEST_PAUSE_S
from tests.harness import WorkerProcess, create_topics, read_topic, wait_until

pytestmark = pytest.mark.kafka


def committed_ms(broker: str, prefix: str, key: bytes) -> int | None:
    """When the first snapshot of a key was written."""
    return next((m.timestamp()[1] for m in read_topic(broker, prefix + STATE) if m.key() == key), None)


def test_an_alert_is_committed_at_once_although_the_budget_of_bytes_is_used_up(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    create_topics(broker, prefix, 1)
    producer = Producer({"bootstrap.servers": broker})

    def send(key: bytes) -> None:
        producer.produce(prefix + PREDICTIONS, key=key, value=b"1")
        assert producer.flush(60) == 0

    budget = {"STREAMGAUGE_COMMIT_BYTES_PER_S": "10000"}
    with WorkerProcess(broker, prefix, tmp_path / "worker.log", environment=budget) as worker:
        worker.wait_ready()
        send(b"large")  # 700 kB of state: the next commit waits for the longest pause
        first_ms = wait_until(lambda: committed_ms(broker, prefix, b"large"))
        send(b"patient")
        send(b"urgent")
        urgent_ms = wait_until(lambda: committed_ms(broker, prefix, b"urgent"))
        # the pause ends so long after the commit that began it
        assert urgent_ms - first_ms < LONGEST_PAUSE_S * 1_000
        patient_ms = committed_ms(broker, prefix, b"patient")
        assert patient_ms is not None
        assert abs(patient_ms - urgent_ms) < 1_000  # one commit, whose records are made one after the other
        assert [m.key() for m in read_topic(broker, prefix + METRICS)] == [b"large", b"patient", b"urgent"]
        assert worker.stop() == 0
