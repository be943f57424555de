"""Reading a partition of the topic `state`, and what the logs of the inputs must have for state to go on."""

import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from streamgauge.clients.connection import Connection
from streamgauge.clients.reach import passes
from streamgauge.schemas.errors import ConfigurationError, StateError
from streamgauge.schemas.message import STATE
from streamgauge.streams.store import LogBounds, Progress, StateStore

RESTORE_DEADLINE_S = 60.0


def restore(
    store: StateStore,
    connection: Connection,
    *,
    group: str,
    partition: int,
    wanted: Callable[[], bool],
    progress: Progress,
) -> None:
    """Bring `store` up to the end of its partition of `state`.

    Call it once the partition is fenced: then nobody else can write to it, and all transactions are settled.
    Raises `StateError` when the broker is silent for a minute, and `MirrorError`.
    """
    topic = connection.topic(STATE)
    consumer = _consumer(connection, group)
    try:
        bounds = _bounds(consumer, topic, partition)
        position = store.open(lambda: _identity(connection, topic), bounds)
        progress.read, progress.offsets = 0, bounds.end - max(position, bounds.start)
        if position == bounds.end:
            return
        consumer.assign([TopicPartition(topic, partition, position if position >= 0 else OFFSET_BEGINNING)])
        deadline = time.monotonic() + RESTORE_DEADLINE_S
        while wanted():
            read, ended = _consumed(consumer, bounds.end)
            if read:
                store.read(read)
                progress.read += len(read)
                deadline = time.monotonic() + RESTORE_DEADLINE_S
            if ended:
                return
            if time.monotonic() > deadline:
                raise StateError(f"{topic}[{partition}] gave nothing for {RESTORE_DEADLINE_S:.0f} s")
    finally:
        consumer.close()


def _consumed(consumer: Consumer, end: int) -> tuple[list[Message], bool]:
    """Some records, and whether they reach the `end` of the log."""
    read, ended = [], False
    for message in consumer.consume(500, timeout=0.2):
        error = message.error()
        if error is None:
            read.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            ended |= (message.offset() or 0) >= end
        elif not passes(error):
            raise KafkaException(error)
    return read, ended


def _identity(connection: Connection, topic: str) -> str:
    """The ids of the cluster and of the topic, which another topic of the same name does not have."""
    admin = AdminClient(connection.librdkafka() | {"log_level": 3})
    deadline = time.monotonic() + RESTORE_DEADLINE_S
    while True:
        try:
            cluster = admin.list_topics(topic, timeout=5.0).cluster_id
            asked = admin.describe_topics(TopicCollection([topic]), request_timeout=5.0)
            return f"{cluster}/{asked[topic].result().topic_id}"
        except KafkaException as error:
            if not passes(error.args[0]) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


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
            if not passes(error.args[0]) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
