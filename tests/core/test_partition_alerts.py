"""Each monitor from end to end: quiet, then a change, then quiet again; alerts open, explain and resolve."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from scipy import signal

from streamgauge.schemas.batch import Categories, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.control import Retrain, RetrainStatus, encode_retrain_status
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_output, encode_prediction_batch
from streamgauge.schemas.message import (
    ALERTS,
    DEAD_LETTERS,
    GROUND_TRUTH,
    PREDICTIONS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
    Message,
)
from streamgauge.schemas.monitor import Fleet
from streamgauge.schemas.times import parse_time
from tests.core.scenario import SECOND_US, START_US, Feed, Run, define

WINDOW_US = 60 * SECOND_US
A_WINDOW = 300
Columns = dict[str, Any]
Rng = np.random.Generator


def classifier(
    rng: Rng,
    n: int,
    *,
    share: float = 0.5,
    wrong: float = 0.1,
    age: float = 40.0,
    jobs: tuple[str, ...] = ("clerk", "cook", "vet"),
    missing: float = 0.02,
    latency_ms: float = 20.0,
    failing: float = 0.0,
    gap: float = 0.0,
) -> Columns:
    """Columns of a classifier, independent of each other but for groups and answers where there is a gap."""
    sex = rng.integers(0, 2, n)
    selected = rng.random(n) < share + gap * (sex - 0.5)
    ages = np.where(rng.random(n) < missing, np.nan, rng.normal(age, 10, n))
    failed = rng.random(n) < failing
    answer = np.where(failed, -1, selected).astype(np.int32)
    return {
        "prediction": Categories(answer, ("no", "yes")),
        "label": Categories((selected ^ (rng.random(n) < wrong)).astype(np.int32), ("no", "yes")),
        "score": np.where(failed, np.nan, np.clip(rng.normal(0.3 + 0.4 * selected, 0.1), 0, 1)),
        "failed": failed,
        "latency_ms": rng.exponential(latency_ms, n),
        "features": {
            "age": ages,
            "job": Categories(rng.integers(0, len(jobs), n).astype(np.int32), jobs),
        },
        "groups": {"sex": Categories(sex.astype(np.int32), ("f", "m"))},
    }


def regressor(rng: Rng, n: int, *, spread: float = 1.0, size: float = 50.0) -> Columns:
    """Columns of a regression: `spread` is the standard deviation of its errors."""
    true = rng.normal(size, 10, n)
    return {
        "prediction": true + rng.normal(0, spread, n),
        "label": true,
        "score": np.full(n, np.nan),
        "failed": np.zeros(n, np.bool_),
        "latency_ms": rng.exponential(20, n),
        "features": {"size": true},
        "groups": {},
        "segments": {"plan": Categories((np.arange(n) % 2).astype(np.int32), ("free", "paid"))},
    }


@dataclass
class Story:
    """A run of windows of one model, told by its columns; labels come half a window later."""

    run: Run
    feed: Feed = field(default_factory=Feed)
    rng: Rng = field(default_factory=lambda: np.random.default_rng(11))
    windows: int = 0
    events: int = A_WINDOW
    labels: list[Message] = field(default_factory=list)

    def tell(
        self,
        windows: int,
        columns: Callable[..., Columns],
        version: str = "7",
        labelled: bool = True,
        **change: Any,
    ) -> "Story":
        for _ in range(windows):
            start_us = START_US + self.windows * WINDOW_US
            made = columns(self.rng, self.events, **change)
            label = made.pop("label")
            ids = np.frombuffer(self.rng.bytes(16 * self.events), "S16")
            time_us = start_us + np.sort(self.rng.integers(0, WINDOW_US, self.events))
            batch = PredictionBatch(model="m", version=version, ids=ids, time_us=time_us, **made)
            self.run.apply([self.feed.message(PREDICTIONS, encode_prediction_batch(batch)), *self.labels])
            none, no = np.zeros(self.events, np.int32), np.zeros(self.events, np.bool_)
            labels = GroundTruthBatch("m", ids, time_us + WINDOW_US // 2, label, none, no)
            self.labels = (
                [self.feed.message(GROUND_TRUTH, encode_ground_truth_batch(labels))] if labelled else []
            )
            self.run.commit()
            self.windows += 1
        return self

    def alerts(self, monitor: str | None = None) -> list[Any]:
        return [a for a in self.run.records(ALERTS) if monitor in (None, a["monitor"])]

    def noticed(self, monitor: str) -> bool:
        """Whether an alert tells of it, its own or that of its cause."""
        related = [each for alert in self.alerts() for each in alert["related"]]
        return monitor in [told["monitor"] for told in (*self.alerts(), *related)]

    def states(self, monitor: str) -> list[str]:
        """The states of a monitor's alerts, updates left out."""
        return [alert["state"] for alert in self.alerts(monitor) if alert["state"] != "updated"]


