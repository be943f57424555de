"""Schemas that strangers registered: whatever they hold, a worker takes them or says why not."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.control import decode_control
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.foreign import foreign_schema
from streamgauge.schemas.framing import schema_id_of
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.schemas.registry import schema

ODD: list[Any] = [
    None, True, -1, 0, 1.5, "", "null", "string", "long", "record", "array", "map", "fixed", "enum", [], {},
    ["null", "null"], "io.streamgauge.Prediction", {"type": "array"}, {"type": "map", "values": "null"},
    {"type": "enum", "name": "E", "symbols": []}, {"type": "fixed", "name": "F", "size": "x"},
    {"type": ["null"]}, {"type": {"type": {"type": "string"}}}, {"type": "record", "name": "R", "fields": []},
]  # fmt: skip
NAMES = ("type", "name", "fields", "items", "namespace", "aliases", "logicalType", "default", "size")


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything inside."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inside:
        yield node, key
        yield from places(value)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    document = copy.deepcopy(
        schema(draw(st.sampled_from(["prediction", "ground_truth", "control"]))).document
    )
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if not found:
            break
        container, key = found[draw(st.integers(0, len(found) - 1))]
        odd = copy.deepcopy(draw(st.sampled_from(ODD)))
        how = draw(st.integers(0, 4))
        if how == 0:
            del container[key]
        elif how == 1 and isinstance(container, dict):
            container[draw(st.sampled_from(NAMES))] = odd
        else:
            container[key] = odd
    return document


def assert_short(error: BadEvent) -> None:
    assert error.reason is Reason.UNKNOWN_SCHEMA
    assert len(error.detail) <= 500


@given(document=damaged(), body=st.binary(max_size=60))
def test_no_schema_breaks_more_than_its_own_messages(document: Any, body: bytes) -> None:
    try:
        writer = foreign_schema(document)
    except BadEvent as error:
        assert_short(error)
        return
    value = b"\x00\x00\x00\x00\x01" + body
    for topic in (PREDICTIONS, GROUND_TRUTH):
        result = decode_messages(topic, [Message(topic, 0, 0, b"m", value)], resolve=lambda _: writer)
        assert len(result.batches) + len(result.refused) >= 1
    with suppress(BadEvent):
        decode_control(Message(CONTROL, 0, 0, b"m", value), resolve=lambda _: writer)


@pytest.mark.parametrize("unit", ["timestamp-millis", "timestamp-nanos", "local-timestamp-micros"])
def test_a_time_in_another_unit_is_refused_with_its_name(unit: str) -> None:
    fields = [{"name": "time", "type": {"type": "long", "logicalType": unit}}]
    with pytest.raises(BadEvent, match=f"its time is of the type {unit}; it is read as timestamp-micros"):
        foreign_schema({"type": "record", "name": "Prediction", "fields": fields})


def test_what_cannot_be_read_as_ours_says_where_it_differs() -> None:
    features = {"type": "record", "name": "F", "fields": [{"name": "age", "type": "int"}]}
    kinds = {"prediction_id": "string", "model": "string", "prediction": "string", "time": "long"}
    fields = [{"name": name, "type": kind} for name, kind in {**kinds, "features": features}.items()]
    writer = foreign_schema({"type": "record", "name": "acme.Prediction", "fields": fields})
    sent = Message(PREDICTIONS, 0, 0, b"m", b"\x00\x00\x00\x00\x01\x02a\x02m\x02y\x02\x02")
    [(_, error)] = decode_messages(PREDICTIONS, [sent], resolve=lambda _: writer).refused
    assert error.reason is Reason.WRONG_TYPE
    assert "acme.F" in error.detail


@given(value=st.none() | st.binary(max_size=12).map(lambda tail: b"\x00" + tail) | st.binary(max_size=12))
def test_the_id_that_is_looked_for_is_the_one_that_decoding_asks_for(value: bytes | None) -> None:
    asked: list[int] = []
    decode_messages(PREDICTIONS, [Message(PREDICTIONS, 0, 0, b"m", value)], resolve=asked.append)  # type: ignore[arg-type]
    assert asked == [number for number in [schema_id_of(value, ())] if number is not None]


def test_an_id_beyond_those_of_registries_is_looked_for_by_nobody() -> None:
    assert schema_id_of(b"\x00\x7f\xff\xff\xff", ()) == 2**31 - 1
    assert schema_id_of(b"\x00\x80\x00\x00\x00", ()) is None
