"""A run of single events becomes batches whose cut never shows."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from tests.schemas.contract_events import decode, encoded, label, message, prediction, prediction_batch, row


def test_events_of_one_version_share_a_batch_and_others_do_not() -> None:
    result = decode(prediction(), prediction(version="8"), prediction(), prediction(model="other"))
    assert [(batch.model, offsets.tolist()) for batch, offsets in result.batches] == [
        ("credit", [0, 2]),
        ("credit", [1]),
        ("other", [3]),
    ]


def test_a_feature_that_turns_from_number_to_string_starts_a_new_batch() -> None:
    values = [1, None, 2, "x", None, "y", 3]
    result = decode(*(prediction(features={"a": value}) for value in values))
    assert [offsets.tolist() for _, offsets in result.batches] == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_prediction_that_turns_from_number_to_class_starts_a_new_batch() -> None:
    result = decode(prediction(prediction=1), prediction(prediction=1.5), prediction(prediction="1"))
    assert [len(batch) for batch, _ in result.batches] == [2, 1]


def test_an_absent_feature_is_missing() -> None:
    [(batch, _)] = decode(prediction(features={"a": 1}), prediction(features={"b": "x"})).batches
    assert row(batch, 0)["features"] == {"a": 1.0, "b": None}
    assert row(batch, 1)["features"] == {"a": None, "b": "x"}


def test_a_columnar_message_keeps_its_place_among_single_events() -> None:
    result = decode(prediction(), encoded(prediction_batch(5)), prediction())
    assert [offsets.tolist() for _, offsets in result.batches] == [[0], [1] * 5, [2]]


def test_rows_that_share_no_features_cannot_make_a_giant_batch() -> None:
    wide = [prediction(features={f"{i}-{j}": j for j in range(1_000)}) for i in range(8)]
    batches = [batch for batch, _ in decode(*wide).batches]
    assert [len(batch) for batch in batches] == [2, 2, 2, 2]
    widest = prediction(features={f"{j}": j for j in range(1_000)})
    assert [len(batch) for batch, _ in decode(widest, widest).batches] == [2]


EVENTS = st.builds(
    lambda **fields: prediction(scores=..., **fields),
    prediction_id=st.sampled_from("abcdef"),
    model=st.sampled_from(["m", "n"]),
    version=st.sampled_from(["1", "2"]),
    prediction=st.sampled_from([1, "x", True]),
    features=st.dictionaries(st.sampled_from("xyz"), st.sampled_from([None, 1, 2.5, "s", False]), max_size=3),
    groups=st.sampled_from([{}, {"sex": "f"}, {"sex": None}]),
)


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    """An event without what is missing: null and absent are the same."""
    return {
        name: {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
        for name, value in fields.items()
    }


@given(st.lists(EVENTS, max_size=20), st.randoms(use_true_random=False))
def test_however_a_run_is_cut_each_version_sees_the_same_events_in_the_same_order(
    events: list[dict[str, Any]], rng: random.Random
) -> None:
    messages = [message(event, PREDICTIONS, offset) for offset, event in enumerate(events)]

    def seen(cuts: list[int]) -> dict[Any, list[Any]]:
        lanes: dict[Any, list[Any]] = {}
        for start, end in zip([0, *cuts], [*cuts, len(messages)], strict=True):
            for batch, offsets in decode_messages(PREDICTIONS, messages[start:end]).batches:
                assert start <= offsets[0] <= offsets[-1] < end
                assert len(offsets) == len(batch)
                rows = [_known(row(batch, at)) for at in range(len(batch))]
                lanes.setdefault((batch.model, rows[0]["version"]), []).extend(rows)
        return lanes

    cuts = sorted(rng.sample(range(len(messages) + 1), k=min(3, len(messages))))
    assert seen(cuts) == seen([]) == seen(list(range(1, len(messages))))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([1, "x", None])), max_size=12))
def test_labels_keep_their_order_within_a_model(labels: list[tuple[str, Any]]) -> None:
    events = [label(model=m, label=v, retracted=v is None, revision=i) for i, (m, v) in enumerate(labels)]
    revisions: dict[str, list[int]] = {}
    for batch, _ in decode(*events, topic=GROUND_TRUTH).batches:
        revisions.setdefault(batch.model, []).extend(row(batch, at)["revision"] for at in range(len(batch)))
    for found in revisions.values():
        assert found == sorted(found)
    assert sum(map(len, revisions.values())) == len(labels)