def story(columns: Callable[..., Columns] = classifier, **definition: Any) -> Story:
    run = Run(Fleet(models=1, streams=20))
    task = {"task": "regression"} if columns is regressor else {"task": "binary", "pos_label": "yes"}
    told = Story(run)
    run.apply(told.feed.definitions([define("m", **{"baseline": {"first": 1_500}, **task, **definition})]))
    return told


#: Else that alert tells of what labels show.
ALONE = {"monitors": {"concept_drift": {"enabled": False}}}
CASES: dict[str, tuple[str, Callable[..., Columns], Columns, Columns]] = {
    # what changes: monitor, columns, the definition, the change
    "every fourth request fails": ("failure_rate", classifier, {}, {"failing": 0.25}),
    "answers are slow": ("latency", classifier, {"latency": {"objective_ms": 200}}, {"latency_ms": 400.0}),
    "answers are wrong": (
        "accuracy",
        classifier,
        {"monitors": {"accuracy": {"min": 0.8, "severity": "critical"}}},
        {"wrong": 0.4},
    ),
    "a number moves": ("drift", classifier, {}, {"age": 50.0}),
    "a category goes out of use": ("drift", classifier, {}, {"jobs": ("clerk", "cook")}),
    "more are selected": ("prediction_drift", classifier, {}, {"share": 0.75}),
    "values are missing": ("data_quality", classifier, {}, {"missing": 0.2}),
    "a new category comes": ("data_quality", classifier, {}, {"jobs": ("clerk", "cook", "vet", "spy")}),
    "values are impossible": (
        "data_quality",
        classifier,
        {"features": {"age": {"min": 0, "max": 90}}, "monitors": {"drift": {"enabled": False}}},
        {"age": 80.0},
    ),
    "the concept drifts": ("concept_drift", classifier, {}, {"wrong": 0.3}),
    "errors grow": ("concept_drift", regressor, {}, {"spread": 2.5}),
    "fewer are right than was estimated": ("estimate_gap", classifier, ALONE, {"wrong": 0.3}),
    "errors are larger than was estimated": ("estimate_gap", regressor, ALONE, {"spread": 2.5}),
    "one group is selected less": ("fairness", classifier, {}, {"gap": 0.6}),
    "ADWIN is named": ("adwin", classifier, {"monitors": {"adwin": {}}}, {"wrong": 0.4}),
    "HDDM_W is named": ("hddm_w", classifier, {"monitors": {"hddm_w": {}}}, {"wrong": 0.4}),
}
#: A limit and evidence are told every day, all of them in CI.
DAILY = ("answers are wrong", "a number moves")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in DAILY else pytest.mark.slow) for case in CASES]
)
def test_a_change_opens_one_alert_and_its_end_resolves_it(case: str) -> None:
    monitor, columns, definition, change = CASES[case]
    told = story(columns, **definition).tell(15, columns)
    assert told.alerts() == []
    changed_us = START_US + told.windows * WINDOW_US
    told.tell(15, columns, **change)
    [opened] = [alert for alert in told.alerts(monitor) if alert["state"] == "opened"]
    assert parse_time(opened["opened_at"]) >= changed_us
    assert abs(parse_time(opened["onset"]) - changed_us) <= 3 * WINDOW_US
    assert opened["summary"].startswith("m 7: ")
    assert opened["offsets"][-1]["topic"] == "streamgauge.predictions"
    told.tell(60, columns)
    assert told.states(monitor) == ["opened", "resolved"]
    for record in told.alerts():
        encode_output(next(o for o in told.run.outputs if o.record is record), "avro")


