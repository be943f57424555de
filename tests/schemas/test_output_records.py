"""Outputs, control events, retrain statuses and dead letters: both forms mean the same."""

import base64
import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.control import (
    ControlEvent,
    Define,
    RetrainStatus,
    Silence,
    decode_control,
    decode_retrain_status,
    encode_control,
    encode_retrain_status,
)
from streamgauge.schemas.dead_letter import MOST_VALUE_BYTES, dead_letter, original, retried
from streamgauge.schemas.encode import Format, decode_output, encode_output
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.message import CONTROL, METRICS, RETRAIN_STATUS, Message, Output
from streamgauge.schemas.times import EARLIEST_US, LATEST_US
from tests.schemas.contract_events import TIME_US, message
from tests.schemas.contract_outputs import ALERT, CONTROLS, METRIC, OUTPUTS, STATUS

FORMATS: tuple[Format, ...] = ("json", "avro")


def test_every_output_is_a_cloud_event() -> None:
    value, headers = encode_output(OUTPUTS["alert"])
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": hashlib.sha256(value).hexdigest()[:32].encode(),
        "ce_type": b"io.streamgauge.alert.v1",
        "ce_source": b"/models/credit",
        "ce_time": ALERT["time"].encode(),  # type: ignore[attr-defined]
        "content-type": b"application/json",
    }


def test_a_metric_s_time_is_the_end_of_its_window() -> None:
    headers = dict(encode_output(OUTPUTS["metric"], "avro")[1])
    assert headers["ce_time"] == b"2026-11-21T10:05:00.000000Z"
    assert headers["content-type"] == b"application/avro"


def test_a_model_s_name_is_quoted_in_the_source() -> None:
    output = Output(METRICS, b"", {**METRIC, "model": "a/b é"})
    assert dict(encode_output(output)[1])["ce_source"] == b"/models/a%2Fb%20%C3%A9"


