"""Metrics of River's interface, from counts and sums: their values, their intervals, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from river import metrics
from river.metrics.base import MeanMetric, MultiClassMetric, RegressionMetric
from sklearn import metrics as sk

from streamgauge.detectors.custom import CustomMetric, custom_metric, usable_metrics
from streamgauge.detectors.exact_sum import ExactSums
from streamgauge.schemas.monitor import MonitorDefinition

CLASSES = ["cat", "dog", "eel"]
pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


class Cost(MultiClassMetric):
    """A mistake costs what its true class says."""

    def __init__(self, costs, cm=None):
        super().__init__(cm)
        self.costs = costs

    def get(self):
        wrong = sum(
            self.costs[true] * self.cm[true][predicted]
            for true in self.cm.classes
            for predicted in self.cm.classes
            if true != predicted
        )
        return wrong / self.cm.total_weight


class Failing(MeanMetric, RegressionMetric):
    """Knows no negative numbers."""

    def _eval(self, y_true, y_pred):
        return math.sqrt(y_pred) - math.sqrt(y_true)


ALLOWED = {
    f"river.metrics.{kind.__name__}": kind for kind in vars(metrics).values() if isinstance(kind, type)
}
ALLOWED |= {"mine.Cost": Cost, "mine.Failing": Failing}


def matrix(counted):
    counts = np.zeros((3, 3), np.int64)
    for true, predicted in counted:
        counts[true, predicted] += 1
    return counts


def defined(path, task="multiclass", **params):
    document = {"model": "m", "task": task, "metrics": {"own": {"metric": path, "params": params}}}
    return MonitorDefinition.model_validate(document)


def made(path, task="multiclass", **params):
    return custom_metric(defined(path, task, **params), "own", ALLOWED)


@given(pairs)
def test_metrics_of_counts_are_those_of_single_pairs(counted):
    names = [(CLASSES[true], CLASSES[predicted]) for true, predicted in counted]
    for path in ("river.metrics.WeightedF1", "river.metrics.GeometricMean", "river.metrics.MacroJaccard"):
        alone = ALLOWED[path]()
        for true, predicted in names:
            alone.update(true, predicted)
        found = made(path).of_counts(matrix(counted), CLASSES, None)
        assert found.value == pytest.approx(alone.get(), abs=1e-12)
        assert found.n == len(counted)
        assert found.low is None or found.low <= found.value <= found.high


@given(pairs, st.sampled_from(CLASSES), st.sampled_from([0.5, 2.0]))
def test_two_classes_are_the_positive_one_and_the_rest(counted, positive, beta):
    true, predicted = ([CLASSES[code] == positive for code in side] for side in zip(*counted, strict=True))
    found = made("river.metrics.FBeta", beta=beta).of_counts(matrix(counted), CLASSES, positive)
    assert found.value == pytest.approx(sk.fbeta_score(true, predicted, beta=beta, zero_division=0.0))
    assert made("river.metrics.F1").of_counts(matrix(counted), CLASSES, None).value is None


@given(pairs)
def test_adjusted_mutual_information_counts_pairs_not_calls(counted):
    true, predicted = zip(*counted, strict=True)
    found = made("river.metrics.AdjustedMutualInfo").of_counts(matrix(counted), CLASSES, None)
    if len(set(true)) > 1 and len(set(predicted)) > 1:
        assert found.value == pytest.approx(sk.adjusted_mutual_info_score(true, predicted), abs=1e-9)


def test_a_metric_of_ones_own_sees_the_names_of_the_classes():
    counts = np.array([[5, 1, 0], [2, 5, 0], [0, 3, 4]])
    found = made("mine.Cost", costs={"cat": 1, "dog": 10, "eel": 100}).of_counts(counts, CLASSES, None)
    assert found.value == (1 * 1 + 2 * 10 + 3 * 100) / 20
    assert made("mine.Cost", costs={"cat": 1}).of_counts(counts, CLASSES, None).value is None


def test_nothing_labelled_is_undefined_not_nought():
    assert made("river.metrics.WeightedF1").of_counts(np.zeros((3, 3), np.int64), CLASSES, None).value is None
    assert made("river.metrics.MAE", "regression").of_sums(None, None, 0).value is None


numbers = arrays(np.float64, st.integers(1, 40), elements=st.floats(0.1, 1e3))


@given(numbers, st.randoms())
@pytest.mark.parametrize("name", ["MAE", "MSE", "RMSE", "RMSLE", "SMAPE", "MAPE"])
def test_metrics_of_numbers_are_those_of_single_pairs(name, y_true, random):
    y_pred = y_true * np.array([random.uniform(0.5, 2) for _ in y_true])
    alone = ALLOWED[f"river.metrics.{name}"]()
    for true, predicted in zip(y_true.tolist(), y_pred.tolist(), strict=True):
        alone.update(true, predicted)
    metric = made(f"river.metrics.{name}", "regression")
    values = metric.of_pairs(y_true, y_pred)
    sums = ExactSums(2)
    sums.update_many(np.stack([values, values**2]))
    found = metric.of_sums(*sums.values(), len(values))
    assert found.value == pytest.approx(alone.get(), rel=1e-9, abs=1e-12)
    assert (found.low is None) == (len(values) == 1)
    assert found.low is None or found.low <= found.value <= found.high


def test_a_metric_that_fails_for_a_pair_is_undefined():
    metric = made("mine.Failing", "regression")
    values = metric.of_pairs(np.array([4.0, -4.0]), np.array([9.0, 9.0]))
    assert values[0] == 1.0
    assert np.isnan(values[1])


REFUSED = {
    "what is not on the list": (defined("os.system", task="binary"), "os.system is not allowed"),
    "a parameter that is taken": (defined("river.metrics.F1", "binary", pos_val="x"), "for pos_val"),
    "a parameter that is missing": (defined("river.metrics.FBeta", "binary"), "does not take {}"),
    "a parameter too many": (defined("river.metrics.MAE", "regression", a=1), "does not take {'a': 1}"),
    "a metric of scores": (defined("river.metrics.ROCAUC", "binary"), "wants probabilities"),
    "a metric of numbers for classes": (defined("river.metrics.MAE", "binary"), "task binary predicts"),
    "a metric of classes for numbers": (defined("river.metrics.F1", "regression"), "regression predicts"),
    "a metric of numbers that is no mean": (defined("river.metrics.R2", "regression"), "is no MeanMetric"),
    "a report": (defined("river.metrics.ClassificationReport", "multiclass"), "gives no number"),
    "a metric of clusters": (defined("river.metrics.Silhouette", "multiclass"), "task multiclass predicts"),
}  # fmt: skip


@pytest.mark.parametrize(("definition", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_with_the_reason(definition, why):
    with pytest.raises(ValueError, match=why.replace("{", r"\{")):
        custom_metric(definition, "own", ALLOWED)
    assert usable_metrics(definition, ALLOWED) == {"own": None}


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 2_000])
@pytest.mark.parametrize("metric", [
    CustomMetric(lambda: metrics.FBeta(beta=2)),
    CustomMetric(metrics.Jaccard),
    CustomMetric(metrics.WeightedF1),
    CustomMetric(metrics.GeometricMean),
])  # fmt: skip
def test_the_interval_covers(metric, n):
    shares = np.array([[0.62, 0.08], [0.06, 0.24]])
    truth = metric.of_counts(np.rint(shares * 1e7).astype(np.int64), ["no", "yes"], "yes").value
    rng = np.random.default_rng(5)
    drawn = (rng.multinomial(n, shares.ravel()).reshape(2, 2) for _ in range(1_000))
    found = [metric.of_counts(counts, ["no", "yes"], "yes") for counts in drawn]
    assert 0.93 <= np.mean([e.low <= truth <= e.high for e in found]) <= 0.98
