"""`Stalls`: for how long at a time nothing was applied during a run, although something waited."""

import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import DATA_INPUTS
from tests.acceptance.traffic import PARTITIONS

_EVERY_S = 1.0


class Stalls:
    """Looks at the group's offsets once a second, in a thread. A context; `longest_s` is of one partition."""

    def __init__(self, connection: Connection) -> None:
        self.longest_s = 0.0
        self._connection = connection
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Stalls":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        group = {"group.id": f"{self._connection.prefix}worker", "enable.auto.commit": False, "log_level": 0}
        consumer = Consumer(self._connection.librdkafka() | group)
        inputs = [
            TopicPartition(self._connection.topic(name), number)
            for name in DATA_INPUTS
            for number in range(PARTITIONS)
        ]
        last = dict.fromkeys(range(len(inputs)), -1)
        moved_s = dict.fromkeys(range(len(inputs)), time.monotonic())
        while not self._ended.wait(_EVERY_S):
            try:
                committed = [max(at.offset, 0) for at in consumer.committed(inputs, timeout=2)]
                ends = [consumer.get_watermark_offsets(at, timeout=2, cached=False)[1] for at in inputs]
            except KafkaException:
                continue  # the broker is away, and so is everybody's progress
            now_s = time.monotonic()
            for number, (offset, end) in enumerate(zip(committed, ends, strict=True)):
                if offset > last[number] or offset >= end:
                    self.longest_s = max(self.longest_s, now_s - moved_s[number])
                    last[number], moved_s[number] = offset, now_s
        consumer.close()
