"""Single events as light rows, checked while they are read: the same rules for JSON and for Avro."""

from functools import cache
from sys import float_info
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.framing import Frame, check_depth, parse_json
from streamgauge.schemas.limits import HIGHEST_GRADE, Limits
from streamgauge.schemas.registry import schema
from streamgauge.schemas.times import parse_time

Value = str | float | bool | None


class PredictionRow(msgspec.Struct, gc=False):
    """One prediction. Numbers are floats, whatever the sender wrote; once read, `time` is microseconds."""

    prediction_id: str
    model: str
    time: str | int
    version: str = ""
    latency_ms: float | None = None
    prediction: Value = None
    ranked: list[str | int] | None = None
    score: float | None = None
    scores: dict[str, float] | None = None
    features: dict[str, Value] | None = None
    groups: dict[str, str | bool | int | None] | None = None
    segments: dict[str, str | bool | int | None] | None = None
    error: str | None = None


class GroundTruthRow(msgspec.Struct, gc=False):
    """One label. Numbers are floats, whatever the sender wrote; once read, `time` is microseconds."""

    prediction_id: str
    model: str
    time: str | int
    label: Value = None
    relevance: dict[str, float] | list[str | int] | None = None
    revision: int = 0
    retracted: bool = False


def read_prediction(frame: Frame, limits: Limits) -> PredictionRow:
    """Raises `BadEvent` with every reason that a single event can have."""
    row: PredictionRow = _read(frame, "prediction", limits)
    if frame.writer is not None and row.features:  # JSON cannot hold what is not finite; Avro can
        row.features = {name: _finite(value) for name, value in row.features.items()}
    if row.error:
        row.prediction = row.ranked = None
    elif row.prediction is None and row.ranked is None:
        raise BadEvent(Reason.MISSING_FIELD, "neither prediction nor error is given")
    _check_items(row.prediction, row.ranked, "ranked")
    _complete(row, row.prediction, "prediction")
    return row


def read_ground_truth(frame: Frame, limits: Limits) -> GroundTruthRow:
    """Raises `BadEvent` with every reason that a single event can have."""
    row: GroundTruthRow = _read(frame, "ground_truth", limits)
    if row.label is None and row.relevance is None and not row.retracted:
        raise BadEvent(Reason.MISSING_FIELD, "label is null, and retracted is not set")
    _check_items(row.label, row.relevance, "relevance")
    _complete(row, row.label, "label")
    return row


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and value - value != 0 else value


def _check_items(value: Value, items: dict[str, float] | list[str | int] | None, name: str) -> None:
    if items is None:
        return
    if value is not None:
        raise BadEvent(Reason.INCONSISTENT, f"{name} is given beside another outcome")
    if isinstance(items, dict):
        if any(grade != grade for grade in items.values()):
            raise BadEvent(Reason.OUT_OF_RANGE, f"a grade in {name} is NaN")
    elif len(set(map(str, items))) < len(items):
        raise BadEvent(Reason.INCONSISTENT, f"{name} names an item twice")


def _complete(row: PredictionRow | GroundTruthRow, value: Value, name: str) -> None:
    if isinstance(value, float) and value - value != 0:
        raise BadEvent(Reason.OUT_OF_RANGE, f"{name} is {value}")
    row.time = parse_time(row.time)


def _read(frame: Frame, name: str, limits: Limits) -> Any:
    try:
        if frame.writer is not None:
            datum = schema(name).read(frame.body, frame.start, frame.writer)
            return msgspec.convert(datum, _types(limits)[name])
        if frame.data is not None:
            return msgspec.convert(frame.data, _types(limits)[name])
        row = _decoders(limits)[name].decode(frame.body)
    except msgspec.ValidationError as error:
        if frame.writer is None and frame.data is None:
            check_depth(frame.body, limits.json_depth)
        raise _refusal(str(error)) from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        parse_json(frame.body, limits)  # says it better: too deep, NaN, infinity
        raise BadEvent(Reason.UNDECODABLE, f"not JSON: {error}") from error
    check_depth(frame.body, limits.json_depth)
    return row


