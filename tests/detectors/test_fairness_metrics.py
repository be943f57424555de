"""Group fairness against fairlearn."""

import numpy as np
import pytest
from fairlearn import metrics as fl
from sklearn.metrics import precision_score

from streamgauge.detectors.checks import same
from streamgauge.detectors.fairness import GroupCounts, GroupRates, fairness_metrics

GROUPS = ["b", "a", "c"]
CLASSES = ["yes", "no", "maybe"]


def drawn(seed, n=900):
    rng = np.random.default_rng(seed)
    group = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    true = rng.choice(3, n, p=[0.4, 0.5, 0.1])
    pred = np.where(rng.random(n) < 0.6 + 0.1 * group, true, rng.choice(3, n))
    return group, true, pred


def counted(group, true, pred):
    counts = GroupCounts()
    counts.update_predictions(group, pred)
    counts.update_labels(group, true, pred)
    return counts


@pytest.mark.parametrize("seed", range(5))
def test_every_value_is_that_of_fairlearn(seed):
    group, true, pred = drawn(seed)
    got = fairness_metrics(counted(group, true, pred), GROUPS, CLASSES, "yes", 1)
    y_true, y_pred, sensitive = true == 0, pred == 0, {"sensitive_features": group}
    precision = fl.MetricFrame(metrics=precision_score, y_true=y_true, y_pred=y_pred, **sensitive)
    rates = fl.MetricFrame(metrics=fl.false_positive_rate, y_true=y_true, y_pred=y_pred, **sensitive)
    expected = {
        "demographic_parity_difference": fl.demographic_parity_difference(y_true, y_pred, **sensitive),
        "demographic_parity_ratio": fl.demographic_parity_ratio(y_true, y_pred, **sensitive),
        "equalized_odds_difference": fl.equalized_odds_difference(y_true, y_pred, **sensitive),
        "equal_opportunity_difference": fl.equal_opportunity_difference(y_true, y_pred, **sensitive),
        "predictive_parity_difference": precision.difference(),
        "false_positive_rate_difference": rates.difference(),
    }
    assert {name: e.value for name, e in got.items()} == pytest.approx(expected, abs=1e-12)
    for estimate in got.values():
        assert estimate.low <= estimate.value <= estimate.high


def test_small_groups_are_left_out_and_listed():
    group, true, pred = drawn(1, n=300)
    counts = counted(group, true, pred)
    sizes = np.bincount(counts.predicted.codes(2)[0], counts.predicted.counts)
    small = int(sizes.argmin())
    min_n = int(sizes.min()) + 1
    rates = GroupRates(counts, GROUPS, CLASSES, "yes", min_n).by_group(labelled=False)["selection_rate"]
    assert rates[GROUPS[small]].value is None
    left = [e.value for e in rates.values() if e.value is not None]
    gap = fairness_metrics(counts, GROUPS, CLASSES, "yes", min_n)["demographic_parity_difference"]
    assert gap.value == pytest.approx(max(left) - min(left))


def test_rates_among_positives_need_that_many_positives():
    counts = GroupCounts()
    zeros, ones = np.zeros(50, int), np.ones(50, int)
    counts.update_predictions(zeros, zeros)
    counts.update_predictions(ones, zeros)
    counts.update_labels(zeros, np.repeat([0, 1], 25), zeros)
    counts.update_labels(ones, np.repeat([0, 1], [5, 45]), zeros)
    got = fairness_metrics(counts, ["a", "b"], ["yes", "no"], "yes", 20)
    assert got["demographic_parity_difference"].value == 0.0
    assert got["equal_opportunity_difference"].value is None
    assert got["false_positive_rate_difference"].value == 0.0
    assert got["equalized_odds_difference"].value is None


def test_nobody_selected_leaves_the_ratio_undefined():
    counts = GroupCounts()
    counts.update_predictions(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 1]))
    got = fairness_metrics(counts, ["a", "b"], ["yes", "no"], "yes", 1)
    assert got["demographic_parity_ratio"].value is None
    assert got["demographic_parity_difference"].value == 0.0
    assert fairness_metrics(counts, ["a", "b"], ["yes", "no"], None, 1) == {}


def test_labels_taken_back_leave_no_trace():
    group, true, pred = drawn(2)
    straight = counted(group[:500], true[:500], pred[:500])
    wandering = counted(group[:500], true[:500], pred[:500])
    wandering.update_labels(group[500:] + 2, true[500:], pred[500:])
    wandering.subtract_labels(group[500:] + 2, true[500:], pred[500:])
    assert same(wandering.to_state(), straight.to_state())
