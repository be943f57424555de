"""What is kept of a message that was refused: enough to see why, and to send it again."""

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import DEAD_LETTERS, Message, Output
from streamgauge.schemas.times import EARLIEST_US, LATEST_US, format_time

#: A dead letter must itself fit into a message, base64 and all.
MOST_VALUE_BYTES = 512_000
MOST_KEY_BYTES = 1_024
MOST_HEADER_BYTES = 16_384
MOST_DETAIL = 1_000
_b64decode = partial(base64.b64decode, validate=True)


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
    value, key, headers = message.value, message.key, _headers(message.headers)
    record = {
        "topic": topic,
        "partition": partition,
        "offset": message.offset,
        "time": format_time(min(max(message.timestamp_us, EARLIEST_US), LATEST_US - 1)),
        "reason": error.reason.value,
        "detail": detail,
        "key": None if key is None else _base64(key[:MOST_KEY_BYTES]),
        "value": None if value is None else _base64(value[:MOST_VALUE_BYTES]),
        "headers": headers,
        "length": 0 if value is None else len(value),
        "sha256": None if value is None else hashlib.sha256(value).hexdigest(),
        "software": software,
        "headers_left_out": len(message.headers) - len(headers),
        "retried": None,
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
    connect_headers = tuple((f"__connect.errors.{name}", text.encode()) for name, text in connect.items())
    return Output(DEAD_LETTERS, (key or b"")[:MOST_KEY_BYTES], record, connect_headers)


def original(record: Mapping[str, Any]) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    """Key, value and headers of the message that a dead letter quotes, as they came.

    Raises `BadEvent` for what was cut, or was no dead letter of ours.

    >>> original({"key": "bQ==", "value": "ew==", "headers": [], "length": 1, "sha256": None})
    Traceback (most recent call last):
    ...
    streamgauge.schemas.errors.BadEvent: what the letter quotes is not what was refused: its hash differs
    """
    try:
        key, value = (None if record[name] is None else _b64decode(record[name]) for name in ("key", "value"))
        headers = [(header["name"], _b64decode(header["value"])) for header in record["headers"]]
        length, left_out = record["length"], record.get("headers_left_out", 0)
        digest = None if value is None else hashlib.sha256(value).hexdigest()
    except (KeyError, TypeError, ValueError) as error:
        raise BadEvent(Reason.UNDECODABLE, f"not a dead letter: {error!r}") from error
    if value is not None and len(value) < length:
        raise BadEvent(Reason.OVERSIZED, f"only {len(value):,} of its {length:,} bytes were kept")
    if key is not None and len(key) >= MOST_KEY_BYTES:
        raise BadEvent(Reason.OVERSIZED, f"only the first {MOST_KEY_BYTES:,} bytes of its key were kept")
    if left_out:
        raise BadEvent(Reason.OVERSIZED, f"{left_out} of its headers were not kept")
    if digest != record.get("sha256"):
        raise BadEvent(
            Reason.INCONSISTENT, "what the letter quotes is not what was refused: its hash differs"
        )
    return key, value, headers


def retried(record: Mapping[str, Any], actor: str, time_us: int) -> Output:
    """What follows a dead letter whose message was sent again."""
    marker = {
        **record,
        "value": None,
        "headers": [],
        "retried": {"time": format_time(time_us), "actor": actor},
    }
    return Output(DEAD_LETTERS, _b64decode(record["key"] or ""), marker)


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
