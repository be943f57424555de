"""What Kafka answers to questions, and what its errors mean to the people who read ours."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from streamgauge.schemas.errors import ConfigurationError, StreamgaugeError

#: How long Kafka may take for an answer.
ANSWER_S = 10.0

MISSING = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
_UNSETTLED = (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION)


def answer(ask: Callable[..., Any], topic: str | None = None) -> Any:
    """What Kafka says, once it has settled who leads a partition; `ask` takes a `timeout` in seconds.

    Raises `StreamgaugeError` if it doesn't answer in time, or refuses; with `topic` as `explain` does.
    """
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            return ask(timeout=ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() not in _UNSETTLED or time.monotonic() > deadline:
                if topic is not None:
                    raise explain(error.args[0], topic) from error
                raise StreamgaugeError(f"Kafka does not answer: {error.args[0].str()}") from error
            time.sleep(0.1)


def explain(error: KafkaError, topic: str) -> StreamgaugeError:
    """Our error for Kafka's about a topic."""
    if error.code() in MISSING:
        return ConfigurationError(f"there is no topic {topic}: run `streamgauge topics create`")
    if error.code() in FORBIDDEN:
        return ConfigurationError(f"Kafka does not allow us to read {topic}: {error.str()}")
    return StreamgaugeError(f"Kafka refuses {topic}: {error.str()}")


def partitions_of(client: Any, topic: str) -> list[int]:
    """The numbers of a topic's partitions, as a confluent-kafka client sees them."""
    metadata = answer(partial(client.list_topics, topic)).topics[topic]
    if metadata.error is not None:
        raise explain(metadata.error, topic)
    return sorted(metadata.partitions)
