"""Columnar messages arrive as they were sent; a bad column refuses the message, a bad row only itself."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamgauge.schemas.batch import ID_DTYPE, Categories, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.decode import DecodeResult
from streamgauge.schemas.errors import Reason
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.registry import schema
from streamgauge.schemas.times import EARLIEST_US, LATEST_US
from tests.schemas.contract_events import (
    as_lists,
    decode,
    encoded,
    ground_truth_batch,
    prediction_batch,
    row,
    topic_of,
)

YEAR_3000_US = 32_503_680_000_000_000


def arrive(batch: PredictionBatch | GroundTruthBatch) -> DecodeResult:
    return decode(encoded(batch), topic=topic_of(batch))


def at(values: Any, position: int, value: Any) -> Any:
    """A column with one cell changed."""
    changed = np.array(values)
    changed[position] = value
    return changed


@pytest.mark.parametrize("batch", [prediction_batch(), ground_truth_batch(), prediction_batch(500)])
def test_what_is_sent_is_what_arrives(batch: PredictionBatch | GroundTruthBatch) -> None:
    result = arrive(batch)
    [(found, _)] = result.batches
    assert result.refused == []
    assert as_lists(found) == as_lists(batch)


NAMES = st.text("abcé☃", max_size=4)
NUMBERS = st.floats(allow_nan=True, allow_infinity=False)
SHARES = st.one_of(st.floats(0, 1), st.just(float("nan")))


@st.composite
def prediction_batches(draw: st.DrawFn) -> PredictionBatch:
    n = draw(st.integers(1, 5))

    def floats(elements: st.SearchStrategy[float]) -> Any:
        return draw(arrays(np.float64, n, elements=elements))

    def strings(gap: bool = True) -> Categories:
        some = st.text("abé☃", max_size=3)
        return Categories.of(draw(st.lists(st.none() | some if gap else some, min_size=n, max_size=n)))

    def named(make: Any) -> dict[str, Any]:
        return {name: make() for name in draw(st.sets(NAMES, max_size=2))}

    failed = draw(arrays(np.bool_, n))
    if draw(st.booleans()):
        prediction: Any = np.where(failed, np.nan, floats(st.floats(-1e9, 1e9)))
    else:
        classes = strings(gap=False)
        prediction = Categories(np.where(failed, np.int32(-1), classes.codes), classes.values)
    return PredictionBatch(
        model=draw(st.text("mñ☃", min_size=1, max_size=5)),
        version=draw(NAMES),
        ids=np.frombuffer(draw(st.binary(min_size=16 * n, max_size=16 * n)), ID_DTYPE),
        time_us=draw(arrays(np.int64, n, elements=st.integers(EARLIEST_US, LATEST_US - 1))),
        prediction=prediction,
        latency_ms=floats(st.one_of(st.floats(0, 1e9), st.just(float("nan")))),
        score=floats(SHARES),
        failed=failed,
        features=named(lambda: floats(NUMBERS) if draw(st.booleans()) else strings()),
        groups=named(strings),
        segments=named(strings),
        scores=named(lambda: floats(SHARES)),
        dropped=draw(st.integers(0, 2**62)),
        sample_rate=draw(st.floats(0, 1, exclude_min=True)),
    )


@given(prediction_batches())
def test_any_batch_comes_back_as_it_was(batch: PredictionBatch) -> None:
    result = arrive(batch)
    assert result.refused == []
    assert as_lists(result.batches[0][0]) == as_lists(batch)


GOOD = prediction_batch()
BAD_ROWS = {
    "negative latency": ({"latency_ms": at(GOOD.latency_ms, 1, -3.0)}, Reason.OUT_OF_RANGE),
    "infinite latency": ({"latency_ms": at(GOOD.latency_ms, 1, np.inf)}, Reason.OUT_OF_RANGE),
    "score above 1": ({"score": at(GOOD.score, 1, 1.5)}, Reason.OUT_OF_RANGE),
    "infinite score": ({"score": at(GOOD.score, 1, -np.inf)}, Reason.OUT_OF_RANGE),
    "score of a class below 0": ({"scores": {"a": at(GOOD.score, 1, -0.5)}}, Reason.OUT_OF_RANGE),
    "time in year 3000": ({"time_us": at(GOOD.time_us, 1, YEAR_3000_US)}, Reason.OUT_OF_RANGE),
    "time in seconds": ({"time_us": at(GOOD.time_us, 1, 1_795_255_200)}, Reason.OUT_OF_RANGE),
    "infinite prediction": ({"prediction": np.array([1.0, np.inf, 2.0])}, Reason.OUT_OF_RANGE),
    "no prediction": ({"prediction": np.array([1.0, np.nan, 2.0])}, Reason.MISSING_FIELD),
    "no class": ({"prediction": Categories.of(["a", None, "b"])}, Reason.MISSING_FIELD),
}


@pytest.mark.parametrize(("changes", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_refused_and_the_rest_applies(changes: dict[str, Any], reason: Reason) -> None:
    batch = prediction_batch(**changes)
    result = arrive(batch)
    [(found, _)] = result.batches
    assert [row(found, 0), row(found, 1)] == [row(batch, 0), row(batch, 2)]
    assert len(found) == 2
    [(_, error)] = result.refused
    assert error.reason is reason
    assert error.detail.endswith("in 1 of 3 rows: 1")
    assert result.refused_rows == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time_us": at(GOOD.time_us, 1, 0)}, Reason.OUT_OF_RANGE),
        ({"revision": np.array([0, -1, 0], np.int32)}, Reason.OUT_OF_RANGE),
        ({"label": np.array([1.0, np.inf, 2.0])}, Reason.OUT_OF_RANGE),
        ({"retracted": np.zeros(3, np.bool_)}, Reason.MISSING_FIELD),
    ],
)
def test_a_bad_label_is_refused_and_the_rest_applies(changes: dict[str, Any], reason: Reason) -> None:
    batch = ground_truth_batch(**changes)
    result = arrive(batch)
    [(found, _)] = result.batches
    assert [row(found, 0), row(found, 1)] == [row(batch, 0), row(batch, 2)]
    assert [error.reason for _, error in result.refused] == [reason]


def test_a_row_with_two_faults_is_refused_once() -> None:
    batch = prediction_batch(latency_ms=np.array([1.0, -1.0, -1.0]), score=np.array([0.5, 2.0, 0.5]))
    result = arrive(batch)
    assert [(error.reason, error.detail) for _, error in result.refused] == [
        (Reason.OUT_OF_RANGE, "latency_ms is negative or infinite in 2 of 3 rows: 1, 2")
    ]
    assert result.refused_rows == 2


def test_a_message_of_only_bad_rows_leaves_no_batch_and_names_the_first_twenty() -> None:
    result = arrive(prediction_batch(30, latency_ms=np.full(30, -1.0)))
    assert result.batches == []
    assert result.refused_rows == 30
    [(_, error)] = result.refused
    assert error.detail.endswith("18, 19, …")


def test_infinite_features_count_as_missing() -> None:
    result = arrive(prediction_batch(features={"a": np.array([1.0, np.inf, -np.inf]), "b": np.ones(3)}))
    [(found, _)] = result.batches
    assert as_lists(found)["features"] == {"a": [1.0, None, None], "b": [1.0, 1.0, 1.0]}


@pytest.mark.parametrize(
    ("prediction", "left"),
    [(Categories.of(["a", "b", "c"]), ["a", None, "c"]), (np.array([1.0, 2.0, 3.0]), [1.0, None, 3.0])],
)
def test_a_failed_row_has_no_prediction_whatever_was_sent(prediction: Any, left: Any) -> None:
    [(found, _)] = arrive(prediction_batch(prediction=prediction, failed=np.arange(3) == 1)).batches
    assert as_lists(found)["prediction"] == left


def datum(**changes: Any) -> bytes:
    """A columnar message as a careless sender would write it."""
    base = {
        "model": "m",
        "version": "",
        "ids": bytes(range(32)),
        "time_us": GOOD.time_us[:2].tobytes(),
        "prediction": np.ones(2).tobytes(),
        "latency_ms": None,
        "score": None,
        "failed": None,
        "features": {},
        "groups": {},
        "segments": {},
        "scores": {},
        "dropped": 0,
        "sample_rate": 1.0,
    }
    return schema("prediction_batch").write(base | changes)


def codes(*values: int) -> bytes:
    return np.array(values, np.int32).tobytes()


BAD_COLUMNS: dict[str, tuple[dict[str, Any], Reason, int]] = {
    "no events": ({"ids": b""}, Reason.INCONSISTENT, 1),
    "half an id": ({"ids": bytes(24)}, Reason.INCONSISTENT, 1),
    "too few times": ({"time_us": bytes(8)}, Reason.INCONSISTENT, 2),
    "too many predictions": ({"prediction": bytes(24)}, Reason.INCONSISTENT, 2),
    "short feature": ({"features": {"a": bytes(16), "b": bytes(15)}}, Reason.INCONSISTENT, 2),
    "short class score": ({"scores": {"a": bytes(8)}}, Reason.INCONSISTENT, 2),
    "code beyond its values": (
        {"groups": {"g": {"codes": codes(0, 1), "values": ["f"]}}},
        Reason.INCONSISTENT,
        2,
    ),
    "code below -1": ({"groups": {"g": {"codes": codes(0, -2), "values": ["f"]}}}, Reason.INCONSISTENT, 2),
    "value twice": ({"groups": {"g": {"codes": codes(0, 1), "values": ["f", "f"]}}}, Reason.INCONSISTENT, 2),
    "flag of 2": ({"failed": b"\x00\x02"}, Reason.INCONSISTENT, 2),
    "no model": ({"model": ""}, Reason.MISSING_FIELD, 2),
    "long model": ({"model": "m" * 257}, Reason.OVERSIZED, 2),
    "long feature name": ({"features": {"f" * 257: bytes(16)}}, Reason.OVERSIZED, 2),
    "long value": ({"segments": {"s": {"codes": codes(0, 0), "values": ["v" * 1025]}}}, Reason.OVERSIZED, 2),
    "too many groups": (
        {"groups": {str(i): {"codes": codes(0, 0), "values": ["f"]} for i in range(51)}},
        Reason.TOO_MANY_FIELDS,
        2,
    ),
    "too many features": ({"features": {str(i): bytes(16) for i in range(1001)}}, Reason.TOO_MANY_FIELDS, 2),
    "sample rate of 0": ({"sample_rate": 0.0}, Reason.OUT_OF_RANGE, 2),
    "sample rate that is NaN": ({"sample_rate": float("nan")}, Reason.OUT_OF_RANGE, 2),
    "negative drops": ({"dropped": -1}, Reason.OUT_OF_RANGE, 2),
}


@pytest.mark.parametrize(("changes", "reason", "events"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_a_bad_column_refuses_the_message_and_counts_its_events(
    changes: dict[str, Any], reason: Reason, events: int
) -> None:
    result = decode(datum(**changes), datum())
    assert [error.reason for _, error in result.refused] == [reason]
    assert result.refused_rows == events
    assert [len(batch) for batch, _ in result.batches] == [2]


def test_more_events_than_the_limit_are_refused() -> None:
    result = arrive(prediction_batch(DEFAULT.events + 1, features={}, groups={}, segments={}, scores={}))
    assert [error.reason for _, error in result.refused] == [Reason.OVERSIZED]
    assert result.refused_rows == DEFAULT.events + 1