def test_a_change_that_stays_is_one_alert_however_thin_the_traffic() -> None:
    """Evidence, which starts over after an alarm, needs hours to find it again."""
    told = story().tell(15, classifier)
    told.events = 20

    def half_hours(count: int, **change: float) -> None:
        for _ in range(count):
            told.tell(1, classifier, **change)
            told.windows += 29

    half_hours(300, age=45.0)
    assert told.states("drift") == ["opened"]
    half_hours(100)
    assert told.states("drift") == ["opened", "resolved"]


def test_an_alert_survives_a_restart_and_is_still_one() -> None:
    told = story().tell(15, classifier).tell(8, classifier, age=50.0)
    assert told.states("drift") == ["opened"]
    told.run.restart()
    told.tell(4, classifier, age=50.0).tell(10, classifier)
    assert told.states("drift") == ["opened", "resolved"]
    assert len({alert["alert_id"] for alert in told.alerts("drift")}) == 1


def test_a_warning_escalates_by_event_time_with_the_routing_key_of_what_it_is_then() -> None:
    alerts = {"escalate_after": "6m", "route": "risk", "routes": {"critical": "risk-pager"}}
    slow = {"latency_p50_ms": {"max": 100, "windows": 1}}
    told = story(monitors=slow, alerts=alerts).tell(3, classifier).tell(5, classifier, latency_ms=400.0)
    told.run.restart()
    told.tell(5, classifier, latency_ms=400.0).tell(6, classifier)
    steps = [a for a in told.alerts("latency_p50_ms") if a["reason"] != "fires" or a["state"] == "opened"]
    assert [(a["reason"], a["severity"], a["route"]) for a in steps] == [
        ("fires", "warning", "risk"),
        ("escalates", "critical", "risk-pager"),
        ("calm", "critical", "risk-pager"),
    ]
    waited_us = parse_time(steps[1]["time"]) - parse_time(steps[0]["time"])
    assert 6 * WINDOW_US <= waited_us < 8 * WINDOW_US


def test_a_disabled_monitor_says_nothing() -> None:
    off = {"drift": {"enabled": False}, "prediction_drift": {"enabled": False}}
    told = story(monitors=off).tell(15, classifier).tell(10, classifier, age=60.0, share=0.8)
    assert told.alerts("drift") == []
    assert told.alerts("prediction_drift") == []


def test_what_moves_together_is_one_alert_with_its_contributors() -> None:
    told = story().tell(15, classifier).tell(10, classifier, age=60.0, jobs=("clerk", "cook"))
    alerts = {alert["alert_id"]: alert for alert in told.alerts("drift")}
    [last] = alerts.values()
    assert {contributor["feature"] for contributor in last["contributors"]} == {"age", "job"}
    assert sum(contributor["share"] for contributor in last["contributors"]) == pytest.approx(1.0)


@pytest.mark.parametrize("age", [42.0, 43.0])
def test_a_small_change_that_lasts_is_one_alert_though_it_takes_long_to_be_found_again(age: float) -> None:
    told = story().tell(12, classifier).tell(36, classifier, age=age)
    assert told.states("drift") == ["opened"]


