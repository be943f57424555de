"""What Kafka still holds of the inputs, partition by partition, without a consumer group."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_answers import answer
from streamgauge.clients.reach import passes
from streamgauge.schemas.batch import Ints
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.errors import ConfigurationError, StreamgaugeError
from streamgauge.schemas.framing import Resolver
from streamgauge.schemas.message import CONTROL, DATA_INPUTS, RETRAIN_STATUS, Message
from streamgauge.streams.sources.block import Block
from streamgauge.streams.sources.merging import Timed, merged
from streamgauge.streams.sources.orders import Orders
from streamgauge.streams.sources.piece import Piece
from streamgauge.streams.sources.timing import by_append_time
from streamgauge.streams.topics import describe_topics

_PATIENCE_S = 60.0
#: A block of messages ends at either: of batches 500 events long, and of single ones.
_MOST_BYTES = 4 << 20
_MOST_MESSAGES = 4_096
_SETTINGS = {
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 20,
    "queued.max.messages.kbytes": 16_384,
    "log_level": 3,
}


class TopicHistory(AbstractContextManager["TopicHistory"]):
    """A `streams.replay.History` of the inputs as they stood when this was made, committed records only.

    `since_us` and `until_us` bound the time at which the broker stored a record, the latter excluded. With
    `orders`, what operators and training jobs sent is part of the history. An event's time counts as no
    later than its record's. Raises `ConfigurationError` if the broker or a topic is not there.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        orders: bool = True,
        resolve: Resolver | None = None,
    ) -> None:
        self._connection = connection
        self._resolve = resolve
        self._topics = ((CONTROL, RETRAIN_STATUS) if orders else ()) + DATA_INPUTS
        self.capped = 0  # the core does that here, and counts
        self.read = 0
        counts = {topic.name: topic.partitions for topic in describe_topics(connection)}
        partitions = {counts[connection.topic(topic)] for topic in self._topics}
        if 0 in partitions or len(partitions) > 1:
            raise ConfigurationError(
                "the input topics are not all there with one partition count: see `streamgauge topics show`"
            )
        self._partitions = partitions.pop()
        settings = connection.librdkafka() | {"group.id": connection.reader_group} | _SETTINGS
        self._consumers = {topic: Consumer(settings) for topic in self._topics}
        try:
            self._bounds = {topic: self._bounds_of(topic, since_us, until_us) for topic in self._topics}
        except StreamgaugeError:
            self.__exit__()
            raise
        self.size = sum(max(end - start, 0) for bounds in self._bounds.values() for start, end in bounds)

    def partitions(self) -> Iterator[tuple[int, Iterator[Piece]]]:
        for number in range(self._partitions):
            yield number, merged([self._blocks(topic, number) for topic in self._topics])

    def where(self, topic: str, place: int) -> None:
        """A dead letter names topic, partition and offset already."""

    def __exit__(self, *_: object) -> None:
        for consumer in self._consumers.values():
            consumer.close()

    def _bounds_of(self, topic: str, since_us: int | None, until_us: int | None) -> list[tuple[int, int]]:
        """(first offset, the one after the last) of each partition."""
        consumer, name = self._consumers[topic], self._connection.topic(topic)
        logs = [
            answer(partial(consumer.get_watermark_offsets, TopicPartition(name, number)), name)
            for number in range(self._partitions)
        ]
        starts = [low for low, _ in logs] if since_us is None else self._offsets_at(topic, since_us, logs)
        ends = [high for _, high in logs] if until_us is None else self._offsets_at(topic, until_us, logs)
        return list(zip(starts, ends, strict=True))

    def _offsets_at(self, topic: str, time_us: int, logs: Sequence[tuple[int, int]]) -> list[int]:
        """The first offset of each partition whose record is not older; the end of the log if all are."""
        name, time_ms = self._connection.topic(topic), -(-time_us // 1_000)
        asked = [TopicPartition(name, number, time_ms) for number in range(self._partitions)]
        found = answer(partial(self._consumers[topic].offsets_for_times, asked), name)
        offsets = {partition.partition: partition.offset for partition in found}
        return [
            offsets[number] if 0 <= offsets[number] <= high else high for number, (_, high) in enumerate(logs)
        ]

    def _blocks(self, topic: str, number: int) -> Iterator[Timed]:
        if topic in DATA_INPUTS:
            return by_append_time(self._block(run) for run in self._runs(topic, number))
        return Orders.of(run for run in self._runs(topic, number))

    def _block(self, messages: list[Message]) -> Block:
        places = np.array([message.offset for message in messages], np.int64)
        appended_us = np.array([message.timestamp_us for message in messages], np.int64)

        def quote(wanted: Ints) -> list[Message]:
            return [messages[at] for at in np.searchsorted(places, wanted).tolist()]

        topic = messages[0].topic
        return Block.of(
            topic, places, decode_messages(topic, messages, resolve=self._resolve), quote, appended_us
        )

    def _runs(self, topic: str, number: int) -> Iterator[list[Message]]:
        """Messages between the bounds, some at a time; where they are cut depends on them alone."""
        run: list[Message] = []
        size = 0
        for message in self._messages(topic, number):
            run.append(message)
            size += len(message.value or b"")
            if len(run) >= _MOST_MESSAGES or size >= _MOST_BYTES:
                yield run
                run, size = [], 0
        if run:
            yield run

    def _messages(self, topic: str, number: int) -> Iterator[Message]:
        consumer, name = self._consumers[topic], self._connection.topic(topic)
        start, end = self._bounds[topic][number]
        if start >= end:
            return
        consumer.assign([TopicPartition(name, number, start)])
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            for message in consumer.consume(500, timeout=0.5):
                error = message.error()
                offset = message.offset()
                if error is None and offset < end:
                    self.read += 1
                    yield _input(topic, message)
                elif error is not None and error.code() != KafkaError._PARTITION_EOF:
                    if not passes(error):
                        raise ConfigurationError(f"{name}[{number}] cannot be read: {error.str()}")
                    continue
                # the last offsets may be markers of transactions, which are never given out
                if offset is not None and offset >= end - (error is None):
                    return
                deadline = time.monotonic() + _PATIENCE_S
            if time.monotonic() > deadline:
                raise ConfigurationError(f"{name}[{number}] gave nothing for {_PATIENCE_S:.0f} s")


def _input(topic: str, message: Any) -> Message:
    headers = tuple((key, value or b"") for key, value in message.headers() or ())
    stamp_us = message.timestamp()[1] * 1_000
    return Message(topic, message.offset(), stamp_us, message.key(), message.value(), headers)
