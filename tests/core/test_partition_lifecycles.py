"""What definitions, versions and alerts leave behind when they end, and what no order may do."""

from typing import Any

import pytest

from streamgauge.schemas.control import Define, Resolve, Retire
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.message import DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS, RETRAIN_REQUESTS
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_names import UNANSWERED
from tests.core.scenario import SECOND_US, START_US, Run, define
from tests.core.test_partition_alerts import Story, classifier, story
from tests.core.test_partition_orders import WHO, Told, label, prediction

DAY_S = 86_400


def redefine(told: Story, **changes: Any) -> Story:
    common = {"baseline": {"first": 1_500}, "task": "binary", "pos_label": "yes"}
    told.run.apply(told.feed.definitions([define("m", **{**common, **changes})])).commit()
    return told


def reports(run: Run, metric: str) -> dict[str, int]:
    """How often each window told of a metric."""
    starts = [r["window"]["start"] for r in run.records(METRICS) if r["metric"] == metric]
    return {start: starts.count(start) for start in starts}


@pytest.mark.slow
@pytest.mark.parametrize(
    "monitor", ["drift", "prediction_drift", "data_quality", "concept_drift", "fairness"]
)
@pytest.mark.parametrize("first_on", [True, False])
def test_a_monitor_switched_off_or_on_later_survives_a_restart(monitor: str, first_on: bool) -> None:
    off: dict[str, Any] = {"monitors": {monitor: {"enabled": False}}}
    kept, restarted = (redefine(story(**({} if first_on else off)).tell(6, classifier),
                                **(off if first_on else {})) for _ in range(2))  # fmt: skip
    restarted.run.restart()
    for told in (kept, restarted):
        told.tell(3, classifier, wrong=0.5, age=60.0, gap=0.8)
    assert restarted.run.outputs == kept.run.outputs
    assert kept.noticed(monitor) != first_on or monitor in ("prediction_drift", "data_quality")


def test_a_detector_of_rivers_runs_where_concept_drift_is_off() -> None:
    told = story(monitors={"adwin": {}, "concept_drift": {"enabled": False}})
    told.tell(6, classifier).run.restart()
    assert told.tell(6, classifier, wrong=0.5).states("adwin")[:1] == ["opened"]


def test_a_detector_that_is_named_later_is_the_same_after_a_restart() -> None:
    kept, restarted = (redefine(story().tell(6, classifier), monitors={"hddm_w": {}}) for _ in range(2))
    restarted.run.restart()
    for told in (kept, restarted):
        told.tell(6, classifier, wrong=0.5)
    assert restarted.run.outputs == kept.run.outputs
    assert kept.alerts("hddm_w")


def test_another_fleet_document_changes_no_baseline_that_is_in_use_restarted_or_not() -> None:
    kept, restarted = story().tell(6, classifier), story().tell(6, classifier)
    for told in (kept, restarted):
        document = {"streams": 100_000, "models": 2, "alert_budget": {"false_alarms": 0.5}}
        told.run.apply(told.feed.control(Define(**WHO, document=document))).commit()
    restarted.run.restart()
    for told in (kept, restarted):
        told.tell(4, classifier, age=41.5)
        told.tell(4, classifier, version="8")
    assert restarted.run.outputs == kept.run.outputs
    assert restarted.run.state == kept.run.state


def test_a_version_forgotten_just_before_a_fresh_start_leaves_no_record() -> None:
    before_midnight = (13 * 60 + 58) * 60  # with its day, all is over that a version holds

    def run_until(minutes: int) -> Told:
        run = Told().define(labels={"ttl": "1m", "min_coverage": 0.3}, lateness="1m")
        return run.window(before_midnight, version="6").window(before_midnight + 60 * minutes, version="7")

    forgetting = next(m for m in range(10, 30) if "6" not in run_until(m).model.intake.versions)
    run = run_until(10)
    assert [key for key in run.state if b'"6"' in key]
    late = prediction(1, before_midnight + 60 * forgetting + 60)
    run.apply(run.feed.singles([(PREDICTIONS, late)]))
    assert "6" not in run.model.intake.versions
    run.apply(run.feed.definitions([define("m", window="2m")])).commit()
    assert not [key for key in run.state if b'"6"' in key]


