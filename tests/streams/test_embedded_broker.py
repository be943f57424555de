"""The embedded broker serves one worker. It has no isolation and no fencing: exactness is not for it."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import METRICS, PREDICTIONS, TOPICS
from streamgauge.streams.embedded import EmbeddedBroker
from streamgauge.streams.topics import check_topics, describe_topics
from tests.harness import WorkerProcess, read_topic, wait_until


def test_its_topics_are_there_and_a_worker_would_start_on_them() -> None:
    with EmbeddedBroker(prefix="x.", partitions=3) as broker:
        topics = describe_topics(Connection(broker.bootstrap_servers, prefix="x."))
        assert [topic.name for topic in topics] == [f"x.{name}" for name in TOPICS]
        assert check_topics(topics, prefix="x.") == 3


@pytest.mark.slow
def test_a_worker_reads_and_writes_and_stops_gracefully(tmp_path: Path) -> None:
    with (
        EmbeddedBroker(prefix="x.", partitions=2) as broker,
        WorkerProcess(broker.bootstrap_servers, "x.", tmp_path / "worker.log") as worker,
    ):
        worker.wait_ready()
        producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap_servers,
                "partitioner": "murmur2_random",
                "linger.ms": 100,
            }
        )
        for number in range(200):
            producer.produce("x." + PREDICTIONS, key=f"model-{number % 5}", value="1")
        producer.flush(60)
        wait_until(lambda: len(read_topic(broker.bootstrap_servers, "x." + METRICS)) == 200, every=0.5)
        origins = {m.value() for m in read_topic(broker.bootstrap_servers, "x." + METRICS)}
        assert {json.loads(origin)["topic"] for origin in origins} == {PREDICTIONS}
        assert worker.stop() == 0


def test_it_ends_with_whoever_started_it() -> None:
    with EmbeddedBroker() as broker:
        process = broker._process
    assert process is not None
    assert process.returncode == 0
