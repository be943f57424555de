"""Each gap between groups that a definition may tolerate: told where it is wider, by the metric's name."""

import numpy as np
import pytest

from streamgauge.schemas.batch import Categories
from streamgauge.schemas.monitor_fairness import GAPS
from streamgauge.schemas.times import format_time
from tests.core.test_partition_alerts import START_US, WINDOW_US, story

#: Of two groups that are equally often (.5) truly positive: their true and false positive rates.
RATES = {
    "alike": ((0.8, 0.2), (0.8, 0.2)),
    "selected less": ((0.8, 0.6), (0.4, 0.2)),
    "missed more": ((0.9, 0.1), (0.6, 0.4)),
    "suspected more": ((0.8, 0.0), (0.8, 0.45)),
    "rarely selected": ((0.08, 0.02), (0.02, 0.0)),
}
#: The gap, what is tolerated of it, and the rates that go too far.
WIDER = {
    "demographic_parity_difference": (0.1, "selected less"),
    "demographic_parity_ratio": (0.8, "rarely selected"),
    "equal_opportunity_difference": (0.1, "missed more"),
    "equalized_odds_difference": (0.1, "suspected more"),
    "false_positive_rate_difference": (0.1, "suspected more"),
    "predictive_parity_difference": (0.1, "missed more"),
}


def people(rng, n, rates="alike"):
    """Answers and labels of two groups, with these rates."""
    sex, truth = rng.integers(0, 2, n), rng.integers(0, 2, n)
    chance = np.array(RATES[rates])[sex, 1 - truth]
    selected = (rng.random(n) < chance).astype(np.int32)
    return {
        "prediction": Categories(selected, ("no", "yes")),
        "label": Categories(truth.astype(np.int32), ("no", "yes")),
        "score": np.full(n, np.nan),
        "failed": np.zeros(n, np.bool_),
        "latency_ms": np.full(n, 5.0),
        "features": {},
        "groups": {"sex": Categories(sex.astype(np.int32), ("f", "m"))},
    }


def watching(tolerance):
    """Else their alerts tell of what groups show."""
    others = ("prediction_drift", "data_quality", "concept_drift", "label_drift", "missing_labels")
    off = {name: {"enabled": False} for name in others}
    return story(monitors=off, fairness={"tolerance": tolerance})


def told_of(told):
    return [alert for alert in told.alerts("fairness") if alert["state"] == "opened"]


def test_every_gap_has_a_story():
    assert set(WIDER) == set(GAPS)


@pytest.mark.parametrize("gap", WIDER)
def test_a_gap_wider_than_tolerated_is_told_by_its_name_and_groups(gap):
    tolerance, rates = WIDER[gap]
    told = watching({gap: tolerance}).tell(10, people)
    assert told_of(told) == []
    changed_us = START_US + told.windows * WINDOW_US
    told.run.restart()
    told.tell(25, people, rates=rates)
    [alert] = told_of(told)
    assert alert["metric"] == gap
    assert {c["group"] for c in alert["contributors"]} == {"sex=f", "sex=m"}
    assert alert["value"] < tolerance if gap == "demographic_parity_ratio" else alert["value"] > tolerance
    assert (alert["limit"], f"{tolerance:.2f}" in alert["summary"]) == (tolerance, True)
    assert alert["onset_high"] >= alert["onset"] >= alert["onset_low"] >= format_time(START_US)
    assert told.run.partition.models["m"].intake.now_us > changed_us


@pytest.mark.parametrize(
    ("tolerance", "rates"),
    [
        ({"demographic_parity_difference": 0.1}, "rarely selected"),
        ({"demographic_parity_difference": 0.1}, "missed more"),
        ({"equal_opportunity_difference": 0.1}, "suspected more"),
        ({"false_positive_rate_difference": 0.5}, "suspected more"),
        ({"demographic_parity_ratio": 0.2}, "rarely selected"),
        ({}, "selected less"),
    ],
)
def test_what_is_tolerated_or_not_named_is_not_told(tolerance, rates):
    assert told_of(watching(tolerance).tell(30, people, rates=rates)) == []


def test_gaps_of_one_attribute_are_one_alert():
    tolerance = {"equal_opportunity_difference": 0.1, "predictive_parity_difference": 0.1}
    told = watching(tolerance).tell(10, people).tell(20, people, rates="missed more")
    assert len(told_of(told)) == 1
    last = told.alerts("fairness")[-1]
    assert sum(c["share"] for c in last["contributors"]) == pytest.approx(1)


def test_what_rests_on_labels_does_not_end_while_none_come():
    told = (
        watching({"equal_opportunity_difference": 0.1}).tell(10, people).tell(12, people, rates="missed more")
    )
    told.tell(30, people, labelled=False)
    assert told.states("fairness") == ["opened"]
    told.tell(60, people)
    assert told.states("fairness") == ["opened", "resolved"]


def test_a_metric_without_a_tolerance_is_refused():
    with pytest.raises(ValueError, match="Input should be 'demographic"):
        watching({"selection_rate": 0.1})
