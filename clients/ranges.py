"""Reading exactly the records that a request names, and what of them is one model's."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.events import OffsetRange
from streamgauge.clients.kafka_answers import explain
from streamgauge.clients.reach import LOG, Reach
from streamgauge.clients.schema_resolver import resolver_of
from streamgauge.schemas.batch import GroundTruthBatch, PredictionBatch
from streamgauge.schemas.errors import ConfigurationError, Reason, StreamgaugeError
from streamgauge.schemas.message import DATA_INPUTS, Message

#: Records that are decoded at a time.
_RUN = 1_000
_SILENCE_S = 30.0
_Batch = PredictionBatch | GroundTruthBatch


def read_batches(connection: Connection, ranges: Iterable[OffsetRange], model: str) -> Iterator[_Batch]:
    """Predictions and labels of `model`, of each partition in the order in which they were stored.

    Only what was committed; what cannot be read is passed over, as the worker did. Raises
    `StreamgaugeError` if Kafka gives nothing for half a minute, or the schema registry, if events need it,
    and `ConfigurationError` where the extra `training` is not installed.
    """
    try:
        from streamgauge.schemas.decode import decode_messages  # what it needs, a serving app does not
    except ModuleNotFoundError as error:
        hint = "pip install 'streamgauge[training]'"
        raise ConfigurationError(f"a dataset needs the package {error.name}: {hint}") from error
    short = {connection.topic(name): name for name in DATA_INPUTS}
    wanted = [each for each in ranges if each.start < each.end and each.topic in short]
    starts = {(each.topic, each.partition): each.start for each in wanted}
    left = {(each.topic, each.partition): each.end for each in wanted}
    if not left:
        return
    resolve, lacking = resolver_of(connection.schema_registry), False
    reach = Reach(connection)
    consumer = Consumer(
        reach.config(
            connection.librdkafka()
            | {
                "group.id": f"{connection.prefix}training-data",  # named, but never joined
                "client.id": "streamgauge-training-data",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        ),
        logger=reach,
    )
    try:
        reach.check(consumer)
        consumer.assign([TopicPartition(topic, number, start) for (topic, number), start in starts.items()])
        heard = time.monotonic()
        while left:
            runs: dict[str, list[Message]] = {}
            for record in consumer.consume(_RUN, timeout=0.2):
                heard = time.monotonic()
                _take(record, short, left, runs)
            for topic, messages in runs.items():
                decoded = decode_messages(topic, messages, resolve=resolve)
                lacking |= any(error.reason is Reason.UNKNOWN_SCHEMA for _, error in decoded.refused)
                yield from (batch for batch, _ in decoded.batches if batch.model == model)
            if time.monotonic() - heard > _SILENCE_S:
                raise StreamgaugeError(
                    f"Kafka gave nothing for {_SILENCE_S:.0f} s: {len(left)} partitions are unread"
                )
    finally:
        consumer.close()
    if lacking and resolve is None:
        LOG.warning("events of unknown schemas were left out: STREAMGAUGE_SCHEMA_REGISTRY_URL is not set")


def _take(
    record: Any, short: Mapping[str, str], left: dict[tuple[str, int], int], runs: dict[str, list[Message]]
) -> None:
    """A record into the run of its topic, if it is wanted; a partition that has been read is not `left`."""
    place, error = (record.topic(), record.partition()), record.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        if not error.retriable():
            raise explain(error, record.topic())
        return
    end = left.get(place, 0)
    if error is None and record.offset() < end:
        headers = tuple((name, value or b"") for name, value in record.headers() or ())
        message = Message(short[place[0]], record.offset(), 0, record.key(), record.value(), headers)
        runs.setdefault(message.topic, []).append(message)
    if error is not None or record.offset() >= end - 1:
        left.pop(place, None)
