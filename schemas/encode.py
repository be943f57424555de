"""What senders write, with nothing but fastavro and numpy: columnar batches, single events, outputs."""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import numpy as np

from streamgauge.schemas.batch import (
    Categories,
    Column,
    Floats,
    GroundTruthBatch,
    Outcome,
    PredictionBatch,
)
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.framing import unwrap
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.limits import Limits
from streamgauge.schemas.message import (
    ALERTS,
    CONTROL,
    DEAD_LETTERS,
    METRICS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
    Output,
)
from streamgauge.schemas.records import read_record, to_avro, to_json
from streamgauge.schemas.registry import Schema, schema, writers

Format = Literal["json", "avro"]
Headers = tuple[tuple[str, bytes], ...]

#: The schema of each topic whose records are not batches.
SCHEMA_OF_TOPIC = {
    METRICS: "metric",
    ALERTS: "alert",
    RETRAIN_REQUESTS: "retrain_request",
    DEAD_LETTERS: "dead_letter",
    CONTROL: "control",
    RETRAIN_STATUS: "retrain_status",
}
_OUTPUT_LIMITS = Limits(message_bytes=16 << 20, json_depth=32)
_DATA_SCHEMA = "urn:streamgauge:avro:"
_CONTENT_TYPES = {"json": b"application/json", "avro": b"application/avro"}


def encode_prediction_batch(batch: PredictionBatch) -> bytes:
    """A batch as one columnar message, single-object Avro."""
    return schema("prediction_batch").write(
        {
            "model": batch.model,
            "version": batch.version,
            "ids": batch.ids.tobytes(),
            "time_us": batch.time_us.astype("<i8", copy=False).tobytes(),
            "prediction": _outcome(batch.prediction),
            "latency_ms": _unless_missing(batch.latency_ms),
            "score": _unless_missing(batch.score),
            "failed": batch.failed.tobytes() if batch.failed.any() else None,
            "features": {name: _column(column) for name, column in batch.features.items()},
            "groups": {name: _column(column) for name, column in batch.groups.items()},
            "segments": {name: _column(column) for name, column in batch.segments.items()},
            "scores": {name: _floats(column) for name, column in batch.scores.items()},
            "dropped": batch.dropped,
            "sample_rate": batch.sample_rate,
        }
    )


def encode_ground_truth_batch(batch: GroundTruthBatch) -> bytes:
    """A batch as one columnar message, single-object Avro."""
    return schema("ground_truth_batch").write(
        {
            "model": batch.model,
            "ids": batch.ids.tobytes(),
            "time_us": batch.time_us.astype("<i8", copy=False).tobytes(),
            "label": _outcome(batch.label),
            "revision": batch.revision.astype("<i4", copy=False).tobytes() if batch.revision.any() else None,
            "retracted": batch.retracted.tobytes() if batch.retracted.any() else None,
        }
    )


def encode_prediction(record: Mapping[str, Any], format: Format = "json") -> bytes:
    """One prediction in the contract's JSON form, as a message.

    >>> encode_prediction({"prediction_id": "a", "model": "m", "time": 1795255200000000, "prediction": 3})
    b'{"prediction_id":"a","model":"m","time":1795255200000000,"prediction":3}'
    """
    return _encode("prediction", record, format)


def encode_ground_truth(record: Mapping[str, Any], format: Format = "json") -> bytes:
    """One label in the contract's JSON form, as a message.

    >>> encode_ground_truth({"prediction_id": "a", "model": "m", "time": 0, "label": "yes"})
    b'{"prediction_id":"a","model":"m","time":0,"label":"yes"}'
    """
    return _encode("ground_truth", record, format)


