"""The demo's training job: what it learns, what it refuses, and that a file carries the model whole."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import linear_model, preprocessing

from streamgauge.clients.training_data import TrainingData
from streamgauge.demo.scoring import LinearModel
from streamgauge.demo.trainer import refusal, verdict
from streamgauge.demo.training import FEWEST, train
from streamgauge.schemas.batch import Categories, Outcome

N = 1_200


def _data(
    label: Outcome, prediction: Outcome, **features: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> TrainingData:
    n = len(label)
    ids = np.array([b"%016d" % number for number in range(n)], "S16")
    return TrainingData(ids, np.arange(n), prediction, np.full(n, np.nan), label, features, {}, {})


def _classes(positive: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Categories:
    return Categories(positive.astype(np.int32), ("legitimate", "phishing"))


rows = st.dictionaries(st.sampled_from("abc"), st.floats(-50, 50), min_size=1)


@given(st.lists(st.tuples(rows, st.booleans()), max_size=20), rows)
def test_a_model_out_of_a_file_answers_as_river_does(learned, asked):  # type: ignore[no-untyped-def]
    classifier = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    regressor = preprocessing.StandardScaler() | linear_model.LinearRegression(intercept_lr=0.1)
    for row, answer in learned:
        classifier.learn_one(row, answer)
        regressor.learn_one(row, float(answer))
    ours = [
        LinearModel(**json.loads(json.dumps(LinearModel.of(p).to_json()))) for p in (classifier, regressor)
    ]
    expected = classifier.predict_proba_one(asked)[True]
    assert ours[0].predict_proba_one(asked)[True] == pytest.approx(expected, abs=1e-9)
    assert ours[1].predict_one(asked) == pytest.approx(regressor.predict_one(asked), abs=1e-6, rel=1e-9)


@pytest.mark.parametrize("drifted", [150, 500, N])
def test_it_learns_a_world_that_has_changed_only_lately(drifted: int) -> None:
    x = np.random.default_rng(3).standard_normal(N)
    turned = np.arange(N) >= N - drifted
    data = _data(_classes((x > 0) ^ turned), _classes(x > 0), x=x)
    candidate = train("phishing", data)
    assert candidate.error < 0.3 < candidate.served
    assert verdict("phishing", data)[0] == candidate


def test_a_regression_is_judged_by_its_mean_absolute_error() -> None:
    x = np.random.default_rng(4).standard_normal(N)
    candidate = train("approval", _data(40 + 2 * x, 37 + 2 * x, x=x))
    assert candidate.measure == "mean absolute error"
    assert candidate.error < 1.0 < candidate.served == pytest.approx(3.0)


def test_what_is_no_better_than_what_is_served_is_not_deployed() -> None:
    x = np.random.default_rng(5).standard_normal(N)
    candidate, said = verdict("phishing", _data(_classes(x > 0), _classes(x > 0), x=x))
    assert candidate is None
    assert "0.00 was served" in said


def test_too_few_rows_are_not_learned_from() -> None:
    x = np.ones(FEWEST - 1)
    assert verdict("phishing", _data(_classes(x > 0), _classes(x > 0), x=x))[0] is None


def test_where_inputs_moved_nothing_is_learned() -> None:
    drifted = {"reasons": [{"monitor": "concept_drift"}, {"monitor": "drift"}], "features": ["ipsos"]}
    assert str(refusal(drifted)).startswith("ipsos is not what it was")
    assert refusal({"reasons": [{"monitor": "concept_drift"}], "features": ["ipsos"]}) is None
