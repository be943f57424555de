"""Garbage ends with its reason, and whatever stands beside it is unaffected."""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.dead_letter import dead_letter
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import encode_ground_truth, encode_output, encode_prediction
from streamgauge.schemas.errors import Reason
from streamgauge.schemas.message import DATA_INPUTS, GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.schemas.registry import SINGLE_OBJECT, schema
from tests.schemas.contract_events import (
    LABEL,
    PREDICTION,
    TIME_US,
    encoded,
    ground_truth_batch,
    label,
    message,
    prediction,
    prediction_batch,
)

R = Reason
AVRO = encode_prediction(PREDICTION, "avro")
BATCH = encoded(prediction_batch())
STRUCTURED = b"application/cloudevents+json"


def avro(**changes: Any) -> bytes:
    return encode_prediction(prediction(**changes), "avro")


def text(**changes: Any) -> bytes:
    return json.dumps(prediction(**changes)).encode()


def with_literal(field: str, literal: str) -> bytes:
    return json.dumps(prediction(**{field: "HERE"})).replace('"HERE"', literal).encode()


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return with_literal("extra", opening * depth + closing * depth)


GARBAGE: dict[str, tuple[bytes | Message | None, Reason]] = {
    "no value": (None, R.UNDECODABLE),
    "nothing": (b"", R.UNDECODABLE),
    "random bytes": (b"\x8f\x02\xd1\x9c garbage \xff", R.UNDECODABLE),
    "text": (b"hello", R.UNDECODABLE),
    "truncated JSON": (text()[:-30], R.UNDECODABLE),
    "two JSON values": (text() + text(), R.UNDECODABLE),
    "JSON that is not UTF-8": (text(model="caf\xe9").replace(b"\\u00e9", b"\xe9"), R.UNDECODABLE),
    "half a surrogate pair": (with_literal("model", '"\\ud800"'), R.UNDECODABLE),
    "half a surrogate pair in a CloudEvent": (
        message(b'{"data": {"model": "\\ud800"}}', content_type=STRUCTURED),
        R.UNDECODABLE,
    ),
    "array": (b"[" + text() + b"]", R.WRONG_TYPE),
    "number": (b"17", R.WRONG_TYPE),
    "truncated Avro": (AVRO[:-9], R.UNDECODABLE),
    "Avro and more": (AVRO + b"\x00", R.UNDECODABLE),
    "truncated fingerprint": (AVRO[:6], R.UNDECODABLE),
    "unknown fingerprint": (SINGLE_OBJECT + bytes(8) + AVRO[10:], R.UNKNOWN_SCHEMA),
    "Avro length of 2^62": (AVRO[:10] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7fabc", R.UNDECODABLE),
    "Avro length below zero": (AVRO[:10] + b"\x01abc", R.UNDECODABLE),
    "Avro varint without end": (AVRO[:10] + b"\xff" * 40, R.UNDECODABLE),
    "Avro union branch that is not there": (
        encode_prediction({"prediction_id": "a", "model": "m", "time": TIME_US}, "avro")[:-10] + b"\x63" * 10,
        R.UNDECODABLE,
    ),
    "Avro string that is not UTF-8": (AVRO[:10] + b"\x02\xff\x02m", R.UNDECODABLE),
    "truncated columns": (BATCH[:-20], R.UNDECODABLE),
    "Confluent without a registry": (b"\x00\x00\x00\x00\x07" + AVRO[10:], R.UNKNOWN_SCHEMA),
    "truncated Confluent": (b"\x00\x00", R.UNDECODABLE),
    "metric among predictions": (
        schema("retrain_status").write(
            {"request_id": "r", "model": "m", "attempt": 1, "state": "failed", "time": TIME_US}
        ),
        R.WRONG_TYPE,
    ),
    "message too large": (b" " * (1 << 20) + text(), R.OVERSIZED),
    "huge string": (text(features={"a": "x" * 1_025}), R.OVERSIZED),
    "huge id": (text(prediction_id="x" * 257), R.OVERSIZED),
    "huge id in Avro": (avro(prediction_id="x" * 257), R.OVERSIZED),
    "huge feature name": (text(features={"x" * 257: 1}), R.OVERSIZED),
    "too many features": (text(features={str(i): i for i in range(1_001)}), R.TOO_MANY_FIELDS),
    "too many groups": (text(groups={str(i): "x" for i in range(51)}), R.TOO_MANY_FIELDS),
    "too many segments": (avro(segments={str(i): "x" for i in range(51)}), R.TOO_MANY_FIELDS),
    "too many classes": (text(scores={str(i): 0.0 for i in range(1_001)}), R.TOO_MANY_FIELDS),
    "deep arrays": (nested(8), R.TOO_DEEP),
    "deep objects": (nested(12, '{"a":', "}").replace(b":}", b":1}"), R.TOO_DEEP),
    "JSON deeper than any stack": (b"[" * 500_000, R.TOO_DEEP),
    "a CloudEvent deeper than any stack": (message(b'{"a":' * 90_000, content_type=STRUCTURED), R.TOO_DEEP),
    "no id": (text(prediction_id=...), R.MISSING_FIELD),
    "null id": (text(prediction_id=None), R.MISSING_FIELD),
    "empty id": (text(prediction_id=""), R.MISSING_FIELD),
    "no model": (text(model=...), R.MISSING_FIELD),
    "empty model in Avro": (avro(model=""), R.MISSING_FIELD),
    "no time": (text(time=...), R.MISSING_FIELD),
    "neither prediction nor error": (text(prediction=None), R.MISSING_FIELD),
    "CloudEvent without data": (message(b'{"specversion": "1.0"}', content_type=STRUCTURED), R.MISSING_FIELD),
    "id that is a number": (text(prediction_id=17), R.WRONG_TYPE),
    "model that is a list": (text(model=["credit"]), R.WRONG_TYPE),
    "latency that is a string": (text(latency_ms="12"), R.WRONG_TYPE),
    "score that is a boolean": (text(score=True), R.WRONG_TYPE),
    "features that are a list": (text(features=[1, 2]), R.WRONG_TYPE),
    "feature that is a list": (text(features={"a": [1]}), R.WRONG_TYPE),
    "feature that is null in scores": (text(scores={"a": None}), R.WRONG_TYPE),
    "group that is an object": (text(groups={"sex": {"is": "f"}}), R.WRONG_TYPE),
    "time without a zone": (text(time="2026-11-21T10:00:00"), R.WRONG_TYPE),
    "time that is a float": (text(time=1.5), R.WRONG_TYPE),
    "CloudEvent that is an array": (message(b"[]", content_type=STRUCTURED), R.WRONG_TYPE),
    "batch of CloudEvents": (
        message(b"[]", content_type=b"application/cloudevents-batch+json"),
        R.UNDECODABLE,
    ),
    "CloudEvent of no base64": (message(b'{"data_base64": "?"}', content_type=STRUCTURED), R.UNDECODABLE),
    "CloudEvent of a number as base64": (
        message(b'{"data_base64": 1}', content_type=STRUCTURED),
        R.WRONG_TYPE,
    ),
    "negative latency": (text(latency_ms=-3), R.OUT_OF_RANGE),
    "negative latency in Avro": (avro(latency_ms=-3.0), R.OUT_OF_RANGE),
    "infinite latency in Avro": (avro(latency_ms=math.inf), R.OUT_OF_RANGE),
    "NaN score": (with_literal("score", "NaN"), R.OUT_OF_RANGE),
    "NaN score in Avro": (avro(score=math.nan), R.OUT_OF_RANGE),
    "NaN feature": (with_literal("features", '{"a": NaN}'), R.OUT_OF_RANGE),
    "infinite latency": (with_literal("latency_ms", "-Infinity"), R.OUT_OF_RANGE),
    "number beyond float64": (with_literal("score", "1e999"), R.OUT_OF_RANGE),
    "number of 5,000 digits": (with_literal("latency_ms", "9" * 5_000), R.OUT_OF_RANGE),
    "NaN prediction in Avro": (avro(prediction=math.nan), R.OUT_OF_RANGE),
    "score above 1": (text(score=1.5), R.OUT_OF_RANGE),
    "score of a class below 0": (text(scores={"a": -0.1}), R.OUT_OF_RANGE),
    "time in year 3000": (text(time="3000-01-01T00:00:00Z"), R.OUT_OF_RANGE),
    "time in seconds": (text(time=1_795_255_200), R.OUT_OF_RANGE),
    "time on 30 February": (text(time="2026-02-30T00:00:00Z"), R.OUT_OF_RANGE),
    "time of 5,000 digits": (with_literal("time", "9" * 5_000), R.OUT_OF_RANGE),
}
GARBAGE_LABELS: dict[str, tuple[bytes, Reason]] = {
    "no label": (json.dumps(label(label=None)).encode(), R.MISSING_FIELD),
    "label that is a list": (json.dumps(label(label=["a"])).encode(), R.WRONG_TYPE),
    "negative revision": (json.dumps(label(revision=-1)).encode(), R.OUT_OF_RANGE),
    "revision beyond int32": (json.dumps(label(revision=2**31)).encode(), R.OUT_OF_RANGE),
    "fraction of a revision": (json.dumps(label(revision=1.5)).encode(), R.WRONG_TYPE),
    "infinite label": (encode_ground_truth(label(label=math.inf), "avro"), R.OUT_OF_RANGE),
    "prediction among labels": (AVRO, R.WRONG_TYPE),
}


@pytest.mark.parametrize(("sent", "reason"), GARBAGE.values(), ids=GARBAGE)
def test_garbage_ends_with_its_reason_and_its_neighbours_apply(sent: Any, reason: Reason) -> None:
    bad = sent if isinstance(sent, Message) else message(sent)
    result = decode_messages(PREDICTIONS, [message(PREDICTION), bad, message(PREDICTION)])
    assert [error.reason for _, error in result.refused] == [reason]
    assert sum(len(batch) for batch, _ in result.batches) == 2
    assert result.refused_rows == 1


@pytest.mark.parametrize(("sent", "reason"), GARBAGE_LABELS.values(), ids=GARBAGE_LABELS)
def test_garbage_among_labels_ends_with_its_reason(sent: bytes, reason: Reason) -> None:
    result = decode_messages(GROUND_TRUTH, [message(sent), message(LABEL)])
    assert [error.reason for _, error in result.refused] == [reason]
    assert sum(len(batch) for batch, _ in result.batches) == 1


def test_brackets_within_strings_are_not_depth() -> None:
    [sent, escaped] = [text(error=None, version="[" * 200), with_literal("version", '"' + '\\"{' * 60 + '"')]
    assert decode_messages(PREDICTIONS, [message(sent), message(escaped)]).refused == []


def test_a_wrong_type_is_named_with_its_place_and_without_what_was_sent() -> None:
    [(_, error)] = decode_messages(PREDICTIONS, [message(text(features={"a": ["my secret"]}))]).refused
    assert error.detail == "an entry of features: expected bool | float | str | null, got array"


def _ledger(topic: str, sent: bytes, headers: dict[str, bytes]) -> None:
    """Whatever comes, it ends in a batch or in a dead letter that can be written."""
    result = decode_messages(topic, [message(sent, topic, **headers)])
    assert result.batches or result.refused
    assert bool(result.refused) == (result.refused_rows > 0)
    for refused, error in result.refused:
        for format in ("json", "avro"):
            encode_output(dead_letter(refused, error, "streamgauge.", 0), format)  # type: ignore[arg-type]


HEADERS = st.sampled_from([{}, {"content_type": STRUCTURED}, {"content_type": b"application/json"}])


@given(st.sampled_from(DATA_INPUTS), st.binary(max_size=200), HEADERS)
def test_random_bytes_never_raise(topic: str, sent: bytes, headers: dict[str, bytes]) -> None:
    _ledger(topic, sent, headers)


VALID = [
    AVRO,
    BATCH,
    text(),
    encode_ground_truth(LABEL, "avro"),
    encode_ground_truth(LABEL),
    encoded(ground_truth_batch()),
    json.dumps({"data_base64": base64.b64encode(AVRO).decode()}).encode(),
]


@given(
    st.sampled_from(DATA_INPUTS),
    st.sampled_from(VALID),
    st.lists(
        st.tuples(st.integers(0, 2_000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=4
    ),
    HEADERS,
)
def test_damaged_events_never_raise(
    topic: str, sent: bytes, edits: list[tuple[int, bytes, int]], headers: dict[str, bytes]
) -> None:
    for position, inserted, removed in edits:
        start = position % (len(sent) + 1)
        sent = sent[:start] + inserted + sent[start + removed :]
    _ledger(topic, sent, headers)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(DATA_INPUTS),
    st.dictionaries(st.sampled_from([*PREDICTION, *LABEL]), JSON_VALUES),
    HEADERS,
)
def test_fields_of_any_type_never_raise(
    topic: str, changes: dict[str, Any], headers: dict[str, bytes]
) -> None:
    base = PREDICTION if topic == PREDICTIONS else LABEL
    event = {**base, **changes}
    _ledger(topic, json.dumps({"data": event} if STRUCTURED in headers.values() else event).encode(), headers)
