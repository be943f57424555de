"""Estimates of performance before labels come: against scikit-learn, and against the labels themselves."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from streamgauge.detectors.calibration import (
    CELLS,
    cell_probabilities,
    cell_scores,
    isotonic,
    learn_calibration,
    score_cells,
)
from streamgauge.detectors.cbpe import classifier_cells, classifier_estimates, expected_correct
from streamgauge.detectors.dle import learn_error_model, regression_cells, regression_estimates
from streamgauge.detectors.evidence.account import Account
from streamgauge.detectors.evidence.gap import GapEvidence
from streamgauge.detectors.residuals import sureness
from streamgauge.schemas.estimator import ResidualProfile
from tests.examples import examples

REFERENCE, WINDOW, WINDOWS = 5_000, 500, 60
WINDOW_US = 300_000_000
MONTH_US = 30 * 86_400_000_000
METRICS = ("estimated_accuracy", "estimated_f1", "estimated_roc_auc")


@dataclass
class Sample:
    score: np.ndarray
    said: np.ndarray
    true: np.ndarray

    @property
    def cells(self):
        return classifier_cells(self.score, self.said)

    def realised(self):
        return (
            (self.said == self.true).mean(),
            sk.f1_score(self.true, self.said),
            sk.roc_auc_score(self.true, self.score),
        )

    def calibration(self):
        return learn_calibration(score_cells(self.score), self.said, self.true)


def sample(rng, n, shift=0.0, flipped=0.0, spread=3.0, moved=0.0):
    """An overconfident model of accuracy .83. Shifts move the inputs, not the concept.

    That changes where labels are `flipped`, and where the line between the classes has `moved`.
    """
    x = rng.normal(shift, 1, n) * spread
    true = (rng.random(n) < expit(x + 0.3 + moved)) ^ (rng.random(n) < flipped)
    score = expit(1.8 * x)
    return Sample(score, score > 0.5, true)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=40))
def test_pooling_adjacent_violators_is_isotonic_regression(counts):
    totals = np.array([n for _, n in counts])
    positives = np.minimum([k for k, _ in counts], totals)
    there = (
        IsotonicRegression()
        .fit(np.arange(len(totals)), positives / totals, totals)
        .predict(np.arange(len(totals)))
    )
    np.testing.assert_allclose(isotonic(positives, totals), there, atol=1e-12)


def test_a_calibration_is_that_of_scikit_learn_over_the_cells():
    reference = sample(np.random.default_rng(1), REFERENCE)
    profile = reference.calibration()
    cells = score_cells(reference.score)
    there = IsotonicRegression(out_of_bounds="clip").fit(cells, reference.true)
    assert profile.scores
    np.testing.assert_allclose(cell_probabilities(profile), there.predict(np.arange(CELLS)), atol=1e-12)


def test_a_score_in_the_middle_of_a_cell_is_in_that_cell():
    assert score_cells(cell_scores(np.arange(CELLS))).tolist() == list(range(CELLS))


def test_scores_that_are_right_as_they_are_are_left_alone():
    rng = np.random.default_rng(3)
    x = rng.normal(size=400) * 2
    said, true = x > 0, rng.random(400) < expit(x)
    profile = learn_calibration(score_cells(expit(x)), said, true)
    assert (profile.scores, profile.raw_error < profile.calibrated_error) == ((), True)
    np.testing.assert_array_equal(cell_probabilities(profile), cell_scores(np.arange(CELLS)))


@pytest.mark.parametrize("prevalence", [0.0, -4.0])
def test_estimates_are_what_all_rows_with_their_probabilities_say(prevalence):
    rng = np.random.default_rng(4)
    profile, window = sample(rng, REFERENCE, prevalence).calibration(), sample(rng, WINDOW, prevalence)
    found = classifier_estimates(np.bincount(window.cells), profile)
    cells = score_cells(window.score)
    p = cell_probabilities(profile)[cells]
    true, weight = np.repeat([1, 0], WINDOW), np.concatenate([p, 1 - p])
    twice = {"y_true": true, "sample_weight": weight}
    said = np.tile(window.said, 2)
    assert found["estimated_accuracy"].value == pytest.approx(sk.accuracy_score(y_pred=said, **twice))
    assert found["estimated_f1"].value == pytest.approx(sk.f1_score(y_pred=said, **twice))
    auc = sk.roc_auc_score(y_score=np.tile(cells, 2), **twice)
    assert found["estimated_roc_auc"].value == pytest.approx(auc)


def test_what_cannot_be_estimated_is_undefined():
    profile = sample(np.random.default_rng(5), REFERENCE).calibration()
    for estimate in classifier_estimates(np.zeros(0, np.int64), profile).values():
        assert (estimate.value, estimate.n) == (None, 0)
    for estimate in classifier_estimates(np.array([7]), profile).values():
        assert estimate.value is None or 0 <= estimate.value <= 1


def test_of_several_classes_only_accuracy_is_estimated():
    rng = np.random.default_rng(6)
    confidence = rng.uniform(0.4, 1, 6_000)
    right = rng.random(6_000) < confidence**2
    cells, everything = score_cells(confidence), np.ones(6_000, bool)
    profile = learn_calibration(cells[:5_000], everything[:5_000], right[:5_000])
    counts = np.bincount(classifier_cells(confidence[5_000:], everything[5_000:]))
    found = classifier_estimates(counts, profile, binary=False)
    assert list(found) == ["estimated_accuracy"]
    assert found["estimated_accuracy"].low < right[5_000:].mean() < found["estimated_accuracy"].high


def test_a_concept_that_changes_is_not_seen_in_the_estimate():
    """The docs say so: this is what `estimate_gap` is for."""
    rng = np.random.default_rng(7)
    profile, window = sample(rng, REFERENCE).calibration(), sample(rng, 20_000, flipped=0.3)
    estimate = classifier_estimates(np.bincount(window.cells), profile)["estimated_accuracy"]
    assert estimate.value - window.realised()[0] > 0.15


EVENT_US = WINDOW_US // WINDOW
#: Streams of the fleet and budget: as in docs/explanation/evidence.md, and those of a model of ten streams.
BUDGETS = {
    "single": (1, lambda: Account(0.05, 10_000 * EVENT_US, total_weight=1.0)),
    "one model": (10, lambda: Account(0.05, MONTH_US, total_weight=10.0)),
    "fleet": (1_000, lambda: Account(0.05, 100_000 * EVENT_US, total_weight=1_000.0)),
}


@examples(50)
@given(st.integers(0, 1_000), st.sampled_from([1, 1_000]))
def test_bets_on_a_gap_win_nothing_on_average_while_the_shortfall_is_within_tolerance(seed, streams):
    rng = np.random.default_rng(seed)
    residuals = ResidualProfile(2_000, -0.001, 0.35, -0.002, 0.15)
    expected, mix = rng.integers(0, 256, 40) / 256, rng.dirichlet(np.ones(40))
    bets = GapEvidence(expected, residuals, streams, alpha=0.05).bets
    wrong, right = np.exp(bets.log_factors[0].reshape(256, 2, -1)).transpose(1, 0, 2)
    share = residuals.n**-0.5
    z = -float(stats.norm.ppf(0.05 / (10 * 2 * streams)))
    true = expected.copy()
    true[rng.permutation(40)[:3]] -= 0.2  # as wrong as it may be, wherever the wrong predictions are
    true = np.clip(true, 0, 1)
    sure = sureness(expected)
    off = [(mix * weight * (expected - true)).sum() for weight in (np.ones(40), sure)]
    allowed = [0.001 + z * 0.35 * share, 0.002 + z * 0.15 * share]
    scale = min(1.0, *(a / o for a, o in zip(allowed, off, strict=True) if o > 0))
    true = expected + scale * (true - expected)
    levels = (expected * 256).astype(int)
    mean = (mix[:, None] * (true[:, None] * right[levels] + (1 - true[:, None]) * wrong[levels])).sum(axis=0)
    assert (mean <= 1 + 1e-9).all()


def watched(profile, budget):
    streams, account = BUDGETS[budget]
    return GapEvidence(expected_correct(profile), profile.residuals, streams, alpha=0.05), account()


def story(seed, budget, wanders, before=30, **change):
    """Windows until the gap is told (None: never), whether it was told too early, and estimate − realised."""
    rng = np.random.default_rng(seed)
    profile = sample(rng, REFERENCE).calibration()
    evidence, account = watched(profile, budget)
    misses, told, early = [], None, False
    for number in range(WINDOWS):
        changed = bool(change) and number >= before
        window = sample(rng, WINDOW, wanders * np.sin(number / 8), **(change if changed else {}))
        time_us = number * WINDOW_US + np.arange(WINDOW) * EVENT_US
        estimate = classifier_estimates(np.bincount(window.cells), profile)["estimated_accuracy"].value
        right = window.said == window.true
        evidence.update_many(window.cells, right, time_us, account.advance_many(time_us))
        alarmed = bool(evidence.take_alarms())
        if changed and alarmed:
            told = number - before + 1
            break
        early |= alarmed and not changed
        if not changed:
            misses.append(estimate - right.mean())
    return told, early, np.array(misses)


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 500, 2_000])
def test_intervals_of_estimates_hold_the_realised_values(n):
    rng, inside, runs = np.random.default_rng(n), np.zeros(3), 600
    for _ in range(runs):
        profile, window = sample(rng, REFERENCE).calibration(), sample(rng, n)
        found = classifier_estimates(np.bincount(window.cells), profile)
        inside += [
            found[metric].low <= value <= found[metric].high
            for metric, value in zip(METRICS, window.realised(), strict=True)
        ]
    print(f"\ncoverage at {n}: {dict(zip(METRICS, (inside / runs).round(3), strict=True))}")
    assert (inside / runs > 0.91).all()
    assert (inside / runs < 0.98).all()


def houses(rng, n, mean=50.0, worse=1.0):
    """A regression whose errors grow with what it predicts, in proportion."""
    prediction = rng.normal(mean, 10, n)
    return prediction, np.abs(rng.standard_t(5, n)) * np.abs(prediction) / 25 * worse


def error_model(rng):
    prediction, error = houses(rng, REFERENCE)
    edges = np.unique(np.quantile(prediction, np.arange(1, 20) / 20))
    return learn_error_model(prediction, error, tuple(edges.tolist()))


def test_errors_are_estimated_by_what_the_predictions_are():
    rng = np.random.default_rng(8)
    model, (prediction, error) = error_model(rng), houses(rng, 20_000, mean=58.0)
    counts = np.bincount(regression_cells(prediction, model.edges))
    estimate = regression_estimates(counts, model)["estimated_mean_absolute_error"]
    assert error.mean() > 1.1 * houses(rng, 20_000)[1].mean()
    assert estimate.value == pytest.approx(error.mean(), rel=0.05)


def test_an_error_model_survives_bins_without_errors_and_enormous_ones():
    model = learn_error_model(np.array([0.5, 0.6]), np.array([1e308, 1e308]), (0.0, 1.0, 2.0))
    assert model.counts == (0, 2, 0, 0)
    estimate = regression_estimates(np.array([1, 1, 1, 1]), model)["estimated_mean_absolute_error"]
    assert (estimate.value, estimate.low, estimate.high) == (1e308, None, None) or estimate.low == 1e308


@pytest.mark.slow
def test_intervals_of_estimated_errors_hold_the_realised_means():
    rng, inside, runs = np.random.default_rng(9), 0, 1_000
    for _ in range(runs):
        model, (prediction, error) = error_model(rng), houses(rng, WINDOW)
        counts = np.bincount(regression_cells(prediction, model.edges))
        estimate = regression_estimates(counts, model)["estimated_mean_absolute_error"]
        inside += estimate.low <= error.mean() <= estimate.high
    print(f"\ncoverage {inside / runs:.3f}")
    assert 0.92 < inside / runs < 0.975


@pytest.mark.slow
@pytest.mark.parametrize(("worse", "told"), [(1.0, 0.0), (1.5, 1.0)])
def test_errors_that_are_larger_than_estimated_are_told_and_others_not(worse, told):
    alarmed = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        model = error_model(rng)
        streams, account = BUDGETS["one model"][0], BUDGETS["one model"][1]()
        evidence = GapEvidence(np.array(model.shares), model.residuals, streams, alpha=0.05)
        for number in range(WINDOWS // 2):
            prediction, error = houses(rng, WINDOW, 50 + 5 * np.sin(number / 8), worse)
            cells = regression_cells(prediction, model.edges)
            time_us = number * WINDOW_US + np.arange(WINDOW) * EVENT_US
            good = error <= np.array(model.usual)[cells]
            evidence.update_many(cells, good, time_us, account.advance_many(time_us))
        alarmed += bool(evidence.take_alarms())
    print(f"\nerrors x {worse}: {alarmed} of 50 told")
    assert alarmed / 50 == told


@pytest.mark.slow
def test_errors_that_come_in_runs_raise_no_gap():
    """Wrong answers depend on each other (an AR(1) of .7 behind them), and are so often as estimated."""
    alarmed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n = REFERENCE + WINDOW * WINDOWS
        mood = np.zeros(n)
        for i, noise in enumerate(rng.normal(0, np.sqrt(1 - 0.7**2), n - 1), start=1):
            mood[i] = 0.7 * mood[i - 1] + noise
        score = np.clip(rng.beta(4, 2, n), 0.01, 0.99)
        true = stats.norm.cdf(mood) < score
        said = np.ones(n, bool)
        cells = classifier_cells(score, said)
        profile = learn_calibration(score_cells(score[:REFERENCE]), said[:REFERENCE], true[:REFERENCE])
        evidence, account = watched(profile, "single")
        time_us = np.arange(n - REFERENCE) * EVENT_US
        paid = account.advance_many(time_us)
        evidence.update_many(cells[REFERENCE:], true[REFERENCE:], time_us, paid)
        alarmed += bool(evidence.take_alarms())
    assert alarmed == 0


@pytest.mark.slow
@pytest.mark.parametrize("wanders", [True, False])
@pytest.mark.parametrize("budget", BUDGETS)
def test_estimates_are_within_two_hundredths_and_no_stream_alarms_while_the_concept_holds(budget, wanders):
    told = [story(seed, budget, wanders) for seed in range(150)]
    errors = np.array([np.abs(misses).mean() for _, _, misses in told])
    print(f"\n{budget}, {wanders}: mean absolute error {errors.mean():.4f}, worst {errors.max():.4f}")
    assert errors.max() <= 0.02
    assert not any(early for _, early, _ in told)


#: What makes accuracy fall by .07: one label in ten is wrong, or the line between the classes has moved,
#: which only predictions near it suffer from.
FLIPPED, MOVED = {"flipped": 0.105}, {"moved": 1.525}


@pytest.mark.parametrize("change", [FLIPPED, MOVED])
def test_the_changes_of_these_stories_cost_seven_hundredths_of_accuracy(change):
    before, after = (sample(np.random.default_rng(0), 400_000, **how) for how in ({}, change))
    fallen = (before.said == before.true).mean() - (after.said == after.true).mean()
    assert fallen == pytest.approx(0.07, abs=0.001)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budget", "wanders", "change", "share"),
    [
        *((budget, wanders, FLIPPED, 0.95) for budget in BUDGETS for wanders in (True, False)),
        ("one model", False, MOVED, 0.85),
        ("fleet", False, MOVED, 0.6),
    ],
)
def test_a_gap_of_seven_hundredths_is_told_within_five_windows(budget, wanders, change, share):
    """The more streams share the budget, the longer it takes."""
    told = [story(seed, budget, wanders, **change) for seed in range(1_000, 1_150)]
    windows = np.array([first or WINDOWS for first, _, _ in told])
    within = np.mean(windows <= 5)
    print(f"\n{budget}, {wanders}: median {np.median(windows)}, within 5: {within:.3f}, last {windows.max()}")
    assert within >= share
    assert not any(early for _, early, _ in told)
