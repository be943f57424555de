"""A gain that is worth it asks for a new model: how much it is, when it asks, and when it stops asking."""

from typing import Any

import numpy as np
import pytest

from streamgauge.detectors.intervals import proportion
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.message import RETRAIN_REQUESTS
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.retrain_gain import Gain, gain_of
from tests.core.scenario import SECOND_US, START_US
from tests.core.test_partition_alerts import A_WINDOW, Columns, Rng, Story, classifier, report, story

MINUTE_US, DAY_US = 60 * SECOND_US, 86_400 * SECOND_US
#: Alerts are no reason here.
QUIET: dict[str, Any] = {"on": [], "min_labels": 100, "blocked_by": [], "cooldown": "1m"}


def exactly(rng: Rng, n: int, *, wrong: int = 30) -> Columns:
    """So many wrong answers in each window."""
    columns = classifier(rng, n)
    said = columns["prediction"].codes
    columns["label"] = Categories((said ^ (np.arange(n) < wrong)).astype(np.int32), ("no", "yes"))
    return columns


def unsure(rng: Rng, n: int) -> Columns:
    """Scores that say that the answer might be the other one as well."""
    return {**classifier(rng, n), "score": np.clip(rng.normal(0.5, 0.02, n), 0, 1)}


def of(told: Story, within_us: int = DAY_US) -> Gain | None:
    model = told.run.partition.models["m"]
    [version] = model.intake.versions.values()
    return gain_of(version, model.intake, model.judge.naming(model.intake), within_us)


def asked(told: Story) -> list[Any]:
    return told.run.records(RETRAIN_REQUESTS)


def test_the_gain_is_the_loss_above_the_baseline_times_the_traffic_to_come() -> None:
    told = story(retrain=QUIET, labels={"ttl": "2h"}).tell(20, exactly).tell(20, exactly, wrong=90)
    found = of(told)
    assert found is not None
    assert not found.estimated
    intake = told.run.partition.models["m"].intake
    closed = (intake.watermark_us - START_US) // MINUTE_US
    labelled = A_WINDOW * closed
    assert labelled - A_WINDOW < found.n <= labelled
    wrong = 30 * 20 + 90 * (closed - 20)
    high = proportion(labelled - wrong, labelled).high
    assert high is not None
    per_us = labelled / (intake.watermark_us - START_US)
    assert found.errors == pytest.approx((1 - high - 0.1) * per_us * DAY_US, rel=0.05)


def test_before_labels_come_the_gain_is_estimated() -> None:
    told = story(retrain=QUIET, labels={"ttl": "5m", "min_coverage": 0.5}).tell(10, classifier)
    told.tell(30, unsure, labelled=False)
    found = of(told)
    assert found is not None
    assert found.estimated
    assert found.errors > 0.2 * A_WINDOW * 24 * 60
    assert asked(told) == []


def test_as_good_as_the_baseline_gains_nothing_and_unlabelled_nobody_knows() -> None:
    assert of(story(retrain=QUIET).tell(8, exactly, labelled=False)) is None
    found = of(story(retrain=QUIET).tell(20, exactly))
    assert found is not None
    assert found.errors == 0.0


def test_a_gain_that_is_worth_it_asks_once_and_says_what_it_is() -> None:
    terms = {**QUIET, "gain": {"errors": 10_000, "within": "1d"}}
    told = story(retrain=terms).tell(20, exactly)
    assert asked(told) == []
    told.tell(20, exactly, wrong=90)
    [request] = asked(told)
    [reason] = request["reasons"]
    assert (reason["monitor"], reason["metric"], reason["threshold"]) == ("gain", "avoidable_errors", 10_000)
    assert reason["value"] >= 10_000
    assert request["priority"] == "normal"


def test_a_gain_asks_again_after_a_failure_and_not_after_a_success() -> None:
    terms = {**QUIET, "gain": {"errors": 10_000, "within": "1d"}}
    for state, more, requests in (
        ("failed", {}, 2),
        ("succeeded", {"new_version": "8"}, 1),
        ("declined", {}, 1),
    ):
        told = story(retrain=terms).tell(20, exactly).tell(15, exactly, wrong=90)
        report(told, state, **more)
        told.tell(10, exactly, wrong=90)
        assert len(asked(told)) == requests, state


def test_a_gain_that_a_guard_held_back_lapses_when_it_is_worth_it_no_more() -> None:
    night = {**QUIET, "blackout": ["00:00-00:00"], "gain": {"errors": 10_000, "within": "1d"}}
    told = story(retrain=night).tell(20, exactly).tell(20, exactly, wrong=90)
    reasons = told.run.partition.models["m"].retrain.reasons
    assert reasons.waiting("7")
    assert "no request is made" in told.run.partition.models["m"].retrain.held.why
    told.tell(10, exactly)
    assert not reasons.waiting("7")
    assert asked(told) == []


@pytest.mark.parametrize(
    "wrong", [{"retrain": {"gain": {"errors": 0}}}, {"task": "ranking", "retrain": {"gain": {"errors": 5}}}]
)
def test_a_gain_is_some_errors_of_a_model_that_makes_errors(wrong) -> None:
    with pytest.raises(ValueError, match="gain"):
        MonitorDefinition(model="m", **wrong)
