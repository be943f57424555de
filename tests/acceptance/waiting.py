"""Waiting for workers by what they have committed, whichever of them it was."""

from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import INPUTS
from streamgauge.streams.stored import waits
from tests.acceptance.traffic import PARTITIONS
from tests.harness import PATIENCE_S, wait_until


def wait_applied(
    connection: Connection, seconds: float = PATIENCE_S, check: Callable[[], None] = lambda: None
) -> None:
    """Until every message of every input is committed as applied; `check` may end the wait by raising."""

    def applied() -> bool:
        check()
        found = progress(connection)
        return found is not None and all(done >= end for done, end in found)

    wait_until(applied, seconds, every=0.5, saying="every message is applied and committed")


def progress(connection: Connection) -> list[tuple[int, int]] | None:
    """Of each partition of each input, how far the workers are and where it ends.

    What a transaction took back at the end of a partition is nothing that workers get. None while brokers are
    settling who may tell. Each time a new client asks: an old one may ask a broker that is gone.
    """
    reader = {
        "group.id": f"{connection.prefix}worker",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "log_level": 2,
    }
    consumer = Consumer(connection.librdkafka() | reader)
    inputs = [
        TopicPartition(connection.topic(name), number) for name in INPUTS for number in range(PARTITIONS)
    ]
    try:
        done = [max(at.offset, 0) for at in consumer.committed(inputs, timeout=10)]
        ends = [consumer.get_watermark_offsets(at, timeout=10, cached=False)[1] for at in inputs]
        return [
            (offset, end if offset >= end or waits(consumer, at, offset) else offset)
            for at, offset, end in zip(inputs, done, ends, strict=True)
        ]
    except KafkaException:
        return None
    finally:
        consumer.close()