def _refusal(text: str) -> BadEvent:
    reason = next(reason for fragment, reason in _REASONS if fragment in text)
    if reason is Reason.WRONG_TYPE and text.endswith(_REQUIRED) and "got `null`" in text:
        reason = Reason.MISSING_FIELD
    return BadEvent(reason, _in_words(text))


def _in_words(text: str) -> str:
    """What msgspec says, with the field first as in our own words.

    >>> _in_words("Expected `float` <= 1.0 - at `$.score`")
    'score: expected float <= 1.0'
    >>> _in_words("Expected `str`, got `int` - at `$.groups[...]`"), _in_words("Expected `object`, got `int`")
    ('an entry of groups: expected str, got int', 'expected object, got int')
    """
    said, _, place = text.replace("`", "").partition(" - at $")
    field = place.removeprefix(".")
    if field.endswith("[...]"):
        field = f"an entry of {field.removesuffix('[...]')}"
    said = said[:1].lower() + said[1:]
    return f"{field}: {said}" if field else said


#: How msgspec words its errors; a test holds each to its reason. The last fits everything.
_REASONS = (
    ("missing required field", Reason.MISSING_FIELD),
    ("`str` of length >=", Reason.MISSING_FIELD),
    ("`str` of length <=", Reason.OVERSIZED),
    ("`object` of length <=", Reason.TOO_MANY_FIELDS),
    ("`array` of length <=", Reason.OVERSIZED),
    ("Number out of range", Reason.OUT_OF_RANGE),
    ("Integer value out of range", Reason.OUT_OF_RANGE),
    (">=", Reason.OUT_OF_RANGE),
    ("<=", Reason.OUT_OF_RANGE),
    ("", Reason.WRONG_TYPE),
)
_REQUIRED = ("`$.prediction_id`", "`$.model`", "`$.time`")


@cache
def _types(limits: Limits) -> dict[str, type]:
    """The row types with the limits in them, so that they are checked in C."""
    Id = Annotated[str, Meta(min_length=1, max_length=limits.id_length)]
    Name = Annotated[str, Meta(max_length=limits.id_length)]
    Text = Annotated[str, Meta(max_length=limits.string_length)]
    Share = Annotated[float, Meta(ge=0, le=1)]
    anything = Text | float | bool | None

    def mapping(value: Any, count: int) -> Any:
        return Annotated[dict[Name, value], Meta(max_length=count)] | None

    items = Annotated[list[Name | int], Meta(max_length=limits.items)]
    Grade = Annotated[float, Meta(ge=0, le=HIGHEST_GRADE)]

    identifying: list[Any] = [("prediction_id", Id), ("model", Id), ("time", Text | int)]
    prediction: list[Any] = [
        *identifying,
        ("version", Name, ""),
        ("latency_ms", Annotated[float, Meta(ge=0, le=float_info.max)] | None, None),
        ("prediction", anything, None),
        ("ranked", items | None, None),
        ("score", Share | None, None),
        ("scores", mapping(Share, limits.classes), None),
        ("features", mapping(anything, limits.features), None),
        ("groups", mapping(Text | bool | int | None, limits.groups), None),
        ("segments", mapping(Text | bool | int | None, limits.segments), None),
        ("error", str | None, None),
    ]
    revision = Annotated[int, Meta(ge=0, le=2**31 - 1)]
    ground_truth: list[Any] = [
        *identifying,
        ("label", anything, None),
        ("relevance", mapping(Grade, limits.items) | items, None),
        ("revision", revision, 0),
        ("retracted", bool, False),
    ]
    return {
        "prediction": msgspec.defstruct("Prediction", prediction, bases=(PredictionRow,), gc=False),
        "ground_truth": msgspec.defstruct("GroundTruth", ground_truth, bases=(GroundTruthRow,), gc=False),
    }


@cache
def _decoders(limits: Limits) -> dict[str, msgspec.json.Decoder[Any]]:
    return {name: msgspec.json.Decoder(row) for name, row in _types(limits).items()}
