"""Single events: every encoding means the same, and the fields become what the contract says."""

import base64
import json
import math
from typing import Any

import pytest

from streamgauge.schemas.batch import GroundTruthBatch, PredictionBatch
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import encode_ground_truth, encode_prediction
from streamgauge.schemas.errors import Reason
from streamgauge.schemas.foreign import foreign_schema
from streamgauge.schemas.ids import identity
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.schemas.registry import schema
from tests.schemas.contract_events import (
    LABEL,
    PREDICTION,
    TIME_US,
    column_kinds,
    decode,
    label,
    message,
    prediction,
    row,
)

EXPECTED = {
    "model": "credit",
    "version": "7",
    "ids": "01975bcd0000700080000123456789ab",
    "time_us": TIME_US,
    "prediction": "approved",
    "latency_ms": 12.5,
    "score": 0.83,
    "failed": False,
    "features": {"age": 41.0, "income": 52000.0, "job": "clerk", "member": "true", "balance": None},
    "groups": {"sex": "f"},
    "segments": {"country": "NO"},
    "scores": {"approved": 0.83, "rejected": 0.17},
    "dropped": 0,
    "sample_rate": 1.0,
}


def structured(data: Any, **attributes: Any) -> bytes:
    return json.dumps(
        {"specversion": "1.0", "type": "t", "source": "/s", "id": "1", **attributes, **data}
    ).encode()


def confluent(number: int, single_object: bytes) -> bytes:
    return b"\x00" + number.to_bytes(4, "big") + single_object[10:]


AVRO = encode_prediction(PREDICTION, "avro")
STRUCTURED = b"application/cloudevents+json; charset=UTF-8"
ENCODINGS = {
    "JSON": message(PREDICTION),
    "JSON with spaces": message(json.dumps(PREDICTION, indent=2).encode()),
    "Avro": message(AVRO),
    "Confluent": message(confluent(17, AVRO)),
    "CloudEvents binary mode, JSON": message(
        PREDICTION, ce_specversion=b"1.0", ce_id=b"1", ce_type=b"t", content_type=b"application/json"
    ),
    "CloudEvents binary mode, Avro": message(AVRO, ce_specversion=b"1.0", content_type=b"application/avro"),
    "CloudEvents structured mode": message(structured({"data": PREDICTION}), content_type=STRUCTURED),
    "CloudEvents structured mode, base64": message(
        structured({"data_base64": base64.b64encode(AVRO).decode()}), Content_type=STRUCTURED
    ),
}


@pytest.mark.parametrize("sent", ENCODINGS.values(), ids=ENCODINGS)
def test_an_event_means_the_same_in_every_encoding(sent: Message) -> None:
    result = decode_messages(
        PREDICTIONS, [sent], resolve=lambda number: {17: schema("prediction")}.get(number)
    )
    assert result.refused == []
    [(batch, offsets)] = result.batches
    assert row(batch) == EXPECTED
    assert offsets.tolist() == [0]


@pytest.mark.parametrize("format", ["json", "avro"])
def test_a_label_means_the_same_in_json_and_avro(format: Any) -> None:
    [(batch, _)] = decode(encode_ground_truth(LABEL, format), topic=GROUND_TRUTH).batches
    assert isinstance(batch, GroundTruthBatch)
    assert row(batch) == {
        "model": "credit",
        "ids": "01975bcd0000700080000123456789ab",
        "time_us": TIME_US,
        "label": "rejected",
        "revision": 2,
        "retracted": False,
    }


def test_only_id_model_time_and_prediction_are_required() -> None:
    event = {"prediction_id": "a", "model": "m", "time": TIME_US, "prediction": 3}
    [(batch, _)] = decode(event, encode_prediction(event, "avro")).batches
    assert len(batch) == 2
    for at in (0, 1):
        assert row(batch, at) == {
            "model": "m",
            "version": "",
            "ids": identity("a").hex(),
            "time_us": TIME_US,
            "prediction": 3.0,
            "latency_ms": None,
            "score": None,
            "failed": False,
            "features": {},
            "groups": {},
            "segments": {},
            "scores": {},
            "dropped": 0,
            "sample_rate": 1.0,
        }


