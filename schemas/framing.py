"""Which encoding a message is in, by its headers or first bytes; JSON that cannot hurt."""

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.limits import DEFAULT, Limits
from streamgauge.schemas.registry import SINGLE_OBJECT, Schema, schema, writers

#: Finds the writer's schema of a Confluent schema id; None if the registry does not have it.
Resolver = Callable[[int], Schema | None]

#: Registries count in Java's int: beyond it, an answer says nothing of the id.
_IDS_END = 1 << 31
_FRAMED = b"\x00"
_STRUCTURED = b"application/cloudevents+json"
_CLOUDEVENTS = b"application/cloudevents"
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(sorted(set(range(256)) - set(b"{}[]")))


class Frame(NamedTuple):
    """What is inside a message: an Avro datum of `writer` from `start` on, or JSON (`writer` is None).

    JSON is `body` from its first byte, or, taken out of a structured CloudEvent, the parsed `data`.
    """

    writer: Schema | None
    body: bytes
    start: int = 0
    data: Any = None


def unwrap(
    value: bytes | None,
    headers: tuple[tuple[str, bytes], ...],
    limits: Limits,
    resolve: Resolver | None = None,
) -> Frame:
    """Recognises single-object Avro, Confluent framing, JSON, and CloudEvents in both modes.

    Raises `BadEvent`: undecodable, unknown_schema, oversized, too_deep.
    """
    if value is None:
        raise BadEvent(Reason.UNDECODABLE, "the record has no value")
    if len(value) > limits.message_bytes:
        raise BadEvent(Reason.OVERSIZED, f"{len(value)} bytes; at most {limits.message_bytes} are read")
    content = _cloudevents_type(headers)
    if content is not None:
        return _structured(value, content, limits, resolve)
    return _by_first_bytes(value, resolve)


def schema_id_of(
    value: bytes | None, headers: tuple[tuple[str, bytes], ...], limits: Limits = DEFAULT
) -> int | None:
    """The Confluent schema id that `unwrap` asks its `resolve` for; None if it asks for none.

    >>> schema_id_of(bytes([0, 0, 0, 0, 7]), ()), schema_id_of(b"{}", ())
    (7, None)
    """
    if value is None or (value[:1] != _FRAMED and _cloudevents_type(headers) is None):
        return None
    asked: list[int] = []

    def note(number: int) -> Schema:
        asked.append(number)
        return schema("prediction")  # any will do

    with contextlib.suppress(BadEvent):
        unwrap(value, headers, limits, note)
    return asked[0] if asked else None


def parse_json(text: bytes, limits: Limits) -> Any:
    """JSON by the letter: no NaN, no infinity, no nesting beyond `limits.json_depth`. Raises `BadEvent`."""
    check_depth(text, limits.json_depth)
    try:
        parsed = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\u" in text:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")  # half a surrogate pair raises
        return parsed
    except ValueError as error:  # also of the encoding, and of integers with thousands of digits
        raise BadEvent(Reason.UNDECODABLE, f"not JSON: {error}") from error


def check_depth(text: bytes, limit: int) -> None:
    """Refuses JSON that nests deeper than `limit`, in linear time and without recursion."""
    if text.count(b"{") + text.count(b"[") <= limit:
        return
    depth = 0
    for bracket in _STRINGS.sub(b"", text).translate(None, _NOT_BRACKETS):
        if bracket in b"{[":
            depth += 1
            if depth > limit:
                raise BadEvent(Reason.TOO_DEEP, f"JSON nests deeper than {limit}")
        else:
            depth -= 1


def _cloudevents_type(headers: tuple[tuple[str, bytes], ...]) -> bytes | None:
    """The content type of a message that is a CloudEvent as a whole."""
    for name, content in headers:
        if name.lower() == "content-type" and content and content.lower().startswith(_CLOUDEVENTS):
            return content
    return None


def _by_first_bytes(value: bytes, resolve: Resolver | None) -> Frame:
    if value[:2] == SINGLE_OBJECT:
        known = writers().get(value[2:10])
        if known is None:
            if len(value) < 10:
                raise BadEvent(Reason.UNDECODABLE, "truncated within the fingerprint of its schema")
            raise BadEvent(Reason.UNKNOWN_SCHEMA, f"no schema has the fingerprint {value[2:10].hex()}")
        return Frame(known, value, 10)
    if value[:1] == _FRAMED:
        if len(value) < 5:
            raise BadEvent(Reason.UNDECODABLE, "truncated within the id of its schema")
        number = int.from_bytes(value[1:5], "big")
        if resolve is None:
            raise BadEvent(
                Reason.UNKNOWN_SCHEMA,
                f"schema id {number} is not known here: STREAMGAUGE_SCHEMA_REGISTRY_URL is not set",
            )
        found = resolve(number) if number < _IDS_END else None
        if found is None:
            raise BadEvent(Reason.UNKNOWN_SCHEMA, f"schema id {number} is not known to the schema registry")
        return Frame(found, value, 5)
    return Frame(None, value)


def _structured(value: bytes, content: bytes, limits: Limits, resolve: Resolver | None) -> Frame:
    if not content.lower().startswith(_STRUCTURED):
        raise BadEvent(
            Reason.UNDECODABLE, "of CloudEvents' structured formats only JSON is read, one event each"
        )
    envelope = parse_json(value, limits)
    if not isinstance(envelope, dict):
        raise BadEvent(Reason.WRONG_TYPE, "a structured CloudEvent is a JSON object")
    encoded = envelope.get("data_base64")
    if encoded is not None:
        if not isinstance(encoded, str):
            raise BadEvent(Reason.WRONG_TYPE, "data_base64 is not a string")
        try:
            inner = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadEvent(Reason.UNDECODABLE, f"data_base64: {error}") from error
        return _by_first_bytes(inner, resolve)
    if envelope.get("data") is None:
        raise BadEvent(Reason.MISSING_FIELD, "the CloudEvent has no data")
    return Frame(None, value, data=envelope["data"])


def _refuse_constant(name: str) -> NoReturn:
    raise BadEvent(Reason.OUT_OF_RANGE, f"{name} is not JSON; a missing number is null")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise BadEvent(Reason.OUT_OF_RANGE, "a number is beyond the range of float64")
    return number
