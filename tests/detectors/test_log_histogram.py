"""Quantiles within one percent, and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.detectors.log_histogram import LARGEST, SMALLEST, LogHistogram


@given(
    st.lists(st.floats(SMALLEST * 1.01, LARGEST), min_size=1, max_size=200),
    st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 1.0]),
)
def test_every_quantile_is_within_one_percent(values, q):
    histogram = LogHistogram()
    histogram.update_many(np.array(values))
    expected = np.quantile(values, q, method="lower")
    assert histogram.quantile(q) == pytest.approx(expected, rel=0.0101)


def test_zeros_negatives_and_missing_values():
    histogram = LogHistogram()
    histogram.update_many(np.array([0.0, -5.0, np.nan, np.inf, 1e-9, 10.0]))
    assert histogram.n == 4
    assert histogram.quantile(0.5) == 0.0
    assert histogram.quantile(1.0) == pytest.approx(10.0, rel=0.01)


def test_nothing_counted_has_no_quantile():
    assert LogHistogram().quantile(0.5) is None
    assert LogHistogram().estimate(0.99).value is None


def test_the_interval_of_a_quantile_covers_it():
    rng = np.random.default_rng(1)
    covered = dict.fromkeys((0.5, 0.9), 0)
    for _ in range(400):
        histogram = LogHistogram()
        histogram.update_many(rng.lognormal(3, 0.5, 200))
        for q in covered:
            estimate = histogram.estimate(q)
            truth = np.exp(3 + 0.5 * {0.5: 0.0, 0.9: 1.2815515655}[q])
            covered[q] += estimate.low / 1.01 <= truth <= estimate.high * 1.01
    assert all(count / 400 > 0.93 for count in covered.values())


def test_where_too_few_lie_beyond_a_quantile_there_is_no_upper_bound():
    histogram = LogHistogram()
    histogram.update_many(np.arange(1.0, 101.0))
    estimate = histogram.estimate(0.99)
    assert estimate.high is None
    assert estimate.low < estimate.value