def test_the_interval_of_what_depends_on_itself_is_as_much_wider() -> None:
    def sluggish(rng: Rng, n: int, *, shift: float = 0.0) -> Columns:
        """An age of an AR(.7), of which 5.7 values say as much as one independent one."""
        made = classifier(rng, n)
        noise = rng.normal(0, (1 - 0.7**2) ** 0.5, n + 200)
        made["features"]["age"] = signal.lfilter([1.0], [1.0, -0.7], noise)[200:] + shift
        return made

    told = story(baseline={"first": 3_000}).tell(12, sluggish).tell(8, sluggish, shift=1.0)
    alert = told.alerts("drift")[0]
    independent = 2 * 1.96 / alert["n"] ** 0.5
    assert (alert["high"] - alert["low"]) / independent == pytest.approx(5.7**0.5, rel=0.25)


@pytest.mark.parametrize(
    ("metric", "shift", "ratio"),
    [("standardized_mean_difference", 3.0, 1.0), ("standard_deviation_ratio", 0.0, 3.0)],
)
def test_how_far_a_number_moved_or_widened_is_told_with_an_interval(
    metric: str, shift: float, ratio: float
) -> None:
    def columns(rng: Rng, n: int, *, shift: float = 0.0, ratio: float = 1.0) -> Columns:
        made = classifier(rng, n)
        made["features"] = {"age": shift + ratio * rng.normal(size=n)}
        return made

    told = story(baseline={"first": 3_000}).tell(12, columns).tell(4, columns, shift=shift, ratio=ratio)
    alert = told.alerts("drift")[0]
    assert alert["metric"] == metric
    assert alert["value"] == pytest.approx(3.0, rel=0.5)  # of some fifty values
    assert 2.0 < alert["low"] < alert["value"] < alert["high"]


def test_errors_that_grew_are_told_by_their_mean_and_its_interval_also_before_the_next_labels() -> None:
    told = story(regressor).tell(15, regressor).tell(4, regressor, spread=2.5)
    first, *_, last = told.alerts("concept_drift")
    assert first["metric"] == "mean_absolute_error"
    for each in (first, last):
        assert each["low"] < 2.5 * (2 / math.pi) ** 0.5 < each["high"], each["summary"]
    [gap] = [related for related in last["related"] if related["monitor"] == "estimate_gap"]
    assert first["value"] == pytest.approx(gap["value"], rel=0.2)


def test_alerts_of_a_version_without_traffic_are_superseded() -> None:
    told = story().tell(15, classifier).tell(8, classifier, age=60.0)
    assert told.states("drift") == ["opened"]
    told.tell(20, classifier, version="8")
    last = told.alerts("drift")[-1]
    assert (last["version"], last["state"], last.get("resolution")) in (
        ("7", "resolved", "superseded"),
        ("7", "superseded", None),
    )


def asked(**retrain: Any) -> Story:
    """A story in which concept drift has asked for training."""
    told = story(retrain={"on": ["concept_drift"], "min_labels": 500, "expiry": "10m", **retrain})
    return told.tell(15, classifier).tell(12, classifier, wrong=0.35)


def test_concept_drift_asks_for_training_on_what_came_since() -> None:
    told = asked()
    [request] = told.run.records(RETRAIN_REQUESTS)
    [opened] = [alert for alert in told.alerts("concept_drift") if alert["state"] == "opened"]
    assert request["request_id"] == "m:7:1"
    assert [reason["fingerprint"] for reason in request["reasons"]] == [opened["fingerprint"]]
    data = request["data"]
    assert data["start"] <= opened["onset"] < data["end"]
    assert request["labels"] >= 500
    by_topic = {span["topic"]: (span["start"], span["end"]) for span in data["offsets"]}
    assert set(by_topic) == {"streamgauge.predictions", "streamgauge.ground-truth"}
    # a message is a window here: the first offset is that of the window in which the change began
    onset_window = (parse_time(opened["onset"]) - START_US) // WINDOW_US
    assert by_topic["streamgauge.predictions"][0] == onset_window
    assert by_topic["streamgauge.predictions"][1] <= told.windows
    [output] = [o for o in told.run.outputs if o.topic == RETRAIN_REQUESTS]
    encode_output(output, "avro")


