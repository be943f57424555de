"""What `monitors list` says of each monitor: that it watches, and why it says nothing."""

from typing import Any

import pytest

from streamgauge.schemas.message import ALERTS, GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.streams.core.status import ModelStatus, MonitorStatus, status_of
from tests.core.scenario import SECOND_US, START_US, Feed, Run, define
from tests.core.test_partition_alerts import Story, classifier, story
from tests.core.test_partition_orders import Told


def monitor(status: ModelStatus, name: str, version: str = "7") -> MonitorStatus:
    (of_version,) = [v for v in status.versions if v.version == version]
    (found,) = [m for m in of_version.monitors if m.monitor == name]
    return found


def after(minutes: int, **changes: Any) -> Story:
    return story(**changes).tell(minutes, classifier)


def looked(told: Story, name: str) -> MonitorStatus:
    return monitor(status_of(told.run.partition.models["m"]), name)


def test_a_defined_model_without_events_has_no_version_yet() -> None:
    status = status_of(Told().define().model)
    assert (status.model, status.versions, status.watermark) == ("m", (), None)


def test_a_version_that_learns_says_how_far_it_is() -> None:
    told = after(2, baseline={"first": 9_000})
    rows = told.run.partition.models["m"].intake.versions["7"].watch.learning.rows
    assert 0 < rows < 9_000
    for name in ("drift", "prediction_drift", "data_quality"):
        assert looked(told, name).state == "learning"
        assert looked(told, name).why == f"baseline: {rows:,} of 9,000 predictions"
    assert looked(told, "concept_drift").why.endswith("of 9,000 labelled predictions")


@pytest.mark.parametrize("name", sorted({*EVIDENCE} - {"traffic"}))
def test_what_watches_says_how_much_evidence_it_has_of_what_an_alarm_takes(name: str) -> None:
    found = looked(after(8), name)
    assert found.state == "quiet"
    assert found.why.startswith("within budget: evidence ")
    assert found.evidence is not None
    assert 0 <= found.evidence < 1


@pytest.mark.parametrize(
    ("pos_label", "doubt"), [("approved", "no, yes, beside the pos_label approved"), ("yes", None)]
)
def test_a_positive_class_that_never_comes_is_doubted(pos_label: str, doubt: str | None) -> None:
    run, feed = Run(), Feed()
    run.apply(feed.definitions([define("m", task="binary", pos_label=pos_label)]))
    for i, said in enumerate(["yes", "no"]):
        event = {"prediction_id": f"p{i}", "model": "m", "time": START_US, "prediction": said}
        run.apply(feed.singles([(PREDICTIONS, event), (GROUND_TRUTH, {**event, "label": said})]))
    found = status_of(run.partition.models["m"]).doubts
    assert found == () if doubt is None else doubt in found[0]


@pytest.mark.parametrize(
    ("every_s", "window", "doubt"),
    [
        (60, "5m", "a window of 5m holds 5.0 predictions on average"),
        (60, "5m", "window: 6h would hold 361"),
        (5, "5m", None),
        (60, "1d", None),
    ],
)
def test_windows_that_hold_next_to_nothing_are_doubted(every_s: int, window: str, doubt: str | None) -> None:
    run, feed = Run(), Feed()
    run.apply(feed.definitions([define("m", window=window)]))
    for i in range(400):
        event = {"prediction_id": f"p{i}", "model": "m", "prediction": "yes"}
        run.apply(feed.singles([(PREDICTIONS, {**event, "time": START_US + i * every_s * SECOND_US})]))
    found = status_of(run.partition.models["m"]).doubts
    assert found == () if doubt is None else doubt in found[0]


def test_what_has_learnt_within_a_minute_says_that_it_begins_with_the_next() -> None:
    events = [
        {"prediction_id": f"p{i}", "model": "m", "version": "7", "time": START_US + i * SECOND_US // 100,
         "prediction": "ab"[i % 2], "features": {"x": i % 7 / 7, "y": i % 5 / 5}}
        for i in range(600)
    ]  # fmt: skip
    run, feed = Run(), Feed()
    run.apply(feed.definitions([define("m", baseline={"first": 300})]))
    run.apply(feed.singles((PREDICTIONS, event) for event in events))
    watching = ("drift", "prediction_drift", "data_quality")
    for name in watching:
        found = monitor(status_of(run.partition.models["m"]), name)
        assert (found.state, found.evidence) == ("waiting", None)
        assert "begins with the next minute" in found.why
    late = {**events[-1], "prediction_id": "late", "time": START_US + 70 * SECOND_US}
    run.apply(feed.singles([(PREDICTIONS, late)]))
    for name in watching:
        assert monitor(status_of(run.partition.models["m"]), name).state == "quiet"


