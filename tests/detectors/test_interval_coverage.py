"""Do 95 % intervals cover in 95 %? Simulated, for every kind that the metrics use."""

import numpy as np
import pytest
from sklearn import metrics as sk

from streamgauge.detectors.classification import classification_metrics
from streamgauge.detectors.fairness import GroupCounts, fairness_metrics
from streamgauge.detectors.regression import RegressionErrors
from streamgauge.detectors.scores import ScoreHistogram
from streamgauge.detectors.sparse_counts import SparseCounts

pytestmark = pytest.mark.slow

RUNS = 400


def covered(estimates, truth):
    return np.mean([e.value is not None and e.low <= truth <= e.high for e in estimates])


def confusions(shares, n, seed):
    rng = np.random.default_rng(seed)
    k = len(shares)
    return [rng.multinomial(n, shares.ravel()).reshape(k, k) for _ in range(RUNS)]


def true_values(shares):
    big = np.rint(shares * 10_000_000).astype(int)
    return {name: e.value for name, e in classification_metrics(big, [*"abcdef"], None).items()}


BINARY = np.array([[0.62, 0.08], [0.06, 0.24]])
RARE = np.array([[0.90, 0.04], [0.02, 0.04]])
THREE = np.array([[0.35, 0.05, 0.02], [0.06, 0.25, 0.04], [0.02, 0.03, 0.18]])


@pytest.mark.parametrize("shares", [BINARY, RARE, THREE], ids=["binary", "rare", "three"])
@pytest.mark.parametrize("n", [100, 500])
def test_intervals_of_the_accuracy_family(shares, n):
    truth = true_values(shares)
    estimates = [classification_metrics(m, [*"abcdef"], None) for m in confusions(shares, n, 1)]
    for name, value in truth.items():
        defined = [e[name] for e in estimates if e[name].value is not None]
        assert len(defined) > 0.9 * RUNS
        assert 0.91 <= covered(defined, value) <= 1.0, name


@pytest.mark.parametrize("n", [100, 1_000])
def test_intervals_of_one_class(n):
    tp, fp, fn = BINARY[1, 1], BINARY[0, 1], BINARY[1, 0]
    truth = {"precision": tp / (tp + fp), "recall": tp / (tp + fn), "f1": 2 * tp / (2 * tp + fp + fn)}
    estimates = [classification_metrics(m, ["no", "yes"], "yes") for m in confusions(BINARY, n, 2)]
    for name, value in truth.items():
        assert 0.925 <= covered([e[name] for e in estimates], value) <= 1.0, name


@pytest.mark.parametrize(("n", "prevalence"), [(200, 0.5), (1_000, 0.1), (400, 0.05)])
def test_intervals_of_score_metrics(n, prevalence):
    rng = np.random.default_rng(3)

    def drawn(size):
        positive = rng.random(size) < prevalence
        logit = rng.normal(np.log(prevalence / (1 - prevalence)), 1, size) + 1.2 * positive
        return 1 / (1 + np.exp(-logit)), positive

    score, positive = drawn(400_000)
    truth = {
        "roc_auc": sk.roc_auc_score(positive, score),
        "average_precision": sk.average_precision_score(positive, score),
        "brier_score": sk.brier_score_loss(positive, score),
        "log_loss": sk.log_loss(positive, score),
    }
    estimates = []
    for _ in range(RUNS):
        histogram = ScoreHistogram()
        histogram.update_many(*drawn(n))
        estimates.append(histogram.metrics())
    for name, value in truth.items():
        assert 0.90 <= covered([e[name] for e in estimates], value) <= 1.0, name


@pytest.mark.parametrize("n", [100, 1_000])
def test_intervals_of_regression_errors(n):
    rng = np.random.default_rng(4)
    truth = {
        "mean_error": 0.1,
        "root_mean_squared_error": np.sqrt(1.01),
        "mean_absolute_error": np.abs(rng.normal(0.1, 1, 2_000_000)).mean(),
    }
    estimates = []
    for _ in range(RUNS):
        errors = RegressionErrors()
        errors.update_many(np.zeros(n) + 5, 5 + rng.normal(0.1, 1, n))
        estimates.append(errors.metrics())
    for name, value in truth.items():
        assert 0.925 <= covered([e[name] for e in estimates], value) <= 0.975, name


@pytest.mark.parametrize("rates", [[0.4, 0.4], [0.5, 0.3], [0.3] * 8, [0.2, 0.3, 0.3, 0.5]])
@pytest.mark.parametrize("n", [100, 500])
def test_intervals_of_group_differences(rates, n):
    rng = np.random.default_rng(5)
    groups = len(rates)
    estimates = []
    for _ in range(RUNS):
        counts = GroupCounts()
        selected = rng.binomial(n, rates)
        counts.predicted = SparseCounts.of_table(np.stack([n - selected, selected], axis=1))
        estimates.append(fairness_metrics(counts, [*"abcdefgh"][:groups], ["no", "yes"], "yes", 1))
    difference = [e["demographic_parity_difference"] for e in estimates]
    ratio = [e["demographic_parity_ratio"] for e in estimates]
    assert covered(difference, max(rates) - min(rates)) >= 0.93
    assert covered(ratio, min(rates) / max(rates)) >= 0.93
