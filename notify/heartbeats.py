"""The dead-man's switch at work: reads heartbeats among the metrics, and writes alerts where they stop.

A consumer group of its own shares the partitions among notifiers. With an offset it commits what the
partition's `Pulse` remembers: before an alert is written, so that after a crash it is written again, with the
same id, and after it was.
"""

import time
from functools import partial
from threading import Event
from typing import Any

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.events import Metric, Position
from streamgauge.clients.kafka_answers import ANSWER_S, answer
from streamgauge.clients.producer import EventProducer
from streamgauge.notify.consuming import open_consumer, raise_if_lasting
from streamgauge.notify.core.pulse import Pulse
from streamgauge.notify.records import told_by
from streamgauge.notify.telemetry import Telemetry
from streamgauge.schemas.encode import decode_output
from streamgauge.schemas.errors import BadEvent, StreamgaugeError
from streamgauge.schemas.heartbeat import HEARTBEAT, REFUSED_MODELS
from streamgauge.schemas.message import ALERTS, METRICS, Output
from streamgauge.streams.settings import WorkerSettings

_WAIT_S = 0.5
_TOGETHER = 1_000
_FETCHED_KB = 16_384
#: How far back a start looks for heartbeats. Older ones are in the memory of the group.
_BACK_US = 600_000_000
#: Between attempts to write an alert.
_RETRY_S = 10.0

log = structlog.get_logger("streamgauge.notifier")


def group_of(connection: Connection) -> str:
    """Its consumer group; no target has this name, for those begin with a letter or a digit."""
    return connection.topic("notifier._heartbeats")


class HeartbeatWatch:
    """Of all partitions that this notifier has. `ready` is set once it has some, or knows that others do."""

    def __init__(self, *, settings: WorkerSettings, telemetry: Telemetry) -> None:
        connection = settings.connection
        self._encode = settings.encoding
        self._telemetry = telemetry
        self._topic = connection.topic(METRICS)
        self._pulses: dict[int, Pulse] = {}
        #: Of the partitions that have been read to their end: the offset there.
        self._ends: dict[int, int] = {}
        self._remembered: dict[int, str] = {}
        self._not_before = 0.0
        self.ready = Event()
        more: dict[str, str | int] = {
            "auto.offset.reset": "latest",
            "queued.max.messages.kbytes": _FETCHED_KB,
        }
        self._consumer = open_consumer(settings, self._topic, group_of(connection), "heartbeats", **more)
        try:
            self._producer = EventProducer(connection, timeout_s=ANSWER_S)
        except BaseException:
            self._consumer.close()
            raise

    def run(self, stop: Event) -> None:
        """Until `stop`."""
        self._consumer.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke)
        try:
            while not stop.is_set():
                self._read()
                self._tell(_now_us())
                self._remember(self._ends)
                silent = sum(pulse.is_silent for pulse in self._pulses.values())
                self._telemetry.silent_partitions.set(silent)
        finally:
            self._consumer.close()
            self._producer.close()

    def _read(self) -> None:
        for message in self._consumer.consume(_TOGETHER, _WAIT_S):
            pulse, error = self._pulses.get(message.partition()), message.error()
            if error is not None:
                self._notice(error, message)
                continue
            if pulse is None:
                continue
            if not message.key():  # what is of a model has its name as key
                self._hear(pulse, message)
            pulse.read(message.offset() + 1)

    def _hear(self, pulse: Pulse, message: Any) -> None:
        headers = tuple((name, value or b"") for name, value in message.headers() or ())
        position = Position(message.topic(), message.partition(), message.offset())
        try:
            metric = Metric.from_record(decode_output(message.value(), headers), position)
            until_us, value = told_by(metric)
        except BadEvent as error:
            log.warning("unreadable", **position._asdict(), reason=error.detail)
            return
        if metric.model == "" and metric.metric == HEARTBEAT:
            pulse.beat(until_us)
        elif metric.model == "" and metric.metric == REFUSED_MODELS:
            pulse.refused(until_us, value)

    def _tell(self, now_us: int) -> None:
        """Only of partitions that have been read to their end: a heartbeat may still be on its way."""
        if time.monotonic() < self._not_before:
            return
        self._ask_ends(now_us)
        for number in self._ends:
            pulse = self._pulses[number]
            before = pulse.memory
            records = pulse.due(now_us)
            if not records:
                continue
            try:
                self._remember([number], must=True)
            except KafkaException as error:  # nothing of it was told
                pulse.back_to(before)
                self._wait("alert_not_written", number, error)
                return
            try:
                for record in records:
                    value, headers = self._encode(Output(ALERTS, b"", record))
                    self._producer.send(ALERTS, "", value, headers, [number])
                    log.warning("alert_written", partition=number, summary=record["summary"])
            except (KafkaException, StreamgaugeError) as error:  # it may have been written
                self._wait("alert_not_written", number, error)
                return
            pulse.wrote()

    def _ask_ends(self, now_us: int) -> None:
        """Where no heartbeat was heard: one that was away from Kafka has to hear first what it missed."""
        for number in [number for number in self._ends if self._pulses[number].asks(now_us)]:
            place = TopicPartition(self._topic, number)
            try:
                _, end = answer(partial(self._consumer.get_watermark_offsets, place, cached=False))
            except StreamgaugeError as error:
                self._ends[number] = self._ends.pop(number)  # the others are asked for before it
                self._wait("end_not_known", number, error)
                return
            self._pulses[number].ended(end, now_us)

    def _wait(self, event: str, number: int, error: Exception) -> None:
        log.error(event, partition=number, reason=str(error))
        self._not_before = time.monotonic() + _RETRY_S

    def _remember(self, numbers: Any, *, must: bool = False) -> None:
        """Commit what has changed of these partitions; it is tried again later, unless it `must` be now."""
        texts = {number: self._pulses[number].memory for number in numbers}
        texts = {number: text for number, text in texts.items() if text != self._remembered.get(number)}
        if not texts:
            return
        offsets = [TopicPartition(self._topic, n, self._ends[n], text) for n, text in texts.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            for number in texts:  # Kafka may have it or not
                self._remembered.pop(number, None)
            if must:
                raise
            log.warning("not_committed", reason=error.args[0].str())
        else:
            self._remembered |= texts

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        found = answer(partial(consumer.committed, partitions)) if partitions else []
        since_ms = (_now_us() - _BACK_US) // 1_000
        asked = [TopicPartition(self._topic, place.partition, since_ms) for place in found]
        starts = answer(partial(consumer.offsets_for_times, asked)) if asked else []
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
            self._pulses[place.partition] = Pulse(place.partition, place.metadata)
        consumer.assign(
            [
                TopicPartition(self._topic, at.partition, at.offset if at.offset >= 0 else OFFSET_END)
                for at in starts
            ]
        )
        self.ready.set()

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._remember(self._ends)
        for place in partitions:
            for held in (self._pulses, self._ends, self._remembered):
                held.pop(place.partition, None)

    def _notice(self, error: KafkaError, message: Any) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            if message.partition() in self._pulses:
                self._ends[message.partition()] = message.offset()
                self._pulses[message.partition()].read(message.offset())
        else:
            raise_if_lasting(error, self._topic)
            log.warning("kafka", reason=error.str())


def _now_us() -> int:
    return time.time_ns() // 1_000