def encode_output(output: Output, format: Format = "json") -> tuple[bytes, Headers]:
    """Value and headers of an output: its own headers, and the attributes of a CloudEvent.

    The CloudEvent's id is a hash of the value: what is sent twice has one id.

    >>> value, headers = encode_output(Output("control", b"m", {"kind": "retire", "model": "m"}))
    >>> value, dict(headers)["ce_type"], dict(headers)["ce_source"]
    (b'{"kind":"retire","model":"m"}', b'io.streamgauge.control.v1', b'/models/m')
    """
    name, record, value = SCHEMA_OF_TOPIC[output.topic], output.record, encode_value(output, format)
    attributes = [
        ("ce_specversion", b"1.0"),
        ("ce_id", hashlib.sha256(value).hexdigest()[:32].encode()),
        ("ce_type", f"io.streamgauge.{name}.v1".encode()),
        ("ce_source", _source(record).encode()),
        ("content-type", _CONTENT_TYPES[format]),
    ]
    time = record.get("time") or record.get("window", {}).get("end")
    if time is not None:
        attributes.append(("ce_time", time.encode()))
    return value, (*output.headers, *attributes)


def encode_framed(output: Output, schema_id: int) -> tuple[bytes, Headers]:
    """Value and headers of an output with Confluent framing; `schema_id` is what a registry calls its schema.

    A header names the schema too, so that whoever reads with this library needs no registry.

    >>> order = {"kind": "retire", "model": "m", "actor": "ann", "time": "2026-11-21T10:00:00Z"}
    >>> value, headers = encode_framed(Output("control", b"m", order), 7)
    >>> value[:6], dict(headers)["ce_dataschema"]
    (b'\\x00\\x00\\x00\\x00\\x07\\x0c', b'urn:streamgauge:avro:d9adccb3d9439858')
    """
    value, headers = encode_output(output, "avro")
    named = _DATA_SCHEMA + value[2:10].hex()
    return b"\x00" + schema_id.to_bytes(4, "big") + value[10:], (*headers, ("ce_dataschema", named.encode()))


def encode_value(output: Output, format: Format = "json") -> bytes:
    """The value alone, where there are no headers: in a file."""
    return _encode(SCHEMA_OF_TOPIC[output.topic], output.record, format)


def decode_output(value: bytes | None, headers: Headers = ()) -> dict[str, Any]:
    """A record that `encode_output` or `encode_framed` wrote, in JSON form. Raises `BadEvent`."""

    def resolve(_: int) -> Schema:
        named = dict(headers).get("ce_dataschema", b"").decode("latin-1")
        try:
            return writers()[bytes.fromhex(named.removeprefix(_DATA_SCHEMA))]
        except (ValueError, KeyError):
            detail = "its header ce_dataschema names no schema that is known here"
            raise BadEvent(Reason.UNKNOWN_SCHEMA, detail) from None

    return read_record(unwrap(value, headers, _OUTPUT_LIMITS, resolve), _OUTPUT_LIMITS)


def _encode(name: str, record: Mapping[str, Any], format: Format) -> bytes:
    return to_json(record) if format == "json" else schema(name).write(to_avro(name, record))


def _source(record: Mapping[str, Any]) -> str:
    if record.get("model") is not None:
        return "/models/" + quote(record["model"], safe="")
    return "/topics/" + quote(record["topic"], safe="") if "topic" in record else "/fleet"


def _outcome(column: Outcome) -> Any:
    if not isinstance(column, ItemLists):
        return _column(column)
    lists = {
        "offsets": column.offsets.astype("<i4").tobytes(),
        "codes": column.codes.astype("<i4", copy=False).tobytes(),
        "values": list(column.values),
    }
    if column.grades is None:
        return "io.streamgauge.Ranked", lists
    return "io.streamgauge.Relevance", {**lists, "grades": _floats(column.grades)}


def _column(column: Column) -> bytes | dict[str, Any]:
    if isinstance(column, Categories):
        return {"codes": column.codes.astype("<i4", copy=False).tobytes(), "values": list(column.values)}
    return _floats(column)


def _floats(column: Floats) -> bytes:
    return column.astype("<f8", copy=False).tobytes()


def _unless_missing(column: Floats) -> bytes | None:
    return None if np.isnan(column).all() else _floats(column)
