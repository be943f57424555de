"""Kafka's answers are waited for while leaders move, and its refusals are explained."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from streamgauge.clients.kafka_answers import answer
from streamgauge.schemas.errors import ConfigurationError, StreamgaugeError


def failing(*codes: int):
    """Asks that fail so, one after the other, and then succeed."""
    waiting = list(codes)

    def ask(timeout: float) -> str:
        if waiting:
            raise KafkaException(KafkaError(waiting.pop(0)))
        return "offsets"

    return ask


def test_a_leader_that_moves_is_waited_for():
    moving = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
    assert answer(failing(*moving), "predictions") == "offsets"


def test_what_is_refused_is_told_by_its_topic_with_what_to_do():
    with pytest.raises(ConfigurationError, match="does not allow us to read predictions"):
        answer(failing(KafkaError.TOPIC_AUTHORIZATION_FAILED), "predictions")
    with pytest.raises(ConfigurationError, match="streamgauge topics create"):
        answer(failing(KafkaError.UNKNOWN_TOPIC_OR_PART), "predictions")
    with pytest.raises(StreamgaugeError, match="Kafka does not answer"):
        answer(failing(KafkaError.TOPIC_AUTHORIZATION_FAILED))