def test_what_a_baseline_is_too_changeable_for_is_said() -> None:
    told = story(baseline={"first": 4_200}).tell(7, classifier).tell(8, classifier, age=45.0)
    (of_version,) = status_of(told.run.partition.models["m"]).versions
    remarks = {remark.feature: remark.problem for remark in of_version.remarks}
    assert remarks.get("age") == "not_stationary"
    assert "job" not in remarks


def test_an_alert_is_named_with_its_severity_and_since_when() -> None:
    told = after(8).tell(3, classifier, wrong=0.5)
    (alert,) = [a for a in told.alerts("concept_drift") if a["state"] == "opened"]
    found = looked(told, "concept_drift")
    assert found.state == "alert"
    assert found.why.startswith(f"warning since {alert['opened_at']}; ")
    (of_version,) = status_of(told.run.partition.models["m"]).versions
    assert alert["alert_id"] in {open_.alert_id for open_ in of_version.alerts}


def test_a_monitor_of_which_another_alert_tells_says_which() -> None:
    told = after(8).tell(3, classifier, wrong=0.5)
    assert told.noticed("estimate_gap")
    found = looked(told, "estimate_gap")
    assert found.state == "alert"
    assert found.why.startswith("the alert of concept_drift tells of it; ")


def test_a_monitor_that_is_off_says_who_switched_it_off() -> None:
    found = looked(after(8, monitors={"drift": {"enabled": False}}), "drift")
    assert (found.state, found.why) == ("off", "switched off by the definition")


def test_a_limit_shows_its_latest_value() -> None:
    found = looked(after(8, monitors={"accuracy": {"min": 0.5}}), "accuracy")
    assert found.state == "quiet"
    assert found.why.endswith("and at least 0.5 is allowed")


def test_a_limit_without_a_value_says_what_is_missing() -> None:
    changes = {"monitors": {"accuracy": {"min": 0.5}}, "labels": {"ttl": "5h", "min_coverage": 1.0}}
    told = story(**changes).tell(4, classifier)
    told.run.partition.models["m"].judge.limits.thresholds.clear()
    assert looked(told, "accuracy").state == "waiting"


def test_an_error_budget_says_how_fast_it_burns_and_latency_that_it_has_no_objective() -> None:
    told = after(8)
    assert looked(told, "failure_rate").why == "burns 0 times its error budget; 6 alerts"
    assert looked(told, "latency").why == "no objective: set latency.objective_ms"


def test_models_without_labels_groups_or_requests_say_so() -> None:
    run = Told().define(baseline={"first": 200}).window(0)
    status = status_of(run.model)
    assert monitor(status, "concept_drift").why == "no labels"
    assert monitor(status, "estimate_gap").why == "no labels, or no scores to estimate from"
    assert monitor(status, "fairness").state == "waiting"
    assert monitor(status, "retrain_unanswered").why == "no retrain request"


def test_looking_changes_nothing_and_a_restored_model_looks_the_same() -> None:
    told = after(8, monitors={"accuracy": {"min": 0.5}, "adwin": {}})
    before = told.run.partition.models["m"].to_state()
    seen = status_of(told.run.partition.models["m"])
    assert str(told.run.partition.models["m"].to_state()) == str(before)
    told.run.commit()
    told.run.restart()
    assert status_of(told.run.partition.models["m"]) == seen


def test_the_evidence_shown_is_that_of_the_strongest_stream() -> None:
    told = after(8, features={"age": {"min": 0, "max": 100}})
    bank = told.run.partition.models["m"].intake.versions["7"].watch.bank
    assert bank is not None
    strongest = float(bank.features.evidence.max())
    names = ("drift", "prediction_drift", "data_quality")
    assert max(looked(told, name).evidence or 0.0 for name in names) == strongest


def test_what_was_paid_and_the_alerts_it_was_spent_on_are_counted() -> None:
    told = after(15)
    model = told.run.partition.models["m"]
    paid, alerts = told.run.partition.spending()
    assert 0 < paid <= model.account.alpha * model.account.elapsed_us / model.account.horizon_us
    assert sum(alerts.values()) == 0
    told.tell(10, classifier, age=60.0).tell(40, classifier).tell(10, classifier, age=60.0)
    paid_then, alerts = told.run.partition.spending()
    opened = [alert["monitor"] for alert in told.run.records(ALERTS) if alert["state"] == "opened"]
    assert paid_then > paid
    assert alerts["drift"] == opened.count("drift") >= 2
    assert sum(alerts.values()) == sum(monitor in EVIDENCE for monitor in opened)