def test_null_is_the_same_as_absent() -> None:
    nulls = dict.fromkeys(("latency_ms", "score", "scores", "features", "groups", "segments", "error"))
    [(sent, _)] = decode(prediction(**nulls)).batches
    [(absent, _)] = decode(prediction(**dict.fromkeys(nulls, ...))).batches
    assert row(sent) == row(absent)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("yes", "yes"), (True, "true"), (False, "false"), (1, 1.0), (2.5, 2.5), ("1", "1")],
)
def test_classes_are_strings_and_numbers_stay_numbers(sent: Any, expected: Any) -> None:
    for format in ("json", "avro"):
        [(batch, _)] = decode(encode_prediction(prediction(prediction=sent), format)).batches  # type: ignore[arg-type]
        assert row(batch)["prediction"] == expected
        [(labels, _)] = decode(encode_ground_truth(label(label=sent), format), topic=GROUND_TRUTH).batches  # type: ignore[arg-type]
        assert row(labels)["label"] == expected


def test_a_failed_request_has_no_prediction_whatever_was_sent() -> None:
    [(batch, _)] = decode(prediction(error="timeout"), prediction(error="timeout", prediction=...)).batches
    assert isinstance(batch, PredictionBatch)
    assert batch.failed.tolist() == [True, True]
    assert [row(batch, at)["prediction"] for at in (0, 1)] == [None, None]


def test_an_empty_error_is_no_error() -> None:
    [(batch, _)] = decode(prediction(error="")).batches
    assert isinstance(batch, PredictionBatch)
    assert batch.failed.tolist() == [False]


def test_groups_and_segments_become_strings() -> None:
    [(batch, _)] = decode(
        prediction(groups={"member": True, "band": 3}, segments={"store": 12, "region": None})
    ).batches
    assert row(batch)["groups"] == {"member": "true", "band": "3"}
    assert row(batch)["segments"] == {"store": "12", "region": None}


def test_a_retraction_needs_no_label() -> None:
    [(batch, _)] = decode(label(label=..., retracted=True), topic=GROUND_TRUTH).batches
    assert row(batch)["label"] is None
    assert row(batch)["retracted"] is True


def test_what_is_not_finite_in_an_avro_feature_counts_as_missing() -> None:
    features = {"a": math.inf, "b": math.nan, "c": 1.0}
    [(batch, _)] = decode(encode_prediction(prediction(features=features), "avro")).batches
    assert row(batch)["features"] == {"a": None, "b": None, "c": 1.0}


def test_fields_that_nobody_knows_are_ignored() -> None:
    [(batch, _)] = decode(prediction(id="x", time_us=4, extra={"deep": [1, {"er": 2}]})).batches
    assert row(batch) == EXPECTED


def test_a_sender_of_another_schema_version_is_understood() -> None:
    older = {
        "type": "record",
        "name": "io.streamgauge.Prediction",
        "fields": [
            {"name": "model", "type": "string"},
            {"name": "prediction_id", "type": "string"},
            {"name": "prediction", "type": "int"},
            {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "forgotten", "type": {"type": "array", "items": "string"}},
        ],
    }
    writer = foreign_schema(older)
    datum = {"model": "m", "prediction_id": "a", "prediction": 3, "time": TIME_US, "forgotten": ["x"]}
    sent = message(confluent(1, writer.write(datum)))
    [(batch, _)] = decode_messages(PREDICTIONS, [sent], resolve=lambda _: writer).batches
    assert row(batch)["prediction"] == 3.0


@pytest.mark.parametrize(
    "fields",
    [
        [{"name": "all", "type": {"type": "array", "items": "null"}}],
        [{"name": "none", "type": "null"}],
        [{"name": "next", "type": ["null", "io.streamgauge.Prediction"]}],
        [{"name": "a", "type": {"type": "fixed", "name": "F", "size": 0}}],
        [{"name": "a", "type": "no such type"}],
    ],
)
def test_a_schema_whose_data_can_claim_more_than_it_has_is_not_taken(fields: list[Any]) -> None:
    document = {"type": "record", "name": "io.streamgauge.Prediction", "fields": fields}
    sent = message(b"\x00\x00\x00\x00\x01\xfe\xff\xff\xff\xff\xff\xff\xff\x7f")
    result = decode_messages(PREDICTIONS, [sent], resolve=lambda _: foreign_schema(document))
    assert [error.reason for _, error in result.refused] == [Reason.UNKNOWN_SCHEMA]


def test_an_event_of_another_topic_is_refused() -> None:
    [(_, error)] = decode(AVRO, topic=GROUND_TRUTH).refused
    assert error.reason is Reason.WRONG_TYPE


def test_only_data_topics_are_decoded_here() -> None:
    with pytest.raises(ValueError, match="carries no data"):
        decode_messages("control", [])


def test_features_keep_their_kind() -> None:
    [(batch, _)] = decode(PREDICTION).batches
    assert isinstance(batch, PredictionBatch)
    assert column_kinds(batch.features) == {
        "age": "numbers",
        "income": "numbers",
        "job": "strings",
        "member": "strings",
        "balance": "numbers",
    }
