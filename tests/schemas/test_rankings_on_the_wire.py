"""Rankings and relevance in every encoding, what is refused of them, and what was written before them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamgauge.schemas.encode import encode_ground_truth, encode_prediction
from streamgauge.schemas.errors import Reason
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.merge import merge_batches, mergeable, take_rows
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.registry import schema
from tests.schemas.contract_events import (
    as_lists,
    decode,
    encoded,
    ground_truth_batch,
    label,
    prediction,
    prediction_batch,
    topic_of,
)

RANKED = ItemLists.of([["a", "b"], [], ["b", "c", "a"]])
GRADED = ItemLists.graded([{"a": 2.0}, None, ["b", "z"]])


def ranking(**changes: Any) -> dict[str, Any]:
    return prediction(**{"prediction": ..., "score": ..., "scores": ..., "ranked": ["a", 7], **changes})


def relevance(given: Any, **changes: Any) -> dict[str, Any]:
    return label(**{"label": ..., "relevance": given, **changes})


@pytest.mark.parametrize("format", ["json", "avro"])
def test_single_rankings_are_read(format: Any) -> None:
    events = [ranking(), ranking(ranked=[]), ranking(ranked=..., error="timeout")]
    [(batch, _)] = decode(*(encode_prediction(event, format) for event in events)).batches
    assert as_lists(batch)["prediction"] == [["a", "7"], [], None]
    labels = [relevance({"a": 2, "x": 0.5}), relevance(["b", 3]), relevance(..., retracted=True)]
    [(batch, _)] = decode(*(encode_ground_truth(e, format) for e in labels), topic=GROUND_TRUTH).batches
    assert as_lists(batch)["label"] == [{"a": 2.0, "x": 0.5}, {"b": 1.0, "3": 1.0}, None]


@pytest.mark.parametrize(
    "batch",
    [
        prediction_batch(prediction=RANKED),
        prediction_batch(
            prediction=ItemLists.of([["a"], None, ["b"]]), failed=np.array([False, True, False])
        ),
        ground_truth_batch(label=GRADED),
    ],
)
def test_columns_of_lists_come_back_as_they_were_sent(batch: Any) -> None:
    [(found, _)] = decode(encoded(batch), topic=topic_of(batch)).batches
    assert as_lists(found) == as_lists(batch)


def test_columns_of_lists_are_joined_and_cut_by_rows() -> None:
    one, other = prediction_batch(prediction=RANKED), prediction_batch(prediction=ItemLists.of([["c"]] * 3))
    assert mergeable(one, other)
    assert not mergeable(one, prediction_batch())
    both = merge_batches([one, other])
    assert both.prediction.to_list() == [["a", "b"], [], ["b", "c", "a"], ["c"], ["c"], ["c"]]
    kept = take_rows(both, np.array([True, False, True, False, False, True]))
    assert kept.prediction.to_list() == [["a", "b"], ["b", "c", "a"], ["c"]]


def test_rankings_and_classes_of_one_model_do_not_share_a_batch() -> None:
    found = decode(ranking(), prediction(), ranking(), prediction(prediction=1.5)).batches
    assert [type(batch.prediction).__name__ for batch, _ in found] == [
        "ItemLists", "Categories", "ItemLists", "ndarray",
    ]  # fmt: skip


REFUSED: dict[str, tuple[dict[str, Any], Reason]] = {
    "an item twice": (ranking(ranked=["a", "b", "a"]), Reason.INCONSISTENT),
    "a text and a number that are one item": (ranking(ranked=["7", 7]), Reason.INCONSISTENT),
    "too many items": (ranking(ranked=list(range(1_001))), Reason.OVERSIZED),
    "a long item": (ranking(ranked=["x" * 257]), Reason.OVERSIZED),
    "an item that is no name": (ranking(ranked=[None]), Reason.WRONG_TYPE),
    "an item with a fraction": (ranking(ranked=[1.5]), Reason.WRONG_TYPE),
    "a text": (ranking(ranked="abc"), Reason.WRONG_TYPE),
    "a class beside it": (ranking(prediction="yes"), Reason.INCONSISTENT),
    "neither": (ranking(ranked=None), Reason.MISSING_FIELD),
    "a negative grade": (relevance({"a": -1}), Reason.OUT_OF_RANGE),
    "a grade beyond a million": (relevance({"a": 1e7}), Reason.OUT_OF_RANGE),
    "no grade": (relevance({"a": None}), Reason.WRONG_TYPE),
    "too many graded": (relevance({str(i): 1 for i in range(1_001)}), Reason.TOO_MANY_FIELDS),
    "too many relevant": (relevance([str(i) for i in range(1_001)]), Reason.OVERSIZED),
    "relevant twice": (relevance(["a", "a"]), Reason.INCONSISTENT),
    "a label beside it": (relevance(["a"], label="yes"), Reason.INCONSISTENT),
}


@pytest.mark.parametrize(("event", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_ranking_is_refused_with_its_reason(event: dict[str, Any], reason: Reason) -> None:
    topic = GROUND_TRUTH if "relevance" in event else PREDICTIONS
    result = decode(event, topic=topic)
    assert result.batches == []
    assert [error.reason for _, error in result.refused] == [reason]


def column(**changes: Any) -> dict[str, Any]:
    """A columnar message of two events with ["a", "b"] and ["b"], with other content."""
    good = {
        "offsets": np.array([0, 2, 3], "<i4").tobytes(),
        "codes": np.array([0, 1, 1], "<i4").tobytes(),
        "values": ["a", "b"],
    }
    times = np.full(2, 1_795_255_200_000_000, "<i8").tobytes()
    return {"model": "m", "ids": bytes(32), "time_us": times, "prediction": good | changes}


def read(datum: dict[str, Any]) -> Any:
    return decode(schema("prediction_batch").write(datum))


def test_the_column_of_this_test_is_good() -> None:
    [(batch, _)] = read(column()).batches
    assert as_lists(batch)["prediction"] == [["a", "b"], ["b"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"offsets": b""},
        {"offsets": b"\0" * 5},
        {"offsets": np.array([0, 2], "<i4").tobytes()},
        {"offsets": np.array([0, 2, 4], "<i4").tobytes()},
        {"offsets": np.array([1, 2, 3], "<i4").tobytes()},
        {"offsets": np.array([0, -1, 3], "<i4").tobytes()},
        {"offsets": np.array([0, 5, 3], "<i4").tobytes()},
        {"codes": b"\0" * 11},
        {"codes": np.array([0, 1, 2], "<i4").tobytes()},
        {"codes": np.array([0, 1, -1], "<i4").tobytes()},
        {"values": ["a", "a"]},
    ],
)
def test_a_column_that_does_not_hold_together_refuses_its_message(wrong: dict[str, Any]) -> None:
    result = read(column(**wrong))
    assert (result.batches, result.refused_rows) == ([], 2)
    assert [error.reason for _, error in result.refused] == [Reason.INCONSISTENT]


def test_a_row_that_names_an_item_twice_refuses_only_itself() -> None:
    result = read(column(codes=np.array([1, 1, 0], "<i4").tobytes()))
    assert [as_lists(batch)["prediction"] for batch, _ in result.batches] == [[["a"]]]
    assert [error.reason for _, error in result.refused] == [Reason.INCONSISTENT]


@pytest.mark.parametrize("name", ["prediction", "prediction_batch", "ground_truth", "ground_truth_batch"])
def test_what_was_written_before_there_were_rankings_is_still_read(name: str) -> None:
    topic = PREDICTIONS if name.startswith("prediction") else GROUND_TRUTH
    here = Path(__file__).parent
    [(old, _)] = decode((here / "golden_0.1.0" / f"{name}.avro").read_bytes(), topic=topic).batches
    [(new, _)] = decode((here / "golden" / f"{name}.avro").read_bytes(), topic=topic).batches
    assert as_lists(old) == as_lists(new)
