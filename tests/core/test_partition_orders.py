"""What a partition does with definitions, orders, time, and what it must refuse."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from streamgauge.schemas.batch import Categories, PredictionBatch
from streamgauge.schemas.control import (
    Acknowledge,
    ControlEvent,
    Define,
    Resolve,
    Retire,
    RetrainStatus,
    Silence,
    encode_retrain_status,
)
from streamgauge.schemas.encode import encode_prediction_batch
from streamgauge.schemas.ids import identities
from streamgauge.schemas.message import (
    ALERTS,
    DEAD_LETTERS,
    GROUND_TRUTH,
    METRICS,
    PREDICTIONS,
    RETRAIN_STATUS,
)
from streamgauge.schemas.monitor import Fleet
from tests.core.scenario import SECOND_US, START_US, Feed, Run, assert_ledgers_balance, define

WHO: Any = {"actor": "ann", "time_us": START_US}


def prediction(number: int = 0, second: float = 0.0, **changes: Any) -> dict[str, Any]:
    event = {
        "prediction_id": f"p{number}",
        "model": "m",
        "version": "7",
        "time": START_US + int(second * SECOND_US),
        "prediction": "yes",
    }
    return {**event, **changes}


def label(number: int = 0, second: float = 0.0, **changes: Any) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}",
        "model": "m",
        "time": START_US + int(second * SECOND_US),
        "label": "yes",
        **changes,
    }


class Told(Run):
    """A run that is told things in words of the tests."""

    def __init__(self, fleet: Fleet | None = None, clock: Any = "events") -> None:
        super().__init__(fleet, clock)
        self.feed = Feed()

    def define(self, model: str = "m", **changes: Any) -> "Told":
        self.apply(self.feed.definitions([define(model, **changes)])).commit()
        return self

    def order(self, *orders: ControlEvent) -> "Told":
        self.apply(self.feed.control(*orders)).commit()
        return self

    def predict(self, *events: dict[str, Any]) -> "Told":
        self.apply(self.feed.singles((PREDICTIONS, event) for event in events)).commit()
        return self

    def label(self, *events: dict[str, Any]) -> "Told":
        self.apply(self.feed.singles((GROUND_TRUTH, event) for event in events)).commit()
        return self

    def window(self, start_second: float, version: str = "7", failing: float = 0.0, n: int = 200) -> "Told":
        """A minute of predictions."""
        time_us = START_US + int(start_second * SECOND_US) + np.arange(n) * (60 * SECOND_US // n)
        failed = np.arange(n) < failing * n
        batch = PredictionBatch(
            model="m",
            version=version,
            ids=identities(f"{version}-{start_second}-{i}" for i in range(n)),
            time_us=time_us,
            prediction=Categories(np.where(failed, -1, np.arange(n) % 2).astype(np.int32), ("no", "yes")),
            latency_ms=np.full(n, np.nan),
            score=np.full(n, np.nan),
            failed=failed,
        )
        self.apply([self.feed.message(PREDICTIONS, encode_prediction_batch(batch))]).commit()
        return self

    def burn(self) -> "Told":
        """Failures that open an alert."""
        for minute in range(8):
            self.window(minute * 60, failing=0.0 if minute < 3 else 0.6)
        return self

    @property
    def model(self) -> Any:
        return self.partition.models["m"]

    @property
    def refused(self) -> list[tuple[str, str]]:
        """(reason, detail) of each dead letter."""
        return [(letter["reason"], letter["detail"]) for letter in self.records(DEAD_LETTERS)]

    def states(self) -> list[str]:
        return [alert["state"] for alert in self.records(ALERTS) if alert["state"] != "updated"]


def test_an_unknown_model_is_watched_with_the_defaults_at_once() -> None:
    run = Told().predict(prediction(prediction=3.5), prediction(1, prediction=0.0)).finish()
    assert run.model.intake.names.task == "regression"
    assert run.model.definition.window == 300 * SECOND_US
    [rate] = [r for r in run.records(METRICS) if r["metric"] == "throughput_per_s"]
    assert rate["n"] == 2


@pytest.mark.parametrize(
    ("first", "task", "positive"),
    [
        ("yes", "binary", "yes"),
        ("No", "binary", "Yes"),
        (False, "binary", "true"),
        (0, "binary", "1"),
        ("cat", "binary", None),
        (0.25, "regression", None),
    ],
)
def test_the_first_value_says_what_an_unknown_model_predicts(
    first: Any, task: str, positive: str | None
) -> None:
    run = Told().predict(prediction(prediction=None, error="timeout"), prediction(1, prediction=first))
    assert (run.model.intake.names.task, run.model.intake.names.pos_label) == (task, positive)


def test_the_fleets_defaults_hold_for_unknown_models() -> None:
    run = Told(Fleet(defaults={"window": "2m"})).predict(prediction())
    assert run.model.definition.window == 120 * SECOND_US


def test_a_definition_that_comes_first_is_used_from_the_first_event() -> None:
    run = Told().define(task="regression").predict(prediction(prediction=1))
    assert run.model.intake.names.task == "regression"


def test_a_definition_that_changes_no_window_keeps_what_was_counted() -> None:
    run = Told().define(task="binary", pos_label="yes").predict(prediction())
    run.define(task="binary", pos_label="yes", monitors={"accuracy": {"min": 0.5}})
    run.predict(prediction(1)).finish()
    [rate] = [r for r in run.records(METRICS) if r["metric"] == "throughput_per_s"]
    assert rate["n"] == 2


def test_a_definition_with_other_windows_starts_anew_and_the_ledgers_still_balance() -> None:
    run = Told().define(task="binary", pos_label="yes")
    run.predict(prediction(), prediction(1)).label(label(), label(5))
    run.define(task="binary", pos_label="yes", window="2m")
    run.restart()
    run.predict(prediction(2, 5)).label(label(2, 6), label(1, 6)).restart().finish()
    assert_ledgers_balance(run, 7)
    [rate] = [r for r in run.records(METRICS) if r["metric"] == "throughput_per_s"]
    assert (rate["n"], rate["window"]["end"]) == (1, "2026-11-21T10:02:00.000000Z")


def test_a_definition_that_starts_anew_forgets_the_learned_baseline_for_good() -> None:
    run = Told().define(task="binary", pos_label="yes", baseline={"first": 200})
    run.window(0).window(60)
    assert run.model.intake.versions["7"].watch.profile is not None
    run.define(task="binary", pos_label="yes", baseline={"first": 300})
    run.restart()
    assert run.model.intake.versions["7"].watch.profile is None
    run.window(120).window(180).restart()
    assert run.model.intake.versions["7"].watch.profile.rows == 300
    run.finish()


@pytest.mark.slow
@pytest.mark.parametrize("ttl", ["30s", "2m", "1h"])
@pytest.mark.parametrize("grace", ["1s", "10s", "5m"])
def test_another_time_to_live_or_grace_keeps_the_ledgers_balanced(ttl: str, grace: str) -> None:
    run = Told().define(task="binary", pos_label="yes")
    for i in range(60):
        run.predict(prediction(i, 10 * i))
        if i % 3 == 0:
            run.label(label(i, 10 * i + 5))
        if i in (20, 40):
            changed = {"grace": grace, "labels": {"ttl": ttl}} if i == 20 else {}
            run.define(task="binary", pos_label="yes", **changed).restart()
        run.label(label(max(i - 25, 0), 10 * i, revision=i + 1))
        counts = run.partition.counts()
        assert min(counts[name] for name in ("pending", "labelled", "expired", "waiting")) >= 0, counts
    run.predict(prediction(999, 10_000)).finish()
    assert_ledgers_balance(run, 60 + 20 + 60 + 1)
    counts = run.partition.counts()
    assert (counts["pending"], counts["waiting"]) == (0, 0)


def test_a_wrong_definition_is_refused_and_changes_nothing() -> None:
    run = Told().define(window="2m")
    run.order(Define(**WHO, model="m", document={"model": "m", "windw": "1m"}))
    [(reason, detail)] = run.refused
    assert reason == "refused"
    assert "windw" in detail
    assert run.model.definition.window == 120 * SECOND_US


def test_a_wrong_definition_of_an_unknown_model_leaves_no_trace() -> None:
    run = Told().order(Define(**WHO, model="ghost", document={"model": "ghost", "window": -1}))
    assert [reason for reason, _ in run.refused] == ["refused"]
    assert "ghost" not in run.partition.models
    assert not any(b"ghost" in key for key in run.state)


def test_a_definition_sent_for_another_model_is_refused() -> None:
    run = Told().order(Define(**WHO, model="m", document={"model": "n"}))
    assert [reason for reason, _ in run.refused] == ["refused"]
    assert run.partition.models.get("n") is None


def test_the_fleet_document_reaches_every_model_and_survives_a_restart() -> None:
    run = Told().define()
    document = {"alert_budget": {"false_alarms": 1.0, "horizon": "10d"}, "models": 2, "max_models": 1}
    run.order(Define(**WHO, document=document)).restart()
    assert run.partition.fleet.models == 2
    assert run.model.account.alpha == pytest.approx(0.45)
    run.predict(prediction(model="another"))
    assert [reason for reason, _ in run.refused] == ["unknown_model"]


def test_a_wrong_fleet_document_is_refused() -> None:
    run = Told().order(Define(**WHO, document={"models": 0}))
    assert [reason for reason, _ in run.refused] == ["refused"]
    assert run.partition.fleet == Fleet()


def test_models_beyond_the_limit_are_refused_message_by_message() -> None:
    run = Told(Fleet(max_models=1))
    run.predict(prediction(), prediction(1, model="other"), prediction(2), prediction(3, model="other"))
    assert [reason for reason, _ in run.refused] == ["unknown_model"] * 2
    assert [letter["offset"] for letter in run.records(DEAD_LETTERS)] == [1, 3]
    assert_ledgers_balance(run, 4)


@pytest.mark.slow
def test_of_a_hundred_thousand_names_the_first_models_are_watched_and_the_rest_is_refused() -> None:
    run = Told(Fleet(max_models=20)).predict(prediction(model="first"))
    names = 100_000
    for start in range(0, names, 10_000):
        run.predict(*(prediction(n, model=f"request-{n}") for n in range(start, start + 10_000)))
    run.predict(prediction(names, model="first"))
    assert len(run.partition.models) == 20
    assert run.partition.models["first"].intake.counts.applied == 2
    letters = run.records(DEAD_LETTERS)
    assert {letter["reason"] for letter in letters} == {"unknown_model"}
    assert len(letters) == names - 19
    assert {json.loads(key)[1] for key in run.state if b'"model"' in key} == set(run.partition.models)
    assert_ledgers_balance(run, names + 2)


def test_a_retired_model_leaves_no_record_of_its_state() -> None:
    run = Told().define(baseline={"first": 200})
    run.window(0).window(60).predict(prediction(5000, 110, model="stays")).label(label(1, 100), label(9999))
    assert any(b'"m"' in key for key in run.state)
    run.order(Retire(**WHO, model="m"))
    assert not any(b'"m"' in key for key in run.state)
    assert any(b'"stays"' in key for key in run.state)
    assert set(run.restart().partition.models) == {"stays"}


def test_a_model_retired_and_seen_again_starts_afresh() -> None:
    run = Told().define().predict(prediction())
    run.order(Retire(**WHO, model="m")).predict(prediction()).restart().finish()
    [rate] = [r for r in run.records(METRICS) if r["metric"] == "throughput_per_s"]
    assert rate["n"] == 1


def test_a_model_retired_before_its_first_checkpoint_is_gone_too() -> None:
    run = Told()
    run.apply([*run.feed.singles([(PREDICTIONS, prediction())]), *run.feed.control(Retire(**WHO, model="m"))])
    run.commit()
    assert not any(b'"m"' in key for key in run.state)


def test_an_operator_acknowledges_and_resolves() -> None:
    run = Told().define().burn()
    [opened] = [alert for alert in run.records(ALERTS) if alert["state"] == "opened"]
    run.order(Acknowledge(**WHO, model="m", fingerprint=opened["fingerprint"]))
    run.restart()
    run.order(Resolve(**WHO, model="m", fingerprint=opened["fingerprint"]))
    assert run.states() == ["opened", "acknowledged", "resolved"]
    assert run.refused == []


def test_an_order_about_no_open_alert_is_refused() -> None:
    run = Told().define().predict(prediction())
    run.order(Acknowledge(**WHO, model="m", fingerprint="00"), Resolve(**WHO, model="m", fingerprint="00"))
    assert [reason for reason, _ in run.refused] == ["refused"] * 2


def test_a_silence_keeps_alerts_back_until_it_ends() -> None:
    until_us = START_US + 9 * 60 * SECOND_US
    run = Told().define().predict(prediction())
    run.order(Silence(**WHO, model="m", until_us=until_us, matcher={"monitor": "failure_rate"}))
    run.burn()
    assert run.states() == []
    for minute in range(8, 14):
        run.window(minute * 60, failing=0.6)
    assert run.states() == ["opened"]


def test_a_silence_of_the_fleet_holds_for_every_model() -> None:
    run = Told().define().predict(prediction())
    run.order(Silence(**WHO, until_us=START_US + 3_600 * SECOND_US)).burn()
    assert run.states() == []


def test_a_silence_of_the_fleet_holds_for_models_that_come_later_too() -> None:
    run = Told().order(Silence(**WHO, until_us=START_US + 3_600 * SECOND_US))
    run.restart()
    run.define().burn()
    assert run.states() == []


def test_a_maintenance_to_come_is_silent_from_its_start() -> None:
    start_us, until_us = START_US + 600 * SECOND_US, START_US + 3_600 * SECOND_US
    run = Told().define().predict(prediction())
    run.order(Silence(**WHO, model="m", start_us=start_us, until_us=until_us)).burn()
    assert run.states() == ["opened"]


def test_an_order_that_needs_a_model_is_refused_without_one() -> None:
    run = Told()
    run.apply(
        [run.feed.message("control", {"kind": "retire", "actor": "ann", "time": "2026-11-21T10:00:00Z"})]
    )
    run.commit()
    assert [reason for reason, _ in run.refused] == ["missing_field"]


def test_an_order_that_cannot_be_carried_out_yet_says_so() -> None:
    run = Told().define().order(Retire(**WHO, model="m", version="7"))
    [(reason, detail)] = run.refused
    assert reason == "refused"
    assert "Retire" in detail


def test_a_report_about_a_model_that_asked_for_nothing_is_refused() -> None:
    run = Told()
    status = RetrainStatus(request_id="m:7:1", model="m", attempt=1, state="accepted", time_us=START_US)
    run.apply([run.feed.message(RETRAIN_STATUS, encode_retrain_status(status)[0])]).commit()
    assert [reason for reason, _ in run.refused] == ["refused"]


def test_a_label_whose_prediction_never_comes_is_an_orphan_that_names_its_message() -> None:
    run = Told().define()
    run.predict(prediction(0)).label(label(0, 1), label(77, 2, revision=3), label(78, 3))
    run.predict(prediction(1, 400)).finish()
    letters = {letter["offset"]: letter for letter in run.records(DEAD_LETTERS)}
    assert sorted(letters) == [1, 2]
    assert {letter["reason"] for letter in letters.values()} == {"orphaned"}
    quoted = json.loads(base64.b64decode(letters[1]["value"]))
    assert (quoted["revision"], quoted["label"], quoted["time"]) == (3, "yes", "2026-11-21T10:00:02.000000Z")
    assert run.partition.counts()["orphaned"] == 2
    assert_ledgers_balance(run, 5)


def test_a_string_for_a_model_of_numbers_is_refused_and_its_neighbours_are_not() -> None:
    run = Told().define(task="regression").predict(prediction(0, prediction=2.0), prediction(1, prediction=3))
    run.label(
        label(0, 1, label=2.5),
        label(1, 1, label="three"),
        label(0, 2, label=None, retracted=True, revision=1),
        label(1, 2, label=3.5),
    )
    assert [(letter["reason"], letter["offset"]) for letter in run.records(DEAD_LETTERS)] == [
        ("wrong_type", 1)
    ]
    assert run.partition.counts()["labelled"] == 1
    assert_ledgers_balance(run, 6)


def test_a_number_for_a_model_of_classes_is_the_class_of_that_name() -> None:
    run = Told().define(task="binary", pos_label="1")
    run.predict(prediction(0, prediction="1"), prediction(1, prediction="0"))
    run.label(label(0, 1, label=1), label(1, 1, label=True)).finish()
    [accuracy] = [r for r in run.records(METRICS) if r["metric"] == "accuracy"]
    assert (accuracy["value"], accuracy["n"]) == (0.5, 2)


def test_an_event_time_beyond_its_records_time_and_the_grace_is_capped() -> None:
    run = Told(clock="wall").define()
    run.predict(prediction(0), prediction(1, 1_000_000), prediction(2, 9))
    assert run.partition.counts()["capped"] == 1
    assert run.model.intake.now_us == START_US + 10 * SECOND_US


def test_each_event_is_capped_by_its_own_records_time() -> None:
    run = Told(clock="wall").define()
    feed = run.feed
    run.apply(
        [
            feed.message(PREDICTIONS, prediction(0, 500), START_US),
            feed.message(PREDICTIONS, prediction(1, 500), START_US + 495 * SECOND_US),
        ]
    )
    times = run.model.intake.join.predictions.column("time") - START_US
    assert times.tolist() == [10 * SECOND_US, 500 * SECOND_US]


def test_with_the_clock_of_events_nothing_is_capped_and_ticks_do_nothing() -> None:
    run = Told().define().predict(prediction(0, 1_000_000))
    run.partition.tick(START_US + 10**15)
    assert run.partition.counts()["capped"] == 0
    assert not run.partition.changed


def test_a_tick_closes_idle_windows_and_expires_labels() -> None:
    run = Told(clock="wall").define().predict(prediction()).label(label(5))
    run.partition.tick(START_US + 30 * SECOND_US)
    run.commit()
    assert run.records(METRICS) == []
    run.partition.tick(START_US + 71 * SECOND_US)
    run.commit()
    assert {r["status"] for r in run.records(METRICS)} == {"final"}
    run.partition.tick(START_US + 1_000 * SECOND_US)
    run.commit()
    assert [reason for reason, _ in run.refused] == ["orphaned"]
    assert run.partition.counts()["expired"] == 1


def test_a_tick_never_goes_back() -> None:
    run = Told(clock="wall").define().predict(prediction())
    run.partition.tick(START_US + 100 * SECOND_US)
    run.commit()
    run.partition.tick(START_US + 50 * SECOND_US)
    assert run.model.intake.now_us == START_US + 100 * SECOND_US
    assert not run.partition.changed


def test_an_event_after_its_lateness_is_late_and_counts_nowhere_else() -> None:
    run = Told().define().predict(prediction(0), prediction(1, 300), prediction(2, 10)).finish()
    assert run.partition.counts()["late"] == 1
    assert sum(r["n"] for r in run.records(METRICS) if r["metric"] == "throughput_per_s") == 2
    assert_ledgers_balance(run, 3)


def test_a_late_event_in_time_restates_its_window() -> None:
    run = (
        Told()
        .define()
        .predict(prediction(0), prediction(1, 80))
        .predict(prediction(2, 10), prediction(3, 100))
    )
    rates = [r for r in run.records(METRICS) if r["metric"] == "throughput_per_s"]
    assert [(r["n"], r["revision"]) for r in rates] == [(1, 0), (2, 1)]


def test_labels_restate_provisional_metrics_until_they_are_final() -> None:
    run = (
        Told().define(task="binary", pos_label="yes").predict(prediction(), prediction(1), prediction(2, 90))
    )
    run.label(label(0, 95))
    run.predict(prediction(3, 110)).label(label(1, 111, label="no"))
    run.predict(prediction(4, 150)).predict(prediction(5, 500)).finish()
    first = [
        r
        for r in run.records(METRICS)
        if r["metric"] == "accuracy" and r["window"]["start"] == "2026-11-21T10:00:00.000000Z"
    ]
    assert [(r["value"], r["n"], r["status"], r["revision"]) for r in first] == [
        (1.0, 1, "provisional", 0),
        (0.5, 2, "provisional", 1),
        (0.5, 2, "final", 2),
    ]


def test_two_versions_that_alternate_through_a_long_backlog_lose_nothing() -> None:
    """A quiet model's days come in one poll: no end of one version makes the other late."""
    run = Told().define()
    run.predict(*(prediction(i, i * 1_800, version=str(i % 2)) for i in range(100))).finish()
    assert run.partition.counts()["late"] == 0
    rates = [r for r in run.records(METRICS) if r["metric"] == "throughput_per_s" and not r["segment"]]
    assert len(rates) == 100
    assert {r["revision"] for r in rates} == {0}


