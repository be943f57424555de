"""The broker that the other tests rely on."""

import pytest
from confluent_kafka.admin import AdminClient

pytestmark = pytest.mark.kafka


def test_the_broker_answers(broker: str) -> None:
    assert AdminClient({"bootstrap.servers": broker}).list_topics(timeout=60).brokers
