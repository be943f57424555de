"""Sending single events that must arrive: waits for the broker's answer, and raises if there is none."""

from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_answers import partitions_of
from streamgauge.clients.reach import Reach
from streamgauge.schemas.errors import StreamgaugeError

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
        self._reach = Reach(connection)
        config = producer_config(
            connection, "control", delivery_timeout_ms=int(timeout_s * 1_000), linger_ms=0
        )
        self._producer = Producer(self._reach.config(config), logger=self._reach)

    def partitions(self, topic: str) -> list[int]:
        """The numbers of a topic's partitions."""
        self._reach.check(self._producer)
        return partitions_of(self._producer, self._connection.topic(topic))

    def send(
        self, topic: str, key: str, value: bytes, headers: Headers = (), partitions: list[int] | None = None
    ) -> None:
        """Store one event, in the partition of its key or in each of `partitions`."""
        self._reach.check(self._producer)
        name = self._connection.topic(topic)
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: object) -> None:
            if error is not None:
                failures.append(error)

        for partition in partitions or [-1]:
            try:
                self._producer.produce(name, value, key.encode(), partition, delivered, headers=list(headers))
            except KafkaException as error:  # beyond the size that any broker takes
                failures.append(error.args[0])
        waiting = self._producer.flush(self._timeout_s)
        if failures or waiting:
            why = failures[0].str() if failures else "Kafka did not answer in time"
            raise StreamgaugeError(f"an event for {name} was not stored: {why}")

    def close(self) -> None:
        """End its threads and connections."""
        self._producer.close()