def report(told: Story, state: Any, attempt: int = 1, **more: Any) -> None:
    status = RetrainStatus(
        request_id="m:7:1", model="m", attempt=attempt, state=state, time_us=START_US, **more
    )
    value, _ = encode_retrain_status(status)
    told.run.apply([told.feed.message(RETRAIN_STATUS, value)]).commit()


def test_a_training_job_that_answers_is_not_asked_again() -> None:
    told = asked()
    report(told, "accepted")
    report(told, "started")
    report(told, "succeeded", new_version="8")
    told.tell(15, classifier, version="8")
    assert len(told.run.records(RETRAIN_REQUESTS)) == 1
    assert told.run.records(DEAD_LETTERS) == []
    assert [duel.versions for duel in told.run.partition.models["m"].intake.comparisons] == [("7", "8")]


@pytest.mark.slow
def test_a_training_job_that_is_silent_is_asked_again_and_then_given_up() -> None:
    told = asked(max_attempts=2)
    told.tell(25, classifier, wrong=0.35)
    assert [r["attempt"] for r in told.run.records(RETRAIN_REQUESTS)[:2]] == [1, 2]
    assert "opened" in told.states("retrain_unanswered") or any(
        "unanswered" in alert["metric"] for alert in told.alerts()
    )


def test_a_report_that_does_not_apply_is_a_dead_letter() -> None:
    told = asked()
    report(told, "succeeded", attempt=4, new_version="8")
    [letter] = told.run.records(DEAD_LETTERS)
    assert (letter["reason"], letter["topic"]) == ("refused", "streamgauge.retrain-status")


def test_without_enough_labels_nothing_is_asked() -> None:
    told = story(retrain={"on": ["drift"], "min_labels": 500}).tell(15, classifier, labelled=False)
    told.tell(10, classifier, age=60.0, labelled=False)
    assert told.states("drift") == ["opened"]
    assert told.run.records(RETRAIN_REQUESTS) == []


def test_broken_data_hold_a_request_back_and_say_so_until_they_are_mended() -> None:
    told = story(monitors={"accuracy": {"min": 0.8}}, retrain={"on": ["accuracy"], "min_labels": 100})
    told.tell(7, classifier).tell(6, classifier, wrong=0.4, missing=0.6)
    assert told.run.records(RETRAIN_REQUESTS) == []
    [opened] = [a for a in told.alerts("retrain_blocked") if a["state"] == "opened"]
    assert "age" in [c["feature"] for c in opened["contributors"]]
    told.tell(8, classifier, wrong=0.4)
    assert told.states("retrain_blocked") == ["opened", "resolved"]
    assert len(told.run.records(RETRAIN_REQUESTS)) == 1


def test_an_operator_gets_a_request_at_once_and_no_second_one_in_flight() -> None:
    told = story().tell(7, classifier)
    order = Retrain(actor="kari", time_us=START_US, model="m", note="new features")
    told.run.apply(told.feed.control(order)).commit()
    [request] = told.run.records(RETRAIN_REQUESTS)
    assert (request["version"], request["actor"], request["note"]) == ("7", "kari", "new features")
    assert request["labels"] >= 1_500
    told.run.apply(told.feed.control(order)).commit()
    assert "m:7:1 is requested" in told.run.records(DEAD_LETTERS)[0]["detail"]
    elsewhere = Retrain(actor="kari", time_us=START_US, model="m", version="99")
    told.run.apply(told.feed.control(elsewhere)).commit()
    assert "m has no version '99'" in told.run.records(DEAD_LETTERS)[1]["detail"]
