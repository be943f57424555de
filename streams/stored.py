"""What workers have committed, as others see it: the live records of the `state` topic, only read.

The core, which takes a second to import, is not: operators' commands need it only to restore a model.
"""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_answers import answer, explain, partitions_of
from streamgauge.clients.reach import Reach
from streamgauge.schemas.control import Silence
from streamgauge.schemas.errors import StateError
from streamgauge.schemas.message import INPUTS, STATE
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.streams.core.silences import Silences
from streamgauge.streams.core.snapshot import decode_state
from streamgauge.streams.records import StateRecords, owner_of

#: Kinds of records that say where a model stands. What waits for labels is the most of a partition's state,
#: and how much it is, the model knows.
STANDING = frozenset(["applied", "fleet", "brief", "model", "reference", "profile", "learning", "window"])
DEFINED = frozenset(["applied", "fleet", "model", "reference"])
_SILENCE_S = 30.0
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """One partition as committed: its live records by key, and by input how many records are not applied."""

    number: int
    records: Mapping[bytes, bytes]
    lag: Mapping[str, int]

    @property
    def fleet(self) -> Fleet | None:
        """The fleet document in force; None if no worker has ever committed here."""
        stored = self.records.get(b'["fleet"]')
        return None if stored is None else Fleet.model_validate_json(decode_state(stored)[0])

    def silences(self) -> Iterator[tuple[str | None, Silence]]:
        """(model, or None if of the whole fleet; silence) of all that are held. Raises `StateError`."""
        for key, value in self.records.items():
            kind, *names = json.loads(key)
            if kind == "fleet":
                yield from ((None, silence) for silence in Silences.from_state(decode_state(value)[1]))
            elif kind == "model":
                found = Silences.from_state(decode_state(value)["alerts"]["silences"])
                yield from ((names[0], silence) for silence in found if silence.model is not None)

    def definitions(self) -> dict[str, MonitorDefinition]:
        """The definition in force of each model. Raises `StateError`."""
        found = {}
        for key, value in self.records.items():
            kind, *names = json.loads(key)
            if kind == "model":
                found[names[0]] = MonitorDefinition.model_validate_json(decode_state(value)["definition"])
        return found

    def references(self) -> dict[str, str]:
        """By model, the id of the baseline that its versions to come are given. Raises `StateError`."""
        found = {}
        for key, value in self.records.items():
            kind, *names = json.loads(key)
            if kind == "reference":
                found[names[0]] = BaselineProfile.from_json(decode_state(value)).profile_id
        return found


def read_stored(
    connection: Connection, kinds: Collection[str], progress: Callable[[int], None] = lambda records: None
) -> list[StoredPartition]:
    """Every partition, with the records of these `kinds` only; `progress` is told how many were read.

    Raises `UnreachableError`, `ConfigurationError` if there is no such topic or it may not be read, and
    `StateError`.
    """
    reach = Reach(connection)
    consumer = Consumer(
        reach.config(
            connection.librdkafka()
            | {
                "group.id": connection.reader_group,
                "client.id": "streamgauge-stored",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "queued.max.messages.kbytes": 32_768,
            }
        ),
        logger=reach,
    )
    try:
        reach.check(consumer)
        numbers = partitions_of(consumer, connection.topic(STATE))
        found = _read(consumer, connection.topic(STATE), numbers, frozenset(kinds), progress)
        return [
            StoredPartition(number, records, _lag(consumer, connection, number, records))
            for number, records in found.items()
        ]
    finally:
        consumer.close()


def _read(
    consumer: Consumer, topic: str, numbers: list[int], kinds: frozenset[str], progress: Callable[[int], None]
) -> dict[int, dict[bytes, bytes]]:
    read = {number: StateRecords() for number in numbers}
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
    unread, count, deadline = set(numbers), 0, time.monotonic() + _SILENCE_S
    while unread:
        for message in consumer.consume(500, timeout=0.2):
            error = message.error()
            deadline = time.monotonic() + _SILENCE_S
            if error is None:
                count += 1
                key = message.key() or b""
                if _kind(key, topic) in kinds:
                    read[message.partition()].read(key, message.value(), message.headers())
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())
            elif not error.retriable():
                raise explain(error, topic)
        progress(count)
        if time.monotonic() > deadline:
            raise StateError(f"{topic} gave nothing for {_SILENCE_S:.0f} s")
    return {number: dict(records.snapshots()) for number, records in read.items()}


def _kind(key: bytes, topic: str) -> str:
    try:
        kind: str = json.loads(owner_of(key))[0]
    except (ValueError, LookupError, TypeError) as error:
        raise StateError(f"{topic} has a record with the key {key[:80]!r}, which is none of ours") from error
    return kind


def _lag(
    consumer: Consumer, connection: Connection, number: int, records: Mapping[bytes, bytes]
) -> dict[str, int]:
    stored = records.get(b'["applied"]')
    applied: dict[str, int] = {} if stored is None else decode_state(stored)
    lag = {}
    for topic in INPUTS:
        partition = TopicPartition(connection.topic(topic), number)
        first, end = answer(partial(consumer.get_watermark_offsets, partition), partition.topic)
        position = max(first, applied.get(topic, -1) + 1)
        lag[topic] = end - position if position >= end or waits(consumer, partition, position) else 0
    return lag


def waits(consumer: Consumer, partition: TopicPartition, position: int) -> bool:
    """Whether a record waits from a position on: partitions may end in what a transaction took back.

    The consumer reads committed records, and is told of ends. Without an answer, something waits.
    """
    consumer.assign([TopicPartition(partition.topic, partition.partition, position)])
    got = consumer.poll(_ANSWER_S)
    error = None if got is None else got.error()
    return error is None or error.code() != KafkaError._PARTITION_EOF
