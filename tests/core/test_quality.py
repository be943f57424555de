"""Types that change, features that appear and vanish: told by name, and free while nothing is wrong."""

from typing import Any

import numpy as np
import pytest

from streamgauge.schemas.batch import Categories
from streamgauge.schemas.message import ALERTS
from streamgauge.schemas.times import parse_time
from tests.core.scenario import START_US, Feed, Run
from tests.core.test_feature_exactness import DEFINITION, cut_by, events
from tests.core.test_partition_alerts import WINDOW_US, Columns, Rng, Story, classifier, story


def shaped(rng: Rng, n: int, *, texts: float = 0.0, extra: float = 0.0, gone: bool = False) -> Columns:
    """`texts`: age is a text in every message with this chance; `extra`: a feature that nobody knew."""
    columns = classifier(rng, n)
    if rng.random() < texts:
        columns["features"]["age"] = Categories(np.zeros(n, np.int32), ("forty",))
    if extra:
        columns["features"]["shoe size"] = np.where(rng.random(n) < extra, rng.normal(40, 2, n), np.nan)
    if gone:
        del columns["features"]["job"]
    return columns


CHANGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a number comes as a text": ({"texts": 1.0}, "age", "wrong type"),
    "a feature appears": ({"extra": 0.5}, "shoe size", "appeared"),
    "a feature vanishes": ({"gone": True}, "job", "vanished"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CHANGES)
def test_it_opens_one_alert_that_names_it_and_its_end_resolves_it(case: str) -> None:
    change, feature, says = CHANGES[case]
    told = story(shaped).tell(15, shaped)
    assert told.alerts() == []
    changed_us = START_US + told.windows * WINDOW_US
    told.tell(8, shaped, **change)
    alerts = told.alerts("data_quality")
    assert [alert["state"] for alert in alerts if alert["state"] != "updated"] == ["opened"]
    assert parse_time(alerts[0]["opened_at"]) - changed_us <= 2 * WINDOW_US
    said = {c["feature"]: c["direction"] for alert in alerts for c in alert["contributors"]}
    assert (said[feature], set(said)) == (says, {feature})
    told.tell(40, shaped)
    assert told.states("data_quality") == ["opened", "resolved"]


def watch_of(told: Story) -> Any:
    return told.run.partition.models["m"].intake.versions["7"].watch


def test_streams_open_with_the_first_wrong_value_and_close_when_there_are_no_more() -> None:
    told = story(shaped).tell(15, shaped)
    assert len(watch_of(told).quality._open) == 0
    told.tell(1, shaped, texts=1.0, extra=1.0)
    assert len(watch_of(told).quality._open) == 2
    told.tell(4, shaped)
    assert len(watch_of(told).quality._open) == 0
    assert watch_of(told).quality.weight == 1.0


def test_a_feature_that_always_had_values_of_two_types_is_no_news() -> None:
    told = story(shaped).tell(5, shaped, texts=0.5).tell(15, shaped, texts=0.5)
    assert told.alerts("data_quality") == []
    assert watch_of(told).quality.mixed["age"].k > 0


def test_a_switched_off_monitor_says_nothing() -> None:
    told = story(shaped, monitors={"data_quality": {"enabled": False}}).tell(15, shaped)
    assert told.tell(8, shaped, texts=1.0, extra=1.0).alerts("data_quality") == []


@pytest.mark.slow
def test_restarts_do_not_show() -> None:
    runs: list[Run] = []
    for restarts in (False, True):
        feed = Feed()
        encoded = feed.definitions([DEFINITION]) + feed.singles(events(5, 700))
        runs.append(cut_by(encoded, [25], restarts))
    assert runs[0].outputs == runs[1].outputs
    assert runs[0].state == runs[1].state


def resent(messages: Any, share: float, rng: Rng) -> list[Any]:
    """Some predictions, and some of them again, each in a message of its own."""
    sent = []
    for message in messages:
        sent.append(message)
        if rng.random() < share:
            sent.append(message)
    return sent


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after", "alarms"), [(0.0, 0.3, 1), (0.2, 0.2, 0), (0.0, 0.0, 0)])
def test_predictions_that_come_again_are_told_unless_they_always_did(
    before: float, after: float, alarms: int
) -> None:
    rng, sent = np.random.default_rng(4), events(6, 900)
    states = []
    for sizes in ([1], [50]):
        feed, rng = Feed(), np.random.default_rng(4)
        again = resent(sent[:600], before, rng) + resent(sent[600:], after, rng)
        run = cut_by(feed.definitions([DEFINITION]) + feed.singles(again), sizes, restarts=sizes == [50])
        told = [
            c
            for record in run.records(ALERTS)
            if record["monitor"] == "data_quality" and record["state"] == "opened"
            for c in record["contributors"]
            if c["feature"] == "prediction_id"
        ]
        assert len({c["direction"] for c in told}) == alarms
        watches = run.partition.models["m"].intake.versions.values()
        states.append([version.watch.quality.to_state()["repeats"][:2] for version in watches])
    assert states[0] == states[1]