def test_the_same_record_has_the_same_id_and_another_has_another() -> None:
    ids = [dict(encode_output(Output(METRICS, b"", {**METRIC, "n": n}))[1])["ce_id"] for n in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


def test_an_output_s_own_headers_are_kept() -> None:
    output = Output(METRICS, b"", METRIC, (("own", b"1"),))
    assert encode_output(output)[1][0] == ("own", b"1")


@pytest.mark.parametrize("format", FORMATS)
def test_a_number_that_is_not_finite_is_a_mistake_of_ours_in_json(format: Format) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_output(Output(METRICS, b"", {**METRIC, "value": math.nan}))


def test_a_field_that_the_schema_lacks_is_a_mistake_of_ours_in_avro() -> None:
    with pytest.raises(ValueError, match="Metric has no field colour"):
        encode_output(Output(METRICS, b"", {**METRIC, "colour": "red"}), "avro")


def test_a_required_field_that_is_absent_is_a_mistake_of_ours_in_avro() -> None:
    with pytest.raises(ValueError, match="metric"):
        encode_output(Output(METRICS, b"", {k: v for k, v in METRIC.items() if k != "metric"}), "avro")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WHEN = st.integers(EARLIEST_US, LATEST_US - 1)
DOCUMENTS = st.dictionaries(
    TEXT, st.none() | st.integers(-5, 5) | TEXT | st.lists(TEXT, max_size=2), max_size=3
)


@given(
    st.builds(Define, actor=TEXT, time_us=WHEN, model=st.none() | TEXT, document=DOCUMENTS)
    | st.builds(
        Silence,
        actor=TEXT,
        time_us=WHEN,
        until_us=WHEN,
        model=st.none() | TEXT,
        matcher=st.dictionaries(TEXT, TEXT, max_size=3),
        note=st.none() | TEXT,
    ),
    st.sampled_from(FORMATS),
)
def test_any_control_event_comes_back_as_it_was(event: ControlEvent, format: Format) -> None:
    value, headers = encode_control(event, format)
    assert decode_control(Message(CONTROL, 0, TIME_US, None, value, headers)) == event


@given(
    st.builds(
        RetrainStatus,
        request_id=TEXT,
        model=TEXT,
        attempt=st.integers(1, 2**31 - 1),
        state=st.sampled_from(["accepted", "started", "failed", "declined"]),
        time_us=WHEN,
        new_version=st.none() | TEXT,
        message=st.none() | TEXT,
    ),
    st.sampled_from(FORMATS),
)
def test_any_retrain_status_comes_back_as_it_was(status: RetrainStatus, format: Format) -> None:
    value, headers = encode_retrain_status(status, format)
    assert decode_retrain_status(Message(RETRAIN_STATUS, 0, TIME_US, None, value, headers)) == status


def record(event: Any, **changes: Any) -> dict[str, Any]:
    encode: Any = encode_retrain_status if event is STATUS else encode_control
    fields = json.loads(encode(event)[0]) | changes
    return {name: value for name, value in fields.items() if value is not ...}


DEFINE, ACK, SILENCE = CONTROLS["define"], CONTROLS["acknowledge"], CONTROLS["silence"]
BAD_CONTROLS: list[tuple[dict[str, Any] | bytes, Reason]] = [
    (record(DEFINE, kind=...), Reason.MISSING_FIELD),
    (record(DEFINE, kind="explode"), Reason.WRONG_TYPE),
    (record(DEFINE, kind=["define"]), Reason.WRONG_TYPE),
    (record(DEFINE, actor=...), Reason.MISSING_FIELD),
    (record(DEFINE, actor=3), Reason.WRONG_TYPE),
    (record(DEFINE, actor="x" * 257), Reason.OVERSIZED),
    (record(DEFINE, document=None), Reason.MISSING_FIELD),
    (record(DEFINE, document="model: credit"), Reason.WRONG_TYPE),
    (record(DEFINE, document={"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}), Reason.TOO_DEEP),
    (record(DEFINE, time="yesterday"), Reason.WRONG_TYPE),
    (record(ACK, fingerprint=...), Reason.MISSING_FIELD),
    (record(ACK, model=...), Reason.MISSING_FIELD),
    (record(ACK, note="x" * 1_025), Reason.OVERSIZED),
    (record(SILENCE, until=...), Reason.MISSING_FIELD),
    (record(SILENCE, matcher=["severity"]), Reason.WRONG_TYPE),
    (record(SILENCE, matcher={"severity": 3}), Reason.WRONG_TYPE),
    (b"[]", Reason.WRONG_TYPE),
    (b"\xff", Reason.UNDECODABLE),
    (encode_retrain_status(STATUS, "avro")[0], Reason.WRONG_TYPE),
]


@pytest.mark.parametrize(("sent", "reason"), BAD_CONTROLS)
def test_a_bad_control_event_ends_with_its_reason(sent: Any, reason: Reason) -> None:
    with pytest.raises(BadEvent) as refused:
        decode_control(message(sent, CONTROL))
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "done"}, Reason.WRONG_TYPE),
        ({"attempt": 0}, Reason.OUT_OF_RANGE),
        ({"attempt": 1.5}, Reason.WRONG_TYPE),
        ({"attempt": True}, Reason.WRONG_TYPE),
        ({"new_version": None}, Reason.MISSING_FIELD),
        ({"request_id": None}, Reason.MISSING_FIELD),
    ],
)
def test_a_bad_retrain_status_ends_with_its_reason(changes: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(BadEvent) as refused:
        decode_retrain_status(message(record(STATUS, **changes), RETRAIN_STATUS))
    assert refused.value.reason is reason


def letter(refused: Message) -> Output:
    return dead_letter(refused, BadEvent(Reason.UNDECODABLE, "not JSON: é"), "acme.", 3, "streamgauge 0.1.0")


@pytest.mark.parametrize("format", FORMATS)
def test_a_dead_letter_gives_back_the_message_as_it_came(format: Format) -> None:
    refused = Message("predictions", 7, TIME_US, b"\xff", b"\x00\x01", (("content-type", b"text/plain"),))
    value, headers = encode_output(letter(refused), format)
    found = decode_output(value, headers)
    assert base64.b64decode(found["value"]) == refused.value
    assert base64.b64decode(found["key"]) == refused.key
    assert found["headers"] == [{"name": "content-type", "value": base64.b64encode(b"text/plain").decode()}]
    assert {name: found[name] for name in ("topic", "partition", "offset", "reason", "detail", "length")} == {
        "topic": "acme.predictions",
        "partition": 3,
        "offset": 7,
        "reason": "undecodable",
        "detail": "not JSON: é",
        "length": 2,
    }


def test_a_dead_letter_follows_the_header_convention_of_kafka_connect() -> None:
    headers = dict(letter(Message("predictions", 7, TIME_US, None, b"{")).headers)
    assert headers["__connect.errors.topic"] == b"acme.predictions"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"7"
    assert headers["__connect.errors.exception.class.name"] == b"undecodable"
    assert headers["__connect.errors.exception.message"] == "not JSON: é".encode()


@pytest.mark.parametrize("format", FORMATS)
def test_a_dead_letter_of_anything_fits_into_a_message(format: Format) -> None:
    huge = b"x" * (5 << 20)
    refused = Message("predictions", 7, -1, huge, huge, tuple((f"h{i}", b"y" * 9_000) for i in range(5)))
    output = letter(refused)
    value, headers = encode_output(output, format)
    assert len(value) + sum(len(name) + len(content) for name, content in headers) < DEFAULT.message_bytes
    assert base64.b64decode(output.record["value"]) == huge[:MOST_VALUE_BYTES]
    assert output.record["length"] == len(huge)
    assert output.record["sha256"] == hashlib.sha256(huge).hexdigest()
    assert len(output.record["headers"]) == 1


def test_a_dead_letter_of_a_tombstone_has_no_value() -> None:
    output = letter(Message("predictions", 7, TIME_US, None, None))
    assert (output.record["value"], output.record["length"], output.record["sha256"]) == (None, 0, None)
    assert decode_output(*encode_output(output, "avro"))["value"] is None


def test_what_a_dead_letter_quotes_is_given_back_or_said_to_be_cut() -> None:
    headers = (("a", b"\xff"), ("a", b""))
    assert original(letter(Message("predictions", 7, TIME_US, b"m", b"{", headers)).record) == (
        b"m", b"{", list(headers),
    )  # fmt: skip
    assert original(letter(Message("predictions", 7, TIME_US, None, None)).record) == (None, None, [])
    for cut, says in (
        (
            Message("predictions", 7, TIME_US, b"m", b"x" * 600_000),
            "only 512,000 of its 600,000 bytes were kept",
        ),
        (Message("predictions", 7, TIME_US, b"m" * 2_000, b"x"), "only the first 1,024 bytes of its key"),
        (
            Message("predictions", 7, TIME_US, b"m", b"x", (("a", b"x" * 20_000),)),
            "1 of its headers were not",
        ),
    ):
        with pytest.raises(BadEvent, match=says):
            original(letter(cut).record)
    for forged in ({"value": "AAAA"}, {"key": 7}, {"headers": [{}]}, {"value": "no base64!"}):
        with pytest.raises(BadEvent):
            original({**letter(Message("predictions", 7, TIME_US, b"m", b"{")).record, **forged})


@pytest.mark.parametrize("format", FORMATS)
def test_the_note_of_a_retry_names_what_was_sent_again_and_quotes_nothing(format: Format) -> None:
    refused = letter(Message("predictions", 7, TIME_US, b"m", b"{", (("a", b"b"),))).record
    note = decode_output(*encode_output(retried(refused, "anna", TIME_US), format))
    assert note["retried"] == {"time": "2026-11-21T10:00:00.123456Z", "actor": "anna"}
    assert (note["topic"], note["offset"], note["value"], note["headers"]) == (
        "acme.predictions",
        7,
        None,
        [],
    )