def test_labels_that_are_final_are_told_once_though_late_predictions_could_still_come() -> None:
    run = Told().define(lateness="30m", labels={"ttl": "2m", "min_coverage": 0.3})
    for minute in range(15):
        run.window(minute * 60)
        if minute == 8:
            run.restart()
    assert set(reports(run, "label_coverage").values()) == {1}


def test_windows_of_another_length_do_not_burn_on() -> None:
    run = Told().define().burn()
    run.define(window="2m")
    assert not run.model.judge.limits.burns


def test_another_latency_objective_forgets_what_was_slow_by_the_old_one() -> None:
    run = Told().define(latency={"objective_ms": 100})
    for minute in range(4):
        run.window(minute * 60)
    assert ("7", "latency") in run.model.judge.limits.burns
    run.define(latency={"objective_ms": 200})
    assert set(run.model.judge.limits.burns) == {("7", "failure_rate")}


def test_labels_of_a_model_that_never_predicts_become_orphans() -> None:
    run = Told(clock="wall").label(label(1), label(2, 10))
    run.partition.tick(START_US + SECOND_US)
    run.commit()
    run.restart()
    run.partition.tick(START_US + (DAY_S + 60) * SECOND_US)
    run.commit()
    assert [reason for reason, _ in run.refused] == ["orphaned", "orphaned"]
    assert run.partition.counts()["waiting"] == 0


def test_a_label_from_the_future_does_not_wait_for_ever() -> None:
    run = Told(clock="wall").define().predict(prediction()).label(label(9, 70 * 365 * DAY_S))
    run.partition.tick(START_US + 600 * SECOND_US)
    run.commit()
    assert [reason for reason, _ in run.refused] == ["orphaned"]
    assert run.partition.counts()["capped"] == 1


def test_at_the_end_of_a_replay_no_label_waits() -> None:
    run = Told().define().predict(prediction()).label(label(5, 9_000)).finish()
    assert run.partition.counts()["waiting"] == 0
    assert Told().label(label(5)).finish().partition.counts()["waiting"] == 0


def test_at_the_end_of_a_replay_an_alert_still_asks_for_training() -> None:
    rule = {"accuracy": {"min": 0.8, "windows": 1}}
    told = story(monitors=rule, labels={"ttl": "5m", "min_coverage": 1.0},
                 retrain={"on": ["accuracy"], "min_labels": 100})  # fmt: skip
    told.tell(1, classifier, wrong=0.5)
    told.run.apply(told.labels).commit()
    assert not told.alerts("accuracy")
    told.run.finish()
    assert [alert["state"] for alert in told.alerts("accuracy")] == ["opened"]
    assert len(told.run.records(RETRAIN_REQUESTS)) == 1


def test_alerts_of_a_retired_model_end() -> None:
    run = Told().define().burn()
    run.order(Retire(**WHO, model="m"))
    assert run.states() == ["opened", "superseded"]


def test_an_alert_that_somebody_resolved_is_no_reason_to_train() -> None:
    told = story(retrain={"on": ["concept_drift"], "min_labels": 4_000}, labels={"ttl": "3h"})
    told.tell(8, classifier).tell(3, classifier, wrong=0.4)
    fingerprint = told.alerts("concept_drift")[-1]["fingerprint"]
    told.run.apply(told.feed.control(Resolve(**WHO, model="m", fingerprint=fingerprint))).commit()
    told.tell(8, classifier)
    assert not told.run.records(RETRAIN_REQUESTS)


def late_labels_after_a_new_version() -> Story:
    """Version 7 was wrong; its labels come long after version 8 has replaced it."""
    told = story(
        monitors={"accuracy": {"min": 0.8, "windows": 1}},
        cooldown="1m",
        labels={"ttl": "50m", "min_coverage": 0.1},
        retrain={"on": ["accuracy"], "min_labels": 100, "expiry": "2m", "cooldown": "1m"},
    )
    told.tell(2, classifier, wrong=0.5)
    held = []
    for _ in range(8):
        told.tell(1, classifier, wrong=0.5)
        held += told.labels
        told.labels = []
    told.tell(15, classifier, version="8")
    for labels in held:
        told.run.apply([told.feed.message(GROUND_TRUTH, labels.value or b"")]).commit()
        told.tell(2, classifier, version="8")
    return told


