"""Retiring a model deletes all of its state but two numbers: should it come back, it counts on."""

from streamgauge.schemas.control import Retire
from streamgauge.schemas.message import ALERTS
from tests.core.scenario import Run, define
from tests.core.test_partition_alerts import Story, classifier, story
from tests.core.test_partition_orders import WHO, Told

KEPT = {b'["applied"]', b'["fleet"]', b'["retired","m"]'}
ASKING = {
    "monitors": {"accuracy": {"min": 0.8, "windows": 1}},
    "retrain": {"on": ["accuracy"], "min_labels": 100},
    "cooldown": "1m",
}


def retire(run: Run, feed: object) -> None:
    run.apply(feed.control(Retire(**WHO, model="m"))).commit()  # type: ignore[attr-defined]


def asked() -> Story:
    told = story(**ASKING).tell(4, classifier, wrong=0.5)
    assert told.alerts("accuracy")
    return told


def test_every_record_of_a_retired_model_is_deleted_but_its_numbers() -> None:
    told = asked()
    assert len(told.run.state) > 10
    retire(told.run, told.feed)
    assert set(told.run.state) == KEPT
    told.run.restart().partition.checkpoint()
    assert not told.run.partition.models


def test_records_that_were_not_yet_committed_leave_no_trace() -> None:
    run = Told().define(baseline={"first": 200}).window(0)
    run.partition.checkpoint()
    run.window(60)
    run.order(Retire(**WHO, model="m"))
    assert set(run.state) <= KEPT


def came_back(*, restarted: bool) -> Story:
    told = asked()
    retire(told.run, told.feed)
    if restarted:
        told.run.restart()
    again = Story(told.run, feed=told.feed, rng=told.rng, windows=told.windows)
    common = {"baseline": {"first": 1_500}, "task": "binary", "pos_label": "yes"}
    again.run.apply(again.feed.definitions([define("m", **common, **ASKING)])).commit()
    return again.tell(6, classifier, wrong=0.5)


def test_no_alert_or_request_has_an_id_that_was_given_before_it_was_retired() -> None:
    told = came_back(restarted=False)
    opened = [a["alert_id"] for a in told.run.records(ALERTS) if a["state"] == "opened"]
    assert len(opened) == len(set(opened))
    assert {alert_id.rpartition("-")[2] for alert_id in opened} >= {"1", "2"}
    requests = [r["request_id"] for r in told.run.records("retrain-requests") if r["attempt"] == 1]
    assert requests == ["m:7:1", "m:7:2"]
    assert b'["retired","m"]' not in told.run.state


def test_a_restart_between_changes_nothing() -> None:
    kept, restarted = came_back(restarted=False), came_back(restarted=True)
    assert restarted.run.outputs == kept.run.outputs
    assert restarted.run.state == kept.run.state


def test_a_model_that_is_retired_twice_still_counts_on() -> None:
    told = came_back(restarted=True)
    retire(told.run, told.feed)
    assert set(told.run.state) == KEPT
    model = told.run.restart().partition._retired
    assert model._numbers["m"][1] == 2


def test_retiring_and_coming_back_between_two_commits_leaves_the_model_alone() -> None:
    told = asked()
    before = set(told.run.state)
    told.run.apply(told.feed.control(Retire(**WHO, model="m")))
    told.tell(1, classifier)
    assert b'["retired","m"]' not in told.run.state
    assert b'["model","m"]' in told.run.state
    assert len(told.run.state) < len(before)
    told.run.restart()


def test_a_model_that_is_not_watched_cannot_be_retired() -> None:
    run = Told().order(Retire(**WHO, model="m"))
    assert [reason for reason, _ in run.refused] == ["refused"]
