"""What lies in the topics after a run, and in which order it counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import confluent_kafka

from streamgauge.clients.connection import Connection
from streamgauge.schemas.batch import GroundTruthBatch, PredictionBatch
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.message import DATA_INPUTS, INPUTS, PREDICTIONS, Message
from tests.chaos.sending import REASON_HEADER
from tests.harness import read_topic

#: (topic, partition, offset), the topic without its prefix.
Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One committed record of an input."""

    place: Place
    appended_us: int
    reason: str | None
    """Why it must be refused, as its sender knows."""
    batches: tuple[PredictionBatch | GroundTruthBatch, ...] = ()


def read_inputs(connection: Connection) -> list[RawRecord]:
    """All inputs, in the order in which the broker took them.

    Between topics that is an order that workers need not follow: a run is made so that none matters.
    """
    found = [record for topic in INPUTS for record in _read(connection, topic)]
    turns = {topic: turn for turn, topic in enumerate(INPUTS)}
    return sorted(found, key=lambda record: (record.appended_us, turns[record.place[0]], record.place))


def _read(connection: Connection, topic: str) -> Iterator[RawRecord]:
    for record in read_topic(connection.bootstrap_servers, connection.topic(topic)):
        headers = dict(record.headers() or ())
        reason = headers.get(REASON_HEADER)
        place, (_, appended_ms) = (topic, record.partition() or 0, record.offset() or 0), record.timestamp()
        batches: tuple[Any, ...] = ()
        if reason is None and topic in DATA_INPUTS:
            batches = _decode(topic, record)
        yield RawRecord(place, appended_ms * 1_000, None if reason is None else reason.decode(), batches)


def _decode(topic: str, record: confluent_kafka.Message) -> tuple[PredictionBatch | GroundTruthBatch, ...]:
    headers = tuple((name, value or b"") for name, value in record.headers() or ())
    message = Message(topic, record.offset() or 0, 0, record.key(), record.value(), headers)
    result = decode_messages(topic, [message])
    assert not result.refused, f"a good event was refused: {result.refused[0][1]}"
    return tuple(batch for batch, _ in result.batches)


def latest_delay_s(records: list[RawRecord]) -> float:
    """How long after its time the latest event came, without those that were meant to be far too late."""
    delays = [
        record.appended_us - int(batch.time_us.min())
        for record in records
        if record.place[0] == PREDICTIONS
        for batch in record.batches
    ]
    return max((delay / 1e6 for delay in delays if delay < 3_600e6), default=0.0)