def test_late_labels_of_a_superseded_version_open_no_alert_again() -> None:
    alerts = [a for a in late_labels_after_a_new_version().alerts("accuracy") if a["state"] != "updated"]
    assert [(a["version"], a["state"]) for a in alerts] == [("7", "opened"), ("7", "superseded")]


def test_a_request_for_a_superseded_version_is_not_made_again_and_blocks_no_other() -> None:
    told = late_labels_after_a_new_version()
    ended = next(a["time"] for a in told.alerts("accuracy") if a["state"] == "superseded")
    assert [a["state"] for a in told.alerts(UNANSWERED)][-1] == "superseded"
    requests = told.run.records(RETRAIN_REQUESTS)
    assert requests
    assert all(request["time"] < ended for request in requests)
    told.tell(4, classifier, version="8", wrong=0.5)
    assert told.run.records(RETRAIN_REQUESTS)[-1]["version"] == "8"


def test_keys_and_versions_without_end_do_not_grow_without_end() -> None:
    run = Told().define()
    for n in range(0, 300, 10):
        keys = [{"segments": {f"k{i}": "a"}, "groups": {f"k{i}": "b"}} for i in range(n, n + 10)]
        run.predict(*(prediction(n + i, n / 100, **each) for i, each in enumerate(keys)))
    names = run.model.intake.names
    assert len(names.segment_keys) == len(names.groups) == 50
    assert run.partition.counts()["applied"] == 300


ABSURD = [
    {"model": "m", "window": "9" * 400 + "d"},
    {"model": "m", "window": 10**400},
    {"model": "m", "labels": {"ttl": "99999999d"}},
    {"model": "m", "labels": {"ttl": 1e300}},
    {"model": "m", "grace": "99999999d"},
    {"model": "m", "retrain": {"expiry": "99999999d"}},
    {"model": "m", "window": [5]},
    {"model": "m", "window": None},
    {"model": "m", "monitors": {"accuracy": {"min": "nan"}}},
    {"models": 10**400},
    {"streams": 10**400},
    {"alert_budget": {"horizon": 10**300}},
    {"alert_budget": {"false_alarms": 1e300}},
]


@pytest.mark.parametrize("document", ABSURD, ids=lambda document: str(document)[:50])
def test_an_absurd_number_in_a_document_is_refused_and_stops_nothing(document: dict[str, Any]) -> None:
    run = Told().order(Define(**WHO, model=document.get("model"), document=document))
    assert [reason for reason, _ in run.refused] == ["refused"]
    run.define(baseline={"first": 200}).window(0).window(60).restart().window(120).finish()


def test_the_longest_durations_can_be_counted_with() -> None:
    long = "3660d"
    document = {"model": "m", "grace": long, "lateness": long, "cooldown": long,
                "labels": {"ttl": long}, "retrain": {"expiry": long, "cooldown": long}}  # fmt: skip
    assert MonitorDefinition.model_validate(document).grace == 3_660 * DAY_S * SECOND_US
    run = Told().order(Define(**WHO, model="m", document=document)).window(0).label(label(1)).finish()
    assert [reason for reason, _ in run.refused] == ["orphaned"]


EXTREMES = [1e308, -1e308, 5e-324, 0.0, 1.7976931348623157e308, -5e-324, 2.0**63, 1.0]


@pytest.mark.parametrize("format", ["json", "avro"])
def test_numbers_at_the_ends_of_float64_can_be_told(format: Any) -> None:
    run = Told().define(task="regression", baseline={"first": 200}, latency={"objective_ms": 200})
    for minute in range(4):
        drawn = [(n, EXTREMES[n * 7 % 8], EXTREMES[(n * 3 + 1) % 8]) for n in range(120)]
        run.predict(
            *(
                prediction(
                    minute * 120 + n,
                    minute * 60 + n / 2,
                    prediction=a,
                    latency_ms=abs(b),
                    features={"a": a, "b": b},
                )
                for n, a, b in drawn
            )
        )
        run.label(*(label(minute * 120 + n, minute * 60 + n / 2 + 1, label=b) for n, _, b in drawn))
    run.restart().finish()
    assert run.records(METRICS)
    assert not run.records(DEAD_LETTERS)
    for output in run.outputs:
        encode_output(output, format)
