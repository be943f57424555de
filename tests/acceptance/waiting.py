"""Waiting for workers by what they have committed, whichever of them it was."""

from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import INPUTS
from tests.acceptance.traffic import PARTITIONS
from tests.harness import wait_until


def wait_applied(connection: Connection, seconds: float, check: Callable[[], None] = lambda: None) -> None:
    """Until every message of every input is committed as applied; `check` may end the wait by raising."""
    consumer = Consumer(
        connection.librdkafka()
        | {"group.id": f"{connection.prefix}worker", "enable.auto.commit": False, "log_level": 2}
    )
    inputs = [
        TopicPartition(connection.topic(name), number) for name in INPUTS for number in range(PARTITIONS)
    ]

    def applied() -> bool:
        check()
        committed = consumer.committed(inputs, timeout=10)
        ends = (consumer.get_watermark_offsets(at, timeout=10, cached=False) for at in inputs)
        return all(max(at.offset, 0) >= end for at, (_, end) in zip(committed, ends, strict=True))

    try:
        wait_until(applied, seconds, every=0.5, saying="every message is applied and committed")
    finally:
        consumer.close()
