"""When a new model is asked for, and what a training job may answer."""

import json

import pytest

from streamgauge.schemas.control import RetrainStatus
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import ALERTS, RETRAIN_REQUESTS, Output
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_names import UNANSWERED
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.findings import Contributor, Finding, OffsetRange
from streamgauge.streams.core.retrain import RetrainPolicy
from streamgauge.streams.core.retrain_alerts import unanswered
from streamgauge.streams.core.retrain_guards import TrainingData
from streamgauge.streams.core.retrain_states import (
    IN_FLIGHT,
    TRANSITIONS,
    RequestEvent,
    RequestState,
)

HOUR = 3_600_000_000
NOW = 1_795_255_200_000_000  # 2026-11-21T10:00Z
DEFINITION = MonitorDefinition.model_validate(
    {
        "model": "credit",
        "retrain": {"on": ["concept_drift"], "min_labels": 100, "cooldown": "6h", "expiry": "24h"},
    }
)
ENOUGH = TrainingData(
    NOW - HOUR,
    NOW,
    labels=3072,
    coverage=0.96,
    offsets=(OffsetRange("streamgauge.predictions", 5, 1200, 4400),),
)
FEW = TrainingData(NOW - HOUR, NOW, labels=99)


def report(state: str, request_id: str = "credit:7:1", attempt: int = 1) -> RetrainStatus:
    return RetrainStatus(request_id=request_id, model="credit", attempt=attempt, state=state, time_us=NOW)


def alert(state="opened", monitor="concept_drift", severity="critical", version="7", **changes) -> Output:
    record = {
        "state": state,
        "version": version,
        "monitor": monitor,
        "metric": "zero_one_loss",
        "severity": severity,
        "value": 0.21,
        "baseline": 0.1,
        "limit": None,
        "evidence_threshold": 1.0,
        "n": 3200,
        "fingerprint": f"{version}-{monitor}",
        "contributors": [{"feature": "age"}, {"feature": None}],
        "segment": {},
        "related": [],
        "because": None,
    }
    return Output(ALERTS, b"credit", record | changes)


def requested(definition=DEFINITION) -> RetrainPolicy:
    policy = RetrainPolicy("credit")
    assert policy.consider("7", [alert()], ENOUGH, NOW, definition)
    return policy


def test_every_request_can_end():
    for state in IN_FLIGHT:
        assert TRANSITIONS[RequestEvent.SUCCEEDED][state] is RequestState.SUCCEEDED
        assert TRANSITIONS[RequestEvent.GIVE_UP][state] is RequestState.UNANSWERED


def test_only_what_rests_can_be_asked_for_again():
    assert set(TRANSITIONS[RequestEvent.ASK]) == set(RequestState) - set(IN_FLIGHT)


@pytest.mark.parametrize(
    ("reports", "ends"),
    [
        (["accepted", "started", "succeeded"], RequestState.SUCCEEDED),
        (["accepted", "accepted", "started", "accepted"], RequestState.STARTED),
        (["started", "started", "failed", "failed"], RequestState.FAILED),
        (["declined", "declined"], RequestState.DECLINED),
        (["succeeded", "succeeded"], RequestState.SUCCEEDED),
    ],
)
def test_a_job_may_report(reports, ends):
    policy = requested()
    for state in reports:
        policy.status(report(state), NOW)
    assert policy.state is ends


@pytest.mark.parametrize(
    ("before", "refusable"),
    [
        (["succeeded"], report("failed")),
        (["failed"], report("succeeded")),
        (["declined"], report("accepted")),
        (["started"], report("declined")),
        ([], report("ask")),
        ([], report("overdue")),
        ([], report("finished")),
        ([], report("accepted", request_id="credit:7:2")),
        ([], report("accepted", request_id="fraud:7:1")),
        ([], report("accepted", attempt=2)),
        ([], report("succeeded", attempt=2)),
    ],
)
def test_a_report_that_cannot_be_is_refused_and_changes_nothing(before, refusable):
    policy = requested()
    for state in before:
        policy.status(report(state), NOW)
    unchanged = json.dumps(policy.to_state())
    with pytest.raises(BadEvent) as refused:
        policy.status(refusable, NOW)
    assert refused.value.reason is Reason.REFUSED
    assert json.dumps(policy.to_state()) == unchanged


def test_a_report_without_any_request_is_refused():
    with pytest.raises(BadEvent, match="not the latest request"):
        RetrainPolicy("credit").status(report("accepted"), NOW)


