"""What lies in the topics after a run, and in which order it counts."""

from collections.abc import Iterator
from dataclasses import dataclass

from streamgauge.clients.connection import Connection
from streamgauge.schemas.batch import GroundTruthBatch, PredictionBatch
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.message import DATA_INPUTS, INPUTS, Message
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


def raw_record(topic: str, partition: int, message: Message) -> RawRecord:
    """A record of an input; `message.topic` is without its prefix."""
    reason = dict(message.headers).get(REASON_HEADER)
    batches: tuple[PredictionBatch | GroundTruthBatch, ...] = ()
    if reason is None and topic in DATA_INPUTS:
        result = decode_messages(topic, [message])
        assert not result.refused, f"a good event was refused: {result.refused[0][1]}"
        batches = tuple(batch for batch, _ in result.batches)
    place = topic, partition, message.offset
    return RawRecord(place, message.timestamp_us, None if reason is None else reason.decode(), batches)


def _read(connection: Connection, topic: str) -> Iterator[RawRecord]:
    for record in read_topic(connection.bootstrap_servers, connection.topic(topic)):
        headers = tuple((name, value or b"") for name, value in record.headers() or ())
        _, appended_ms = record.timestamp()
        offset = record.offset()
        assert offset is not None
        message = Message(topic, offset, appended_ms * 1_000, record.key(), record.value(), headers)
        yield raw_record(topic, record.partition() or 0, message)


def latest_delay_s(records: list[RawRecord]) -> float:
    """How long after its time the latest event came, without those that were meant to be far too late."""
    delays = [record.appended_us - int(batch.time_us.min()) for record in records for batch in record.batches]
    return max((delay / 1e6 for delay in delays if delay < 3_600e6), default=0.0)
