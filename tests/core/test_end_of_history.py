"""At the end of a history windows are final, and alerts and requests stand as they stood."""

from typing import Any

import pytest

from streamgauge.schemas.control import RetrainStatus, encode_retrain_status
from streamgauge.schemas.message import RETRAIN_REQUESTS, RETRAIN_STATUS
from streamgauge.schemas.times import parse_time
from tests.core.scenario import START_US
from tests.core.test_partition_alerts import WINDOW_US, Story, classifier, regressor, story

SLOW: dict[str, Any] = {"latency_p50_ms": {"max": 100, "windows": 1}}


def ended(told: Story) -> list[str]:
    """What finishing tells of alerts: their states."""
    before = len(told.alerts())
    told.run.finish()
    return [alert["state"] for alert in told.alerts()[before:]]


@pytest.mark.parametrize("windows_since", [3, 8])
@pytest.mark.parametrize(
    ("monitor", "columns", "change"),
    [
        ("drift", classifier, {"age": 50.0}),
        ("concept_drift", regressor, {"spread": 2.5}),
        ("data_quality", classifier, {"missing": 0.2}),
    ],
)
def test_an_alert_that_is_open_at_the_end_stays_open(
    monitor: str, columns: Any, change: dict[str, float], windows_since: int
) -> None:
    told = story(columns, labels={"ttl": "2d", "min_coverage": 0.3}).tell(15, columns)
    told.tell(windows_since, columns, **change)
    assert told.states(monitor) == ["opened"]
    assert not {"resolved", "expired", "superseded"} & set(ended(told))


def test_one_that_flaps_is_not_resolved_by_hours_that_nobody_saw() -> None:
    told = story(monitors=SLOW, cooldown="1s", resolve_after=1, labels={"ttl": "1d"}).tell(2, classifier)
    for _ in range(3):
        told.tell(2, classifier, latency_ms=400.0).tell(2, classifier)
    assert told.states("latency_p50_ms") == ["opened", "resolved", "opened", "resolved", "opened"]
    assert ended(told) == []


def test_the_last_window_still_says_what_it_says() -> None:
    """It is over a moment after its last event, and that is when it is told."""
    told = (
        story(monitors=SLOW, labels={"ttl": "1d"}).tell(2, classifier).tell(1, classifier, latency_ms=400.0)
    )
    assert told.alerts() == []
    assert ended(told) == ["opened"]
    [alert] = told.alerts()
    over_us = START_US + told.windows * WINDOW_US
    assert over_us <= parse_time(alert["opened_at"]) <= over_us + WINDOW_US

    told = story(monitors=SLOW, resolve_after=2).tell(2, classifier).tell(2, classifier, latency_ms=400.0)
    told.tell(2, classifier)
    assert told.states("latency_p50_ms") == ["opened"]
    assert ended(told) == ["resolved"]


def test_no_request_is_made_because_a_cooldown_would_have_passed() -> None:
    retrain = {"on": ["concept_drift"], "min_labels": 100, "cooldown": "6h"}
    told = story(retrain=retrain, labels={"ttl": "1d"}).tell(15, classifier).tell(6, classifier, wrong=0.4)
    [request] = told.run.records(RETRAIN_REQUESTS)
    failed = RetrainStatus(
        request_id=request["request_id"], model="m", attempt=1, state="failed", time_us=START_US
    )
    told.run.apply([told.feed.message(RETRAIN_STATUS, encode_retrain_status(failed)[0])])
    told.tell(4, classifier, wrong=0.4).run.finish()
    assert len(told.run.records(RETRAIN_REQUESTS)) == 1