def test_a_request_says_everything_the_contract_asks_for():
    [output] = RetrainPolicy("credit").consider(
        "7",
        [alert(segment={"country": "NO"})],
        ENOUGH,
        NOW,
        DEFINITION,
        baseline_id="sha256:b",
        software="streamgauge 0.1.0",
    )
    assert (output.topic, output.key) == (RETRAIN_REQUESTS, b"credit")
    assert output.record == {
        "request_id": "credit:7:1",
        "model": "credit",
        "version": "7",
        "attempt": 1,
        "reasons": [
            {
                "monitor": "concept_drift",
                "metric": "zero_one_loss",
                "value": 0.21,
                "baseline": 0.1,
                "threshold": 1.0,
                "n": 3200,
                "fingerprint": "7-concept_drift",
            }
        ],
        "features": ["age"],
        "segments": [{"country": "NO"}],
        "priority": "high",
        "data": {
            "start": "2026-11-21T09:00:00.000000Z",
            "end": "2026-11-21T10:00:00.000000Z",
            "offsets": [{"topic": "streamgauge.predictions", "partition": 5, "start": 1200, "end": 4400}],
        },
        "label_coverage": 0.96,
        "labels": 3072,
        "dry_run": False,
        "time": "2026-11-21T10:00:00.000000Z",
        "expires_at": "2026-11-22T10:00:00.000000Z",
        "definition_id": DEFINITION.definition_id,
        "baseline_id": "sha256:b",
        "software": "streamgauge 0.1.0",
        "actor": None,
        "note": None,
    }


def test_the_records_of_an_alert_book_are_what_the_policy_reads():
    book, policy = AlertBook("credit"), RetrainPolicy("credit")
    finding = Finding(
        "concept_drift", "zero_one_loss", "warning", 0.21, contributors=(Contributor("age", 1.0, "up", 1.0),)
    )
    opened = book.observe("7", "concept_drift", (), finding, NOW)
    [request] = policy.consider("7", opened, ENOUGH, NOW, DEFINITION)
    assert request.record["reasons"][0]["fingerprint"] == opened[0].record["fingerprint"]
    assert request.record["priority"] == "normal"


def test_an_alert_that_the_definition_does_not_name_is_no_reason():
    assert RetrainPolicy("credit").consider("7", [alert(monitor="latency")], ENOUGH, NOW, DEFINITION) == []


def test_a_trigger_waits_for_enough_labels():
    policy = RetrainPolicy("credit")
    assert not policy.waiting("7", NOW)
    assert policy.consider("7", [alert()], FEW, NOW, DEFINITION) == []
    assert policy.waiting("7", NOW)
    assert policy.consider("8", [], ENOUGH, NOW, DEFINITION) == []
    assert len(policy.consider("7", [], ENOUGH, NOW, DEFINITION)) == 1


@pytest.mark.parametrize("ending", ["resolved", "superseded", "expired"])
def test_a_waiting_trigger_is_dropped_when_its_alert_ends(ending):
    policy = RetrainPolicy("credit")
    policy.consider("7", [alert()], FEW, NOW, DEFINITION)
    assert policy.consider("7", [alert(ending)], ENOUGH, NOW, DEFINITION) == []


def test_an_update_refreshes_a_waiting_reason_and_starts_none():
    policy = RetrainPolicy("credit")
    assert policy.consider("7", [alert("updated")], ENOUGH, NOW, DEFINITION) == []
    policy.consider("7", [alert(severity="warning")], FEW, NOW, DEFINITION)
    [request] = policy.consider("7", [alert("updated", value=0.4)], ENOUGH, NOW, DEFINITION)
    assert request.record["reasons"][0]["value"] == 0.4
    assert request.record["priority"] == "high"


def test_while_one_is_in_flight_no_other_is_requested():
    policy = requested()
    policy.status(report("accepted"), NOW)
    again = [alert(version="8"), alert(fingerprint="other")]
    assert policy.consider("7", again, ENOUGH, NOW + 12 * HOUR, DEFINITION) == []
    assert policy.consider("8", [], ENOUGH, NOW + 12 * HOUR, DEFINITION) == []


def test_after_success_the_version_is_settled_and_its_successor_cools_down():
    policy = requested()
    policy.status(report("succeeded"), NOW)
    assert policy.consider("8", [alert(version="8")], ENOUGH, NOW + 5 * HOUR, DEFINITION) == []
    assert policy.consider("7", [], ENOUGH, NOW + 6 * HOUR, DEFINITION) == []
    [request] = policy.consider("8", [], ENOUGH, NOW + 6 * HOUR, DEFINITION)
    assert request.record["request_id"] == "credit:8:2"


