"""Regression errors against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from streamgauge.detectors.regression import RegressionErrors


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_every_value_is_that_of_scikit_learn(offset):
    rng = np.random.default_rng(1)
    true = rng.normal(size=500) + offset
    pred = true + rng.normal(0.1, 0.5, size=500)
    errors = RegressionErrors()
    errors.update_many(true, pred)
    got = errors.metrics()
    assert got["mean_absolute_error"].value == pytest.approx(sk.mean_absolute_error(true, pred), rel=1e-12)
    assert got["root_mean_squared_error"].value == pytest.approx(
        sk.root_mean_squared_error(true, pred), rel=1e-12
    )
    assert got["r2"].value == pytest.approx(sk.r2_score(true, pred), rel=1e-9)
    assert got["mean_absolute_percentage_error"].value == pytest.approx(
        sk.mean_absolute_percentage_error(true, pred), rel=1e-12
    )
    assert got["mean_error"].value == pytest.approx((pred - true).mean(), rel=1e-12)
    for name in ("mean_absolute_error", "root_mean_squared_error", "mean_error"):
        assert got[name].low < got[name].value < got[name].high


NUMBERS = st.floats(-1e200, 1e200)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30)


@given(PAIRS, PAIRS)
def test_what_is_taken_back_leaves_no_trace(kept, passing):
    straight, wandering = RegressionErrors(), RegressionErrors()
    kept_array, passing_array = (np.array(p, float).reshape(-1, 2) for p in (kept, passing))
    straight.update_many(kept_array[:, 0], kept_array[:, 1])
    both = np.concatenate([passing_array, kept_array])[::-1]
    wandering.update_many(both[:, 0], both[:, 1])
    wandering.subtract_many(passing_array[:, 0], passing_array[:, 1])
    assert wandering.to_state() == straight.to_state()
    assert wandering.metrics() == straight.metrics()


def test_what_is_undefined_is_none():
    errors = RegressionErrors()
    assert all(e.value is None for e in errors.metrics().values())
    errors.update_many(np.array([0.0, 0.0, np.nan]), np.array([1.0, 2.0, 1.0]))
    got = errors.metrics()
    assert errors.n == 2
    assert got["r2"].value is None
    assert got["mean_absolute_percentage_error"].value is None
    assert got["mean_error"].value == 1.5
