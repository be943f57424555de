"""Sending single events that must arrive: waits for the broker's answer, and raises if there is none."""

import logging
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Producer

from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import ConfigurationError, StreamgaugeError

LOG = logging.getLogger("streamgauge.clients")
Headers = tuple[tuple[str, bytes], ...]


def producer_config(connection: Connection, client: str, **settings: Any) -> dict[str, Any]:
    """What every producer of ours has in common, and its own librdkafka settings with ``_`` for ``.``.

    >>> producer_config(Connection("localhost:9092"), "demo", linger_ms=5)["linger.ms"]
    5
    """
    return connection.librdkafka() | {
        "client.id": f"streamgauge-{client}",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # as Java's and Faust's producers: one model, one partition
        **{name.replace("_", "."): value for name, value in settings.items()},
    }


class EventProducer:
    """An idempotent producer whose `send` returns when the event is stored. Raises `StreamgaugeError`."""

    def __init__(self, connection: Connection, timeout_s: float = 30.0) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._producer = Producer(
            producer_config(connection, "control", delivery_timeout_ms=int(timeout_s * 1_000), linger_ms=0),
            logger=LOG,
        )

    def partitions(self, topic: str) -> list[int]:
        """The numbers of a topic's partitions."""
        name = self._connection.topic(topic)
        try:
            metadata = self._producer.list_topics(name, timeout=self._timeout_s).topics[name]
        except KafkaException as error:
            raise StreamgaugeError(f"Kafka does not answer: {error.args[0].str()}") from error
        if metadata.error is not None:
            raise ConfigurationError(f"there is no topic {name}: run `streamgauge topics create`")
        return sorted(metadata.partitions)

    def send(
        self, topic: str, key: str, value: bytes, headers: Headers = (), partitions: list[int] | None = None
    ) -> None:
        """Store one event, in the partition of its key or in each of `partitions`."""
        name = self._connection.topic(topic)
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: object) -> None:
            if error is not None:
                failures.append(error)

        for partition in partitions or [-1]:
            self._producer.produce(name, value, key.encode(), partition, delivered, headers=list(headers))
        waiting = self._producer.flush(self._timeout_s)
        if failures or waiting:
            why = failures[0].str() if failures else "Kafka did not answer in time"
            raise StreamgaugeError(f"an event for {name} was not stored: {why}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.flush(self._timeout_s)
