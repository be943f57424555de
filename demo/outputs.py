"""Reads what the worker says, and what training jobs answer, from the beginning, as records."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.schemas.encode import decode_output
from streamgauge.schemas.message import ALERTS, METRICS, RETRAIN_REQUESTS, RETRAIN_STATUS

TOPICS = (METRICS, ALERTS, RETRAIN_REQUESTS, RETRAIN_STATUS)


class OutputReader:
    """Every partition of these topics, without a group: it only watches.

    `poll` waits up to `within_s` for the first record and then takes what is there.
    """

    def __init__(self, connection: Connection) -> None:
        self._names = {connection.topic(topic): topic for topic in TOPICS}
        self._consumer = Consumer(
            connection.librdkafka()
            | {
                "group.id": "demo-view",
                "enable.auto.commit": False,
                # the embedded broker answers a fetch that finds nothing only after all of this time
                "fetch.wait.max.ms": 50,
            }
        )
        self._consumer.assign(
            [
                TopicPartition(name, partition, OFFSET_BEGINNING)
                for name in self._names
                for partition in self._partitions(name)
            ]
        )

    def poll(self, within_s: float) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(topic without its prefix, record), in the order of each partition. Raises `KafkaException`."""
        first = self._consumer.poll(within_s)
        if first is None:
            return
        for message in [first, *self._consumer.consume(500, 0.0)]:
            if message.error():
                raise KafkaException(message.error())
            value, name = message.value(), message.topic()
            assert value is not None
            assert name is not None
            yield self._names[name], decode_output(value, tuple(message.headers() or ()))

    def _partitions(self, name: str) -> list[int]:
        return sorted(self._consumer.list_topics(name, timeout=10.0).topics[name].partitions)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
