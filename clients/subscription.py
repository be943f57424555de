"""Following one output topic: committed records only, at least once, each event until it is done."""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.events import Event, Position
from streamgauge.clients.kafka_answers import FORBIDDEN, MISSING, answer, explain, partitions_of
from streamgauge.clients.offsets import OffsetTracker
from streamgauge.clients.reach import Reach
from streamgauge.schemas.encode import decode_output
from streamgauge.schemas.errors import BadEvent, ConfigurationError

LOG = logging.getLogger("streamgauge.clients")
E = TypeVar("E", bound=Event)

#: Between two looks at Kafka an interrupt is noticed.
_POLL_S = 0.2
#: Events done within this process whose redelivery is recognised.
_REMEMBERED = 100_000


class Subscription(Generic[E]):
    """Iterates over a topic's events; in one thread.

    With a `group_id`, its members share the partitions and Kafka remembers what is done: call
    `done(event)` when you are, in any order. What isn't done comes again after a restart or a rebalance;
    what was done in this process is not handed out again. `max_processing_s` is how long one event may
    take before Kafka gives the partition to another member. Without a `group_id` every partition is
    followed and nothing is remembered.

    `start` says where to begin when nothing is remembered: with what is there ("earliest") or with what
    comes ("latest"). Iteration goes on until `timeout_s` passes without an event, or, with
    `stop_at_end`, until everything that was there has been handed out. Raises `ConfigurationError` if
    there is no such topic, and `StreamgaugeError` if Kafka cannot be reached or refuses us.
    """

    topic: ClassVar[str]
    event: type[E]

    def __init__(
        self,
        connection: Connection,
        group_id: str | None = None,
        *,
        start: Literal["earliest", "latest"] = "latest",
        timeout_s: float | None = None,
        stop_at_end: bool = False,
        model: str | None = None,
        max_processing_s: float = 300.0,
    ) -> None:
        if start not in ("earliest", "latest"):
            raise ConfigurationError(f"start is {start!r}; it must be 'earliest' or 'latest'")
        self._name = connection.topic(self.topic)
        self._group_id = group_id
        self._timeout_s = timeout_s
        self._stop_at_end = stop_at_end
        self._model = model
        self._trackers: dict[int, OffsetTracker] = {}
        self._at_end: set[int] = set()
        self._assigned: set[int] = set()
        self._done: OrderedDict[str, None] = OrderedDict()
        self._closed = False
        reach = Reach(connection)
        config = reach.config(
            connection.librdkafka()
            | {
                "group.id": group_id or connection.reader_group,
                "client.id": "streamgauge-subscription",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": start,
                "enable.partition.eof": True,
                "max.poll.interval.ms": int(max_processing_s * 1_000),
                "session.timeout.ms": int(min(45.0, max_processing_s) * 1_000),
            }
        )
        self._consumer = Consumer(config, logger=reach)
        try:
            reach.check(self._consumer)
            self._begin(start)
        except BaseException:
            self._consumer.close()
            raise

    def __iter__(self) -> Iterator[E]:
        return self

    def __next__(self) -> E:
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        while not self._closed:
            left_s = _POLL_S if deadline is None else min(_POLL_S, deadline - time.monotonic())
            if left_s < 0:
                break
            event = self.poll(left_s)
            if event is not None:
                return event
            if self._stop_at_end and self._assigned and self._assigned <= self._at_end:
                break
        raise StopIteration

    def poll(self, timeout_s: float) -> E | None:
        """The next event, or None if none came in time."""
        record = self._consumer.poll(timeout_s)
        if record is None:
            return None
        error = record.error()
        if error is not None:
            self._notice(error, record.partition())
            return None
        self._at_end.discard(record.partition())
        position = Position(record.topic(), record.partition(), record.offset())
        self._tracker(position.partition).delivered(position.offset)
        event = self._read(record, position)
        if event is None or event.event_id in self._done or not self._is_wanted(event):
            self._commit(position)
            return None
        return event

    def done(self, event: E) -> None:
        """The event needs no further delivery."""
        self._done[event.event_id] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        self._commit(event.position)

    def holds(self, event: E) -> bool:
        """Whether the event's partition is this member's still. If not, the event goes to another member."""
        return event.position.partition in self._assigned

    def close(self) -> None:
        """Commit what is done and leave the group."""
        if not self._closed:
            self._closed = True
            self._commit_all()
            self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_wanted(self, event: E) -> bool:
        """Whether the caller should see it; what isn't wanted is done."""
        return self._model is None or getattr(event, "model", None) == self._model

    def _begin(self, start: str) -> None:
        partitions = partitions_of(self._consumer, self._name)
        if self._group_id is not None:
            self._consumer.subscribe([self._name], on_assign=self._on_assign, on_revoke=self._on_revoke)
            return
        assigned = []
        for partition in partitions:
            offset = OFFSET_BEGINNING
            if start == "latest":  # where the end is now, not where it is once fetching has begun
                _, offset = answer(
                    partial(self._consumer.get_watermark_offsets, TopicPartition(self._name, partition))
                )
            assigned.append(TopicPartition(self._name, partition, offset))
        self._assigned = set(partitions)
        self._consumer.assign(assigned)

    def _tracker(self, partition: int) -> OffsetTracker:
        return self._trackers.setdefault(partition, OffsetTracker())

    def _read(self, record: Any, position: Position) -> E | None:
        headers = tuple((name, value or b"") for name, value in record.headers() or ())
        try:
            return self.event.from_record(decode_output(record.value(), headers), position)
        except BadEvent as error:
            LOG.warning(
                "streamgauge: %s[%d]@%d cannot be read and is passed over: %s", *position, error.detail
            )
            return None

    def _notice(self, error: KafkaError, partition: int) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._at_end.add(partition)
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
            LOG.warning(
                "streamgauge: %s: an event took longer than max_processing_s; its partition went to another",
                self._name,
            )
        elif error.fatal() or error.code() in (*MISSING, *FORBIDDEN):
            raise explain(error, self._name)
        else:
            LOG.warning("streamgauge: %s: %s", self._name, error.str())

    def _commit(self, position: Position) -> None:
        tracker = self._trackers.get(position.partition)
        if tracker is not None and tracker.done(position.offset) and self._group_id is not None:
            offset = tracker.committable
            if offset is not None:
                self._consumer.commit(
                    offsets=[TopicPartition(self._name, position.partition, offset)], asynchronous=True
                )

    def _commit_all(self, partitions: set[int] | None = None) -> None:
        offsets = [
            TopicPartition(self._name, partition, tracker.committable)
            for partition, tracker in self._trackers.items()
            if tracker.committable is not None and (partitions is None or partition in partitions)
        ]
        if offsets and self._group_id is not None:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                LOG.warning("streamgauge: %s: what was done was not remembered: %s", self._name, error)

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned |= {p.partition for p in partitions}

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {p.partition for p in partitions}
        self._commit_all(gone)
        self._assigned -= gone
        self._at_end -= gone
        for partition in gone:
            self._trackers.pop(partition, None)
