"""Dead letters: what was refused and why, and how it is sent again, once."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from confluent_kafka import KafkaException, Producer

from streamgauge.clients.connection import Connection
from streamgauge.clients.events import Event, Position
from streamgauge.clients.producer import producer_config
from streamgauge.clients.reach import Reach
from streamgauge.clients.subscription import Subscription
from streamgauge.schemas.dead_letter import original, retried
from streamgauge.schemas.encode import Headers, encode_output
from streamgauge.schemas.errors import ConfigurationError, StreamgaugeError
from streamgauge.schemas.message import DEAD_LETTERS, INPUTS, Output

#: The header of a message that was sent again: the place at which it was refused before.
RETRY_OF = "streamgauge-retry-of"
#: Of one transaction. Each is at most half a megabyte, and half of it has been sent before the next is read.
_LETTERS, _BYTES = 100, 8_000_000
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(Event):
    """What was refused. `origin` is where it came from: several letters may be of one message."""

    topic: str
    partition: int
    offset: int
    time: datetime
    reason: str
    detail: str
    retried: Mapping[str, Any] | None

    @property
    def event_id(self) -> str:
        """Where the letter itself lies: ``partition:offset``."""
        return f"{self.position.partition}:{self.position.offset}"

    @property
    def origin(self) -> Position:
        """Where the message was refused."""
        return Position(self.topic, self.partition, self.offset)

    @property
    def key(self) -> str | None:
        """The model, if its sender followed the contract."""
        key = self.record.get("key")
        return None if key is None else _text(key)

    @property
    def retry_of(self) -> str | None:
        """The place at which the same message was refused before it was sent again."""
        values = [header["value"] for header in self.record["headers"] if header["name"] == RETRY_OF]
        return _text(values[-1]) if values else None


class DeadLetters(Subscription[DeadLetter]):
    """Every dead letter; see `Subscription` for the arguments."""

    topic = DEAD_LETTERS
    event = DeadLetter

    def _is_wanted(self, event: DeadLetter) -> bool:
        return self._model is None or event.key == self._model


Wanted = Callable[[DeadLetter], bool]
Encode = Callable[[Output], tuple[bytes, Headers]]


@dataclass(slots=True)
class Survey:
    """What `dead-letters` held when it was read through: how far that was, and which were sent again."""

    ends: dict[int, int] = field(default_factory=dict)
    retried: dict[Position, Mapping[str, Any]] = field(default_factory=dict)
    wanted: int = 0


def survey(connection: Connection, wanted: Wanted) -> Survey:
    """Reads all of the topic once; keeps no letter."""
    found = Survey()
    with DeadLetters(connection, start="earliest", stop_at_end=True) as letters:
        for letter in letters:
            found.ends[letter.position.partition] = letter.position.offset
            if letter.retried is not None:
                found.retried[letter.origin] = letter.retried
            elif wanted(letter):
                found.wanted += 1
    return found


def select(connection: Connection, wanted: Wanted, upto: Survey) -> Iterator[DeadLetter]:
    """The letters that are wanted, partition by partition; none that came after the survey."""
    with DeadLetters(connection, start="earliest", stop_at_end=True) as letters:
        for letter in letters:
            seen = letter.position.offset <= upto.ends.get(letter.position.partition, -1)
            if seen and letter.retried is None and wanted(letter):
                yield letter


class Retry:
    """Sends refused messages again: as they came, into the partition that they came from.

    Message and note of it are committed in one transaction, so that a message is sent again once, whatever
    ends the process. Of two that retry at a time, the one that began first is shut out. A context manager.
    Raises `StreamgaugeError` if Kafka refuses, and what was not committed by then was not sent. `encode` is
    how the worker writes to the topic.
    """

    def __init__(self, connection: Connection, actor: str, encode: Encode = encode_output) -> None:
        self._actor = actor
        self._encode = encode
        self._inputs = {connection.topic(topic) for topic in INPUTS}
        self._letters = connection.topic(DEAD_LETTERS)
        self._open, self._size = 0, 0
        self.sent = 0
        reach = Reach(connection)
        settings = {"transactional_id": f"{connection.prefix}retry", "transaction_timeout_ms": 60_000}
        config = producer_config(connection, "retry", linger_ms=20, **settings)
        self._producer = Producer(reach.config(config), logger=reach)
        reach.check(self._producer)
        self._do(self._producer.init_transactions, _PATIENCE_S)

    def send(self, letter: DeadLetter) -> None:
        """Raises `BadEvent` for a letter that cannot be sent as it came: nothing of it is sent."""
        if letter.topic not in self._inputs:
            raise ConfigurationError(f"{letter.topic} is no input topic of this prefix")
        key, value, headers = original(letter.record)
        place = f"{letter.topic}[{letter.partition}]@{letter.offset}"
        headers = [header for header in headers if header[0] != RETRY_OF] + [(RETRY_OF, place.encode())]
        if not self._open:
            self._do(self._producer.begin_transaction)
        time_ms = int(letter.time.timestamp() * 1_000)
        self._produce(letter.topic, letter.partition, key, value, headers, time_ms)
        note = retried(letter.record, self._actor, time.time_ns() // 1_000)
        content, attributes = self._encode(note)
        place_of_note = letter.position.partition
        self._produce(self._letters, place_of_note, note.key, content, list(attributes), 0)
        self._open += 1
        self._size += len(value or b"")
        if self._open >= _LETTERS or self._size >= _BYTES:
            self.commit()

    def commit(self) -> None:
        """What was sent so far stays, with the notes of it."""
        if self._open:
            self._do(self._producer.commit_transaction, _PATIENCE_S)
            self.sent += self._open
            self._open, self._size = 0, 0

    def __enter__(self) -> "Retry":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.commit()
            elif self._open:
                self._producer.abort_transaction(_PATIENCE_S)
        except KafkaException:
            pass  # it ends by itself; what is already wrong is worth more words

    def _produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
        time_ms: int,
    ) -> None:
        self._do(self._producer.produce, topic, value, key, partition, headers=headers, timestamp=time_ms)
        self._producer.poll(0)

    def _do(self, act: Callable[..., object], *arguments: Any, **named: Any) -> None:
        try:
            act(*arguments, **named)
        except KafkaException as error:
            raise _explained(error, self.sent) from error


def _explained(error: KafkaException, sent: int) -> StreamgaugeError:
    cause = error.args[0]
    if cause.fatal():
        return StreamgaugeError(
            f"another retry has begun and goes on where this one ends, after {sent:,} messages: {cause.str()}"
        )
    return StreamgaugeError(
        f"Kafka does not let us send again: {cause.str()}; {sent:,} were sent. Retrying needs the right to "
        "write to the input topics, to dead-letters and with the transactional id <prefix>retry"
    )


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "replace")
