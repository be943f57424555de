"""Score metrics against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from streamgauge.detectors.checks import same
from streamgauge.detectors.score_counts import ScoreCounts
from streamgauge.detectors.scores import ScoreHistogram


def stream(prevalence, n, seed, shift=1.4):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < prevalence
    logit = rng.normal(np.log(prevalence / (1 - prevalence)), 1.0, n) + shift * positive
    return 1 / (1 + np.exp(-logit)), positive


@pytest.mark.parametrize(("prevalence", "n"), [(0.5, 2_000), (0.02, 20_000), (0.002, 50_000), (0.3, 1_000)])
def test_curves_come_within_two_thousandths_and_losses_exactly(prevalence, n):
    score, positive = stream(prevalence, n, seed=3)
    histogram = ScoreHistogram()
    histogram.update_many(score, positive)
    got = histogram.metrics()
    assert got["roc_auc"].value == pytest.approx(sk.roc_auc_score(positive, score), abs=0.002)
    assert got["average_precision"].value == pytest.approx(
        sk.average_precision_score(positive, score), abs=0.002
    )
    assert got["brier_score"].value == pytest.approx(sk.brier_score_loss(positive, score), rel=1e-12)
    assert got["log_loss"].value == pytest.approx(sk.log_loss(positive, score), rel=1e-12)
    for name in ("roc_auc", "average_precision", "brier_score", "log_loss"):
        assert got[name].low < got[name].value < got[name].high
        assert got[name].n == n


def test_calibration_error_is_the_weighted_gap_of_ten_equal_bins():
    score, positive = stream(0.4, 3_000, seed=5)
    histogram = ScoreHistogram()
    histogram.update_many(score, positive)
    bins = np.minimum((score * 10).astype(int), 9)
    gaps = [abs(positive[bins == b].sum() - score[bins == b].sum()) for b in range(10)]
    assert histogram.metrics()["expected_calibration_error"].value == pytest.approx(sum(gaps) / 3_000)


def test_one_class_alone_has_no_curve_but_has_losses():
    histogram = ScoreHistogram()
    histogram.update_many(np.array([0.2, 0.9, 0.0, 1.0]), np.array([True] * 4))
    got = histogram.metrics()
    assert got["roc_auc"].value is None
    assert got["average_precision"].value is None
    assert got["log_loss"].value == pytest.approx(sk.log_loss([1] * 4, [0.2, 0.9, 0.0, 1.0], labels=[0, 1]))


def test_perfect_scores_have_an_interval_below_one():
    histogram = ScoreHistogram()
    histogram.update_many(np.array([0.1] * 60 + [0.9] * 60), np.array([False] * 60 + [True] * 60))
    auc = histogram.metrics()["roc_auc"]
    assert auc.value == auc.high == 1.0
    assert 0.9 < auc.low < 1.0


@pytest.mark.parametrize("n", [2, 10, 50, 300])
def test_in_small_windows_curves_are_those_of_scikit_learn(n):
    for seed in range(30):
        score, positive = stream(0.4, n, seed)
        score = score.round(2) if seed % 2 else score  # with ties
        if 0 < positive.sum() < n:
            histogram = ScoreHistogram(exact=True)
            histogram.update_many(score, positive)
            got = histogram.metrics()
            assert got["roc_auc"].value == pytest.approx(sk.roc_auc_score(positive, score))
            assert got["average_precision"].value == pytest.approx(
                sk.average_precision_score(positive, score)
            )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1_000), st.integers(0, 200), st.integers(0, 200))
def test_what_is_binned_at_any_time_is_as_if_it_had_been_from_the_beginning(seed, at, back):
    score, positive = stream(0.4, 200, seed)
    binned, later = ScoreHistogram(), ScoreHistogram(exact=True)
    binned.update_many(score, positive)
    later.update_many(score[:at], positive[:at])
    later.subtract_many(score[: min(at, back)], positive[: min(at, back)])
    later.bin()
    later.update_many(score[at:], positive[at:])
    later.update_many(score[: min(at, back)], positive[: min(at, back)])
    assert same(later.to_state(), binned.to_state())
    exact = ScoreHistogram(exact=True)
    exact.update_many(score[:at], positive[:at])
    rest = ScoreHistogram()
    rest.update_many(score[at:], positive[at:])
    for one, other in ((exact, rest), (rest, exact)):
        both = ScoreHistogram.from_state(one.to_state())
        both.merge(other)
        assert same(both.to_state(), binned.to_state())


def test_what_a_few_scores_take_is_little():
    counts = ScoreCounts()
    counts.update_many(*stream(0.4, 20, seed=1))
    assert sum(value.nbytes for value in counts.to_state().values() if hasattr(value, "nbytes")) <= 20 * 16