def test_after_failure_an_open_alert_asks_again_once_the_cooldown_is_over():
    policy = requested()
    policy.status(report("failed"), NOW)
    assert policy.consider("7", [], ENOUGH, NOW + HOUR, DEFINITION) == []
    assert len(policy.consider("7", [], ENOUGH, NOW + 6 * HOUR, DEFINITION)) == 1


def test_what_was_declined_is_not_asked_again_for_the_same_reason():
    policy = requested()
    policy.status(report("declined"), NOW)
    assert policy.consider("7", [], ENOUGH, NOW + 9 * HOUR, DEFINITION) == []
    [request] = policy.consider("7", [alert(fingerprint="other")], ENOUGH, NOW + 9 * HOUR, DEFINITION)
    assert request.record["request_id"] == "credit:7:2"


def test_silence_asks_again_up_to_the_last_attempt_and_then_alerts():
    policy = requested()
    attempts = []
    for hour in range(1, 100):
        for output in policy.tick(NOW + hour * HOUR):
            attempts += [(hour, output.record["attempt"], output.record["request_id"])]
    assert attempts == [(24, 2, "credit:7:1"), (48, 3, "credit:7:1")]
    finding = unanswered(policy)
    assert (finding.monitor, finding.value, finding.onset_us, policy.version) == (UNANSWERED, 3.0, NOW, "7")


def test_a_later_attempt_is_the_same_request_with_a_later_expiry():
    policy = requested()
    [again] = policy.tick(NOW + 24 * HOUR)
    assert again.record["time"] == "2026-11-22T10:00:00.000000Z"
    assert again.record["expires_at"] == "2026-11-23T10:00:00.000000Z"
    assert again.record["reasons"]


def test_a_report_moves_the_deadline_and_a_repeated_one_is_a_sign_of_life():
    policy = requested()
    for hour in (20, 40, 60):
        policy.status(report("started"), NOW + hour * HOUR)
        assert policy.tick(NOW + (hour + 23) * HOUR) == []
    assert len(policy.tick(NOW + 84 * HOUR)) == 1


def test_of_an_attempt_that_was_given_up_only_the_success_counts():
    policy = requested()
    policy.tick(NOW + 24 * HOUR)
    with pytest.raises(BadEvent, match="attempt 1 of credit:7:1 is not in force; 2 is"):
        policy.status(report("failed"), NOW)
    policy.status(report("succeeded"), NOW)
    assert policy.state is RequestState.SUCCEEDED


def test_a_job_that_answers_after_all_ends_the_alert():
    policy = requested()
    for day in (1, 2, 3):
        policy.tick(NOW + day * 24 * HOUR)
    assert unanswered(policy) is not None
    policy.status(report("accepted", attempt=3), NOW + 73 * HOUR)
    assert unanswered(policy) is None
    policy.status(report("declined", attempt=3), NOW + 74 * HOUR)
    assert policy.consider("7", [], ENOUGH, NOW + 200 * HOUR, DEFINITION) == []


def test_an_unanswered_request_is_followed_by_a_new_one_while_its_alert_is_open():
    policy = requested()
    for day in (1, 2, 3):
        policy.tick(NOW + day * 24 * HOUR)
    assert policy.consider("7", [], ENOUGH, NOW + 77 * HOUR, DEFINITION) == []
    [request] = policy.consider("7", [], ENOUGH, NOW + 78 * HOUR, DEFINITION)
    assert (request.record["request_id"], request.record["attempt"]) == ("credit:7:2", 1)


def test_a_dry_run_is_told_once_waits_for_nobody_and_cools_down():
    definition = DEFINITION.model_copy(
        update={"retrain": DEFINITION.retrain.model_copy(update={"dry_run": True})}
    )
    policy = RetrainPolicy("credit")
    [request] = policy.consider("7", [alert()], ENOUGH, NOW, definition)
    assert request.record["dry_run"] is True
    assert policy.tick(NOW + 100 * HOUR) == []
    assert policy.consider("7", [alert("updated")], ENOUGH, NOW + 100 * HOUR, definition) == []
    assert policy.consider("7", [alert(fingerprint="x")], ENOUGH, NOW + 100 * HOUR, definition)
    with pytest.raises(BadEvent):
        policy.status(report("accepted"), NOW)


def test_a_request_names_the_gravest_hundred_reasons():
    alerts = [alert(fingerprint=str(i), severity="info" if i else "critical") for i in range(150)]
    [request] = RetrainPolicy("credit").consider("7", alerts[::-1], ENOUGH, NOW, DEFINITION)
    assert len(request.record["reasons"]) == 100
    assert request.record["reasons"][0]["fingerprint"] == "0"


