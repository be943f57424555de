"""Where a partition's state lives between two owners: the `state` topic, and what mirrors it locally."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import ConfigurationError, StateError
from streamgauge.schemas.message import STATE
from streamgauge.streams.records import StateRecord, StateRecords

RESTORE_DEADLINE_S = 60.0


class StateStore(Protocol):
    """One partition's mirror of the `state` topic."""

    @property
    def position(self) -> int:
        """The offset of the first record that the mirror has not read; below 0: none."""
        ...

    def read(self, message: Message) -> None:
        """One committed record of the topic, in the order of offsets."""
        ...

    def snapshots(self) -> Iterable[tuple[bytes, bytes]]:
        """Every live snapshot. Raises `StateError`."""
        ...

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Iterable[StateRecord]:
        """The records that bring the topic up to `changes`."""
        ...


class MemoryStore:
    """Nothing is kept between runs: the whole topic is read on each restore."""

    def __init__(self) -> None:
        self._records = StateRecords()

    @property
    def position(self) -> int:
        return -1

    def read(self, message: Message) -> None:
        self._records.read(message.key() or b"", message.value(), message.headers())

    def snapshots(self) -> Iterator[tuple[bytes, bytes]]:
        return self._records.snapshots()

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Iterator[StateRecord]:
        return self._records.write(changes)


@dataclass(frozen=True, slots=True)
class LogBounds:
    """The offsets of the first record that is kept, and of the next one to be written."""

    start: int
    end: int


def restore(
    store: StateStore, connection: Connection, *, group: str, partition: int, wanted: Callable[[], bool]
) -> int:
    """Bring `store` up to the end of its partition of `state`; the number of records read.

    Call it once the partition is fenced: then nobody else can write to it, and all transactions are settled.
    Raises `StateError` when the broker is silent for a minute.
    """
    topic = connection.topic(STATE)
    with_offset = TopicPartition(
        topic, partition, store.position if store.position >= 0 else OFFSET_BEGINNING
    )
    consumer = _consumer(connection, group)
    try:
        end = _bounds(consumer, topic, partition).end
        consumer.assign([with_offset])
        count, deadline = 0, time.monotonic() + RESTORE_DEADLINE_S
        while wanted():
            for message in consumer.consume(500, timeout=0.2):
                error = message.error()
                if error is None:
                    store.read(message)
                    count, deadline = count + 1, time.monotonic() + RESTORE_DEADLINE_S
                elif error.code() == KafkaError._PARTITION_EOF:
                    if (message.offset() or 0) >= end:
                        return count
                elif not _passes(error):
                    raise KafkaException(error)
            if time.monotonic() > deadline:
                raise StateError(f"{topic}[{partition}] gave nothing for {RESTORE_DEADLINE_S:.0f} s")
        return count
    finally:
        consumer.close()


def log_bounds(
    connection: Connection, topics: Iterable[str], *, group: str, partition: int
) -> dict[str, LogBounds]:
    """Where the logs of `topics` (without prefix) begin and end in this partition."""
    consumer = _consumer(connection, group)
    try:
        return {topic: _bounds(consumer, connection.topic(topic), partition) for topic in topics}
    finally:
        consumer.close()


def refuse_foreign_logs(
    applied: Mapping[str, int], bounds: Mapping[str, LogBounds], *, prefix: str, partition: int
) -> None:
    """Raise `ConfigurationError` if state was made from more of an input than its topic has ever held.

    >>> refuse_foreign_logs({"predictions": 9}, {"predictions": LogBounds(0, 10)}, prefix="", partition=0)
    """
    for topic, offset in applied.items():
        if offset >= bounds[topic].end:
            raise ConfigurationError(
                f"{prefix}{topic}[{partition}] ends at offset {bounds[topic].end}, but state has applied it "
                f"up to {offset}: the topic was deleted and created again, and new events would be skipped. "
                f"Start afresh with another STREAMGAUGE_TOPIC_PREFIX, or stop all workers, delete the "
                f"topic {prefix}{STATE} and the consumer group, and run `streamgauge topics create`"
            )


def _consumer(connection: Connection, group: str) -> Consumer:
    return Consumer(
        connection.librdkafka()
        | {
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
            "log_level": 3,
        }
    )


def _bounds(consumer: Consumer, topic: str, partition: int) -> LogBounds:
    deadline = time.monotonic() + RESTORE_DEADLINE_S
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5.0)
            return LogBounds(low, high)
        except KafkaException as error:
            if not _passes(error.args[0]) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _passes(error: KafkaError) -> bool:
    return bool(error.retriable()) or error.code() in (
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
    )
