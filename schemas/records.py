"""The two forms of a record: the contract's JSON form (plain dict) and what Avro holds, by the schema.

They differ in times (RFC 3339, integer microseconds), bytes (base64, bytes) and JSON documents (nested,
text). Both are plain dicts; absent fields take the schema's default.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.framing import Frame, parse_json
from streamgauge.schemas.limits import DEFAULT, Limits
from streamgauge.schemas.registry import schema
from streamgauge.schemas.times import format_time, parse_time

_Convert = Callable[[str, Any], Any]
#: Made once: `json.dumps` makes one for each record, which is a fifth of its time.
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_avro(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record in JSON form as fastavro writes it. Raises `ValueError` for a field the schema lacks.

    >>> to_avro("metric", {"window": {"start": "2026-11-21T10:00:00Z", "end": 1795255500000000}})
    {'window': {'start': 1795255200000000, 'end': 1795255500000000}}
    """
    datum: dict[str, Any] = _walk(schema(name).document, record, _inwards)
    return datum


def from_avro(name: str, datum: Mapping[str, Any], limits: Limits = DEFAULT) -> dict[str, Any]:
    """What fastavro read, in JSON form. Raises `BadEvent` for times and documents that cannot be.

    >>> from_avro("metric", {"window": {"start": 1795255200000000}})
    {'window': {'start': '2026-11-21T10:00:00.000000Z'}}
    """

    def outwards(kind: str, value: Any) -> Any:
        if kind == "timestamp-micros":
            return format_time(parse_time(value))
        if kind == "json":
            return parse_json(value.encode(), limits)
        return base64.b64encode(value).decode("ascii")

    record: dict[str, Any] = _walk(schema(name).document, datum, outwards)
    return record


def read_record(frame: Frame, limits: Limits, name: str | None = None) -> dict[str, Any]:
    """The record in a frame, in JSON form; Avro must be of the schema `name`, if given. Raises `BadEvent`."""
    if frame.writer is not None:
        found = frame.writer.name
        if found != (name or found):
            raise BadEvent(Reason.WRONG_TYPE, f"a {found} where a {name} belongs")
        return from_avro(found, schema(found).read(frame.body, frame.start, frame.writer), limits)
    record = parse_json(frame.body, limits) if frame.data is None else frame.data
    if not isinstance(record, dict):
        raise BadEvent(Reason.WRONG_TYPE, "not a JSON object")
    return record


def to_json(record: Mapping[str, Any]) -> bytes:
    """Compact JSON, UTF-8. Raises `ValueError` for a number that is not finite."""
    return _JSON.encode(record).encode("utf-8")


def _inwards(kind: str, value: Any) -> Any:
    if kind == "timestamp-micros":
        return parse_time(value)
    if kind == "json":
        return to_json(value).decode("utf-8")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise BadEvent(Reason.WRONG_TYPE, f"not base64: {error}") from error


def _walk(node: Any, value: Any, convert: _Convert) -> Any:
    if isinstance(node, list):
        branches = [branch for branch in node if branch != "null"]
        return value if value is None or len(branches) > 1 else _walk(branches[0], value, convert)
    if node == "bytes":
        return convert("bytes", value)
    if isinstance(node, str):
        return value
    if "logicalType" in node:
        return convert(node["logicalType"], value)
    if node["type"] == "array":
        return [_walk(node["items"], item, convert) for item in value]
    if node["type"] == "map":
        return {key: _walk(node["values"], item, convert) for key, item in value.items()}
    types = {field["name"]: field["type"] for field in node["fields"]}
    unknown = value.keys() - types.keys()
    if unknown:
        raise ValueError(f"{node['name']} has no field {', '.join(sorted(unknown))}")
    return {key: _walk(types[key], item, convert) for key, item in value.items()}
