"""An embedded Kafka cluster for mechanics; nothing about transactions or isolation is tested on it."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer


@pytest.fixture(scope="session")
def mock_cluster() -> Iterator[str]:
    """The address of librdkafka's mock cluster, which lives as long as the client that started it."""
    host = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 2})
    brokers = host.list_topics(timeout=60).brokers
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
    host.flush(0)