def definition(**terms) -> MonitorDefinition:
    return MonitorDefinition.model_validate(
        {"model": "credit", "retrain": {"on": ["concept_drift"], "min_labels": 100, **terms}}
    )


@pytest.mark.parametrize("monitor", ["data_quality", "missing_labels"])
def test_unless_one_says_otherwise_broken_data_and_missing_labels_hold_a_request_back(monitor):
    policy = RetrainPolicy("credit")
    assert policy.consider("7", [alert()], ENOUGH, NOW, definition(), open_monitors={monitor}) == []
    assert policy.consider("7", [alert()], ENOUGH, NOW, definition(), open_monitors={"drift"}) != []


def test_a_request_waits_while_its_data_are_said_to_be_broken():
    policy = RetrainPolicy("credit")
    held = definition(blocked_by=["data_quality"])
    assert policy.consider("7", [alert()], ENOUGH, NOW, held, open_monitors={"data_quality"}) == []
    assert policy.held is not None
    assert policy.held.guard == "blocked_by"
    assert policy.consider("7", [], ENOUGH, NOW, held, open_monitors={"drift"}) != []
    assert policy.held is None


@pytest.mark.parametrize(
    ("terms", "guard"),
    [
        ({"min_coverage": 0.97}, "min_coverage"),
        ({"blackout": ["09:30-10:30"]}, "blackout"),
        ({"blackout": ["22:00-10:01"]}, "blackout"),
        ({"blackout": ["00:00-00:00"]}, "blackout"),
        ({"blackout": ["10:01-10:00"]}, None),
        ({"min_labels": 3_073}, "min_labels"),
    ],
)
def test_each_guard_holds_a_request_back(terms, guard):
    policy = RetrainPolicy("credit")
    asked = policy.consider("7", [alert()], ENOUGH, NOW, definition(**terms))
    assert (policy.held and policy.held.guard, bool(asked)) == (guard, guard is None)


def test_a_schedule_asks_without_an_alert_and_counts_from_the_latest_request():
    policy, monthly = RetrainPolicy("credit"), definition(every="30d", cooldown="1h")
    day = 24 * HOUR
    for elapsed, asks in ((0, False), (29, False), (30, True)):
        policy.remind("7", 5_000, NOW + elapsed * day, monthly.retrain)
        asked = policy.consider("7", [], ENOUGH, NOW + elapsed * day, monthly)
        assert bool(asked) is asks
    assert [reason["monitor"] for reason in asked[0].record["reasons"]] == ["schedule"]
    policy.status(report("declined"), NOW + 30 * day)
    for elapsed, asks in ((59, False), (60, True)):
        policy.remind("7", 9_000, NOW + elapsed * day, monthly.retrain)
        assert bool(policy.consider("7", [], ENOUGH, NOW + elapsed * day, monthly)) is asks


def test_so_many_fresh_labels_ask_without_an_alert():
    policy, terms = RetrainPolicy("credit"), definition(fresh_labels=1_000)
    for labels, asks in ((400, False), (1_399, False), (1_400, True)):
        policy.remind("7", labels, NOW, terms.retrain)
        assert bool(policy.consider("7", [], ENOUGH, NOW, terms)) is asks


def test_what_an_operator_demands_no_guard_holds_back():
    policy, terms = RetrainPolicy("credit"), definition(blackout=["00:00-00:00"], min_labels=10_000)
    policy.demand("7", "kari", "before the campaign")
    [request] = policy.consider("7", [], FEW, NOW, terms, open_monitors={"data_quality"})
    assert (request.record["actor"], request.record["note"]) == ("kari", "before the campaign")
    assert [reason["monitor"] for reason in request.record["reasons"]] == ["manual"]
    with pytest.raises(BadEvent, match="credit:7:1 is requested"):
        policy.demand("7", "kari", None)


def test_what_was_demanded_and_what_is_held_back_survives_a_restart():
    policy = RetrainPolicy("credit")
    policy.remind("7", 5, NOW, definition(every="1d").retrain)
    policy.consider("7", [alert()], FEW, NOW, definition())
    policy.demand("7", "kari", None)
    again = RetrainPolicy.from_state("credit", json.loads(json.dumps(policy.to_state())))
    assert again.to_state() == policy.to_state()
    [request] = again.consider("7", [], FEW, NOW, definition())
    assert request.record["actor"] == "kari"
