"""The fenced producer of one partition: every commit is all of state, outputs and input offsets, or nothing.

Whoever opens a transactional id last fences all earlier holders. Each transaction writes a token of its own
into the metadata of the offsets that it commits, so that after a failure the group's stable offsets tell
whether it was committed, or somebody else's was.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Thread

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.reach import passes
from streamgauge.schemas.errors import StreamgaugeError

COMMIT_DEADLINE_S = 15.0
TRANSACTION_TIMEOUT_S = 10.0
MAX_RECORD_BYTES = 2_000_000


class FencedError(StreamgaugeError):
    """Another worker has opened this partition, or the broker has ended a transaction that took too long.

    Which of both, a broker does not say; nothing more can be written from here.
    """


class AbortedError(StreamgaugeError):
    """The transaction was taken back: the same must be sent again, with what came since."""


class ProducerLostError(StreamgaugeError):
    """The producer is of no more use, and whether the last transaction was committed is unknown."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record to write, to the topic with this full name."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


class FencedProducer:
    """Transactions of one partition number. Its methods block: it belongs to the partition's own thread.

    `wanted` turns False when the partition has left this worker; waits end then.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        group: str,
        transactional_id: str,
        partition: int,
        wanted: Callable[[], bool],
        input_topics: Iterable[str],
        state_topic: str,
    ) -> None:
        self._connection = connection
        self._group = group
        self._transactional_id = transactional_id
        self._partition = partition
        self._wanted = wanted
        self._input_topics = tuple(input_topics)
        self._state_topic = state_topic
        self._next_offset: int | None = None
        self._producer: Producer | None = None
        self._committed_token = ""
        self._pending_token = ""

    def open(self) -> None:
        """Fence any earlier holder, settle its open transaction, and note where the group stands."""
        self._new_producer()
        self._committed_token = self._group_token()

    def commit(self, records: Iterable[Record], offsets: Mapping[str, int], membership: bytes) -> int | None:
        """One transaction; `offsets` are the last applied ones, by full topic name.

        Gives the offset that follows its last record of the state topic, or None if there was none.
        Raises `AbortedError`; `FencedError`; `ProducerLostError`, after which `recover` tells how it ended.
        """
        assert self._producer is not None
        producer, deadline = self._producer, time.monotonic() + COMMIT_DEADLINE_S
        self._pending_token = secrets.token_hex(8)
        self._next_offset = None
        try:
            producer.begin_transaction()
            for record in records:
                self._produce(producer, record, deadline)
            if offsets:
                positions = [
                    TopicPartition(topic, self._partition, offset + 1, self._pending_token)
                    for topic, offset in offsets.items()
                ]
                # Never tried again: after a time-out librdkafka 2.16 does not return from a second call.
                producer.send_offsets_to_transaction(positions, membership, COMMIT_DEADLINE_S)
            self._retry(producer.commit_transaction, deadline)
        except (KafkaException, BufferError) as error:
            self._abort(producer, error)
            raise AbortedError(str(error)) from error
        if offsets:
            self._committed_token = self._pending_token
        producer.poll(0)  # delivery reports that are still to be told
        return self._next_offset

    def recover(self) -> bool:
        """A new producer after a lost one; True if the last transaction had been committed.

        Memory stays as it is: reading state again within a generation lost events. Raises `FencedError` if
        the group's offsets are neither those of the last transaction nor those before it.
        """
        self._new_producer()
        found = self._group_token()
        if found == self._pending_token:
            self._committed_token = found
            return True
        if found != self._committed_token:
            raise FencedError(f"partition {self._partition} was committed by another worker")
        return False

    def close(self) -> None:
        """Let go of the producer; what is in flight is not waited for.

        With tokens it ends in a thread of its own: one that is asking for a token would hold us up for as
        long as that takes, 20 s and more. What its successor fences needs not be gone.
        """
        if self._producer is None:
            return
        self._producer.purge()
        held, self._producer = [self._producer], None
        if self._connection.token_endpoint is not None:
            Thread(target=held.clear, name="ending", daemon=True).start()

    def _new_producer(self) -> None:
        self.close()
        producer = self._producer = Producer(
            self._connection.librdkafka()
            | {
                "transactional.id": self._transactional_id,
                "transaction.timeout.ms": round(TRANSACTION_TIMEOUT_S * 1000),
                "message.max.bytes": MAX_RECORD_BYTES,
                "compression.type": "lz4",
                "linger.ms": 0,
                # While the markers of the last transaction are being written, the broker refuses the offsets
                # of the next. With librdkafka's 100 ms an alert that followed another waited so long.
                "retry.backoff.ms": 5,
                # When the group's coordinator dies for good, librdkafka 2.16 waits for some connection to
                # change before it looks for the next one, whatever the deadline. With brokers of three killed
                # in turn, 9 of 48 commits hung for 30 to 80 s; since idle connections are closed, which is
                # such a change, none of 48. It must come before the broker ends the transaction, at 10 s. At
                # 4 s connections between commits were closed: alerts took 45 ms, and at 8 s 26 (medians).
                "connections.max.idle.ms": 8_000,
                # The next commit opens them again; with librdkafka's 10 s one after a pause took up to 4 s.
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 100,
                "log_level": 3,
            }
        )
        while True:
            try:
                producer.init_transactions(5.0)
                return
            except KafkaException as error:
                if not (passes(error.args[0]) and self._wanted()):
                    raise _ours(error) from error

    def _group_token(self) -> str:
        """The token of the last transaction that committed offsets of this partition; empty if there is none.

        Every transaction writes the offsets of all inputs read so far, so all of them carry its token.
        """
        consumer = Consumer(
            self._connection.librdkafka()
            | {"group.id": self._group, "isolation.level": "read_committed", "log_level": 3}
        )
        wanted = [TopicPartition(topic, self._partition) for topic in self._input_topics]
        try:
            while True:
                try:
                    found = consumer.committed(wanted, timeout=5.0)
                except KafkaException as error:
                    if not (passes(error.args[0]) and self._wanted()):
                        raise _ours(error) from error
                    time.sleep(0.1)
                    continue
                return "|".join(sorted({p.metadata or "" for p in found if p.offset >= 0}))
        finally:
            consumer.close()

    def _produce(self, producer: Producer, record: Record, deadline: float) -> None:
        while True:
            try:
                producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                    partition=self._partition,
                    **({"on_delivery": self._delivered} if record.topic == self._state_topic else {}),
                )
                return
            except BufferError:
                if time.monotonic() > deadline or not self._wanted():
                    raise
                producer.poll(0.05)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        offset = message.offset()
        if error is None and offset is not None:
            self._next_offset = max(self._next_offset or 0, offset + 1)

    def _retry(self, call: Callable[[float], None], deadline: float) -> None:
        while True:
            try:
                call(max(0.5, deadline - time.monotonic()))
                return
            except KafkaException as error:
                if not (error.args[0].retriable() and time.monotonic() < deadline and self._wanted()):
                    raise

    def _abort(self, producer: Producer, cause: KafkaException | BufferError) -> None:
        if isinstance(cause, KafkaException) and not cause.args[0].txn_requires_abort():
            raise _ours(cause) from cause
        try:
            self._retry(producer.abort_transaction, time.monotonic() + COMMIT_DEADLINE_S)
        except KafkaException as error:
            raise _ours(error) from error


def _ours(error: KafkaException) -> FencedError | ProducerLostError:
    kind = FencedError if error.args[0].code() == KafkaError._FENCED else ProducerLostError
    return kind(str(error.args[0]))