def test_refused_rows_of_every_kind_keep_the_ledgers_balanced() -> None:
    run = Told(Fleet(max_models=1)).define(task="regression")
    run.predict(prediction(prediction=1.0), prediction(1, latency_ms=-1), prediction(2, model="other"))
    run.label(label(label="text"), label(1), label(2, label=4.0, time="yesterday"))
    run.predict(prediction(prediction=1.0)).finish()
    assert_ledgers_balance(run, 7)


def test_what_an_alert_and_a_metric_say_is_named_by_definition_and_software() -> None:
    run = Told().define().burn()
    [opened] = [alert for alert in run.records(ALERTS) if alert["state"] == "opened"]
    assert opened["definition_id"] == define("m").definition_id
    assert opened["software"] == "streamgauge"


def test_stored_state_stays_bounded_while_predictions_and_windows_expire() -> None:
    run = Told().define(baseline={"first": 200})
    sizes = []
    for minute in range(60):
        run.window(minute * 60)
        sizes.append(len(run.state))
    assert max(sizes[30:]) <= max(sizes[:30])
    blocks = [key for key in run.state if key.startswith(b'["predictions"')]
    assert len(blocks) <= 3
    assert run.restart().partition.counts()["pending"] <= 7 * 200


def test_restarts_in_a_long_run_change_nothing() -> None:
    steady, interrupted = (Told().define(baseline={"first": 200}) for _ in range(2))
    for minute in range(30):
        for run in (steady, interrupted):
            run.window(minute * 60, version=str(minute // 10), failing=0.5 if minute > 20 else 0.0)
        interrupted.restart()
    assert interrupted.finish().outputs == steady.finish().outputs
    assert interrupted.state == steady.state


def test_when_every_label_is_taken_back_nothing_published_of_them_stays() -> None:
    run = Told().define(task="binary", pos_label="yes")
    run.predict(prediction(0, score=0.7)).label(label(0, 5)).predict(prediction(1, 90))
    run.label(label(0, 95, label=None, retracted=True, revision=1)).finish()
    first = [r for r in run.records(METRICS) if r["window"]["start"] == "2026-11-21T10:00:00.000000Z"]
    for metric in ("accuracy", "brier_score"):
        stories = [(r["value"] is None, r["n"], r["status"]) for r in first if r["metric"] == metric]
        assert stories == [(False, 1, "provisional"), (True, 0, "final")]


def test_an_identity_is_new_again_after_its_time_to_live_within_a_batch_too() -> None:
    one, many = Told().define(), Told().define()
    events = [prediction(0), prediction(0, 1), prediction(1, 400), prediction(0, 401)]
    one.predict(*events)
    for event in events:
        many.predict(event)
    assert one.partition.counts()["duplicate"] == many.partition.counts()["duplicate"] == 1
