"""What is kept of a message that was refused: enough to see why, and to send it again."""

import base64
import hashlib

from streamgauge.schemas.errors import BadEvent
from streamgauge.schemas.message import DEAD_LETTERS, Message, Output
from streamgauge.schemas.times import EARLIEST_US, LATEST_US, format_time

#: A dead letter must itself fit into a message, base64 and all.
MOST_VALUE_BYTES = 512_000
MOST_KEY_BYTES = 1_024
MOST_HEADER_BYTES = 16_384
MOST_DETAIL = 1_000


def dead_letter(
    message: Message, error: BadEvent, prefix: str, partition: int, software: str | None = None
) -> Output:
    """The dead letter of a message of `<prefix><topic>`, with Kafka Connect's error headers.

    >>> from streamgauge.schemas.errors import Reason
    >>> refused = Message("predictions", 7, 1795255200000000, b"m", b"{")
    >>> letter = dead_letter(refused, BadEvent(Reason.UNDECODABLE, "not JSON"), "streamgauge.", 3)
    >>> letter.record["topic"], letter.record["offset"], letter.record["reason"], letter.record["value"]
    ('streamgauge.predictions', 7, 'undecodable', 'ew==')
    """
    topic = prefix + message.topic
    detail = error.detail[:MOST_DETAIL].encode("utf-8", "replace").decode("utf-8")
    value, key = message.value, message.key
    record = {
        "topic": topic,
        "partition": partition,
        "offset": message.offset,
        "time": format_time(min(max(message.timestamp_us, EARLIEST_US), LATEST_US - 1)),
        "reason": error.reason.value,
        "detail": detail,
        "key": None if key is None else _base64(key[:MOST_KEY_BYTES]),
        "value": None if value is None else _base64(value[:MOST_VALUE_BYTES]),
        "headers": _headers(message.headers),
        "length": 0 if value is None else len(value),
        "sha256": None if value is None else hashlib.sha256(value).hexdigest(),
        "software": software,
    }
    connect = {
        "topic": topic,
        "partition": str(partition),
        "offset": str(message.offset),
        "connector.name": "streamgauge",
        "task.id": str(partition),
        "stage": "VALUE_CONVERTER",
        "class.name": "streamgauge.schemas.decode",
        "exception.class.name": error.reason.value,
        "exception.message": detail,
    }
    headers = tuple((f"__connect.errors.{name}", text.encode()) for name, text in connect.items())
    return Output(DEAD_LETTERS, (key or b"")[:MOST_KEY_BYTES], record, headers)


def _headers(headers: tuple[tuple[str, bytes], ...]) -> list[dict[str, str]]:
    kept = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value or b"")
        if size > MOST_HEADER_BYTES:
            break
        kept.append({"name": name, "value": _base64(value or b"")})
    return kept


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
