"""Features that go together otherwise than they did: one alert names them; none for what one does alone."""

from functools import partial

import numpy as np
import pytest

from streamgauge.schemas.times import parse_time
from streamgauge.streams.core.status import status_of
from tests.core.scenario import START_US
from tests.core.test_model_status import looked
from tests.core.test_partition_alerts import WINDOW_US, Columns, Rng, Story, classifier, story

MONITOR = "multivariate_drift"


def related(
    rng: Rng, n: int, *, relation: float = 0.6, taller: float = 0.0, missing: float = 0.02
) -> Columns:
    """A classifier whose features height and weight are correlated, and have others beside them."""
    columns = classifier(rng, n, missing=missing)
    weight = rng.normal(size=n)
    height = relation * weight + np.sqrt(1 - relation**2) * rng.normal(size=n)
    columns["features"] |= {"weight": weight, "height": height + taller, "shoes": height + taller}
    return columns


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after", "says"), [(0.6, -0.6, "agree less"), (0.0, 0.6, "agree more")])
def test_a_relation_that_changes_opens_one_alert_and_its_end_resolves_it(
    before: float, after: float, says: str
) -> None:
    usual = partial(related, relation=before)
    told = story().tell(25, usual)
    assert told.alerts() == []
    changed_us = START_US + told.windows * WINDOW_US
    told.tell(8, usual, relation=after)
    [opened] = [alert for alert in told.alerts() if alert["state"] == "opened"]
    assert opened["monitor"] == MONITOR
    assert 0 <= parse_time(opened["opened_at"]) - changed_us <= 3 * WINDOW_US
    assert abs(parse_time(opened["onset"]) - changed_us) <= WINDOW_US
    assert {c["feature"]: c["direction"] for c in opened["contributors"]} == {
        "height with weight": says,
        "shoes with weight": says,
    }
    assert "agreement rate" in opened["summary"]
    assert opened["low"] < opened["value"] < opened["high"]
    told.tell(60, usual)
    assert [alert["state"] for alert in told.alerts() if alert["state"] != "updated"] == [
        "opened",
        "resolved",
    ]


@pytest.mark.parametrize("taller", [0.3, 1.0, 3.0])
def test_what_a_feature_does_by_itself_is_its_drift_and_no_second_alert(taller: float) -> None:
    told = story().tell(15, related).tell(20, related, taller=taller)
    assert {alert["monitor"] for alert in told.alerts()} == {"drift"}


def test_missing_values_are_in_no_pair() -> None:
    told = story().tell(15, related).tell(8, related, missing=0.5)
    assert {alert["monitor"] for alert in told.alerts()} == {"data_quality"}


def test_a_switched_off_monitor_says_nothing_and_takes_no_budget() -> None:
    told = story(monitors={MONITOR: {"enabled": False}}).tell(15, related).tell(8, related, relation=-0.6)
    assert told.alerts() == []
    assert weight(told) == weight(story().tell(15, related)) - 1


def weight(told: Story) -> float:
    return told.run.partition.models["m"].intake.versions["7"].watch.weight


def test_where_no_two_features_are_it_says_so() -> None:
    def alone(rng: Rng, n: int) -> Columns:
        columns = classifier(rng, n)
        del columns["features"]["job"]
        return columns

    found = looked(story().tell(8, alone), MONITOR)
    assert (found.state, found.why) == ("waiting", "no two features to watch together, or too few rows")


@pytest.mark.slow
def test_a_restart_in_the_middle_changes_nothing() -> None:
    outputs = []
    for restarts in (False, True):
        told = story().tell(15, related)
        if restarts:
            told.run.restart()
        told.tell(1, related, relation=0.3)
        if restarts:
            told.run.restart()
        outputs.append(told.tell(5, related, relation=-0.6).run.outputs)
        assert status_of(told.run.partition.models["m"]).versions
    assert outputs[0] == outputs[1]
