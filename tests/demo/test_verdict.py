"""The demo's verdict: who caught what, what had no cause, and when that is a failure."""

from typing import Any

import pytest

from streamgauge.demo.board import Board
from streamgauge.demo.faults import MINUTE_US, Fault, Kind
from streamgauge.demo.report import report
from streamgauge.demo.verdict import SLACK_US, judge
from streamgauge.schemas.times import format_time

T0 = 1_763_712_000_000_000


def _fault(kind: Kind, model: str, start: int, end: int) -> Fault:
    return Fault(kind, model, T0 + start * MINUTE_US, T0 + end * MINUTE_US, "", 2.0, "a story")


def _alert(
    monitor: str, model: str, opened: float, state: str = "opened", episode: int = 1
) -> dict[str, Any]:
    return {
        "alert_id": f"{model}-{monitor}-{episode}",
        "model": model,
        "monitor": monitor,
        "state": state,
        "opened_at": format_time(T0 + int(opened * MINUTE_US)),
        "related": [],
    }


def test_the_first_alert_of_its_monitor_catches_a_fault() -> None:
    verdict = judge(
        [_fault("latency", "credit", 60, 90)],
        [_alert("latency", "credit", 69), _alert("latency", "credit", 80, episode=2)],
    )
    caught = verdict.faults[0]
    assert caught.alert is not None
    assert caught.alert["alert_id"] == "credit-latency-1"
    assert caught.delay_us == 9 * MINUTE_US
    assert [a["alert_id"] for a in caught.consequences] == ["credit-latency-2"]
    assert verdict.passed()


def test_other_alerts_of_the_model_are_consequences_and_do_not_catch() -> None:
    verdict = judge([_fault("unit", "credit", 60, 90)], [_alert("concept_drift", "credit", 65)])
    assert [f.kind for f in verdict.missed] == ["unit"]
    assert len(verdict.faults[0].consequences) == 1
    assert not verdict.passed()


def test_an_alert_of_another_model_or_before_the_fault_has_no_cause() -> None:
    verdict = judge(
        [_fault("unit", "credit", 60, 90)],
        [
            _alert("drift", "phishing", 65),
            _alert("drift", "credit", 59),
            _alert("drift", "credit", 61, episode=2),
        ],
    )
    assert {a["alert_id"] for a in verdict.causeless} == {"phishing-drift-1", "credit-drift-1"}
    assert verdict.passed()


@pytest.mark.parametrize(("after_end_us", "caused"), [(SLACK_US - 1, True), (SLACK_US, False)])
def test_a_fault_is_felt_a_while_after_its_end(after_end_us: int, caused: bool) -> None:
    fault = _fault("concept", "credit", 60, 90)
    alert = _alert("accuracy", "credit", 90 + after_end_us / MINUTE_US)
    assert bool(judge([fault], [alert]).faults[0].consequences) is caused


def test_what_an_alert_tells_of_other_monitors_is_no_alert_of_theirs() -> None:
    drift = _alert("drift", "credit", 61)
    later = drift | {"state": "updated", "related": [{"monitor": "concept_drift"}]}
    verdict = judge([_fault("unit", "credit", 60, 90)], [drift, later, drift | {"state": "resolved"}])
    assert verdict.faults[0].told == ("concept_drift",)
    assert verdict.opened == 1
    assert verdict.to_json()["faults"][0]["told"] == ["concept_drift"]
    assert (
        "drift alert after 1 min, which tells of concept_drift too"
        in report(verdict, Board((), ()), 160.0)[0].text
    )


def test_two_faults_of_one_model_each_take_the_alert_of_their_monitor() -> None:
    faults = [_fault("group", "credit", 60, 100), _fault("latency", "credit", 70, 100)]
    verdict = judge(faults, [_alert("latency", "credit", 75), _alert("fairness", "credit", 80)])
    assert [caught.alert and caught.alert["monitor"] for caught in verdict.faults] == ["fairness", "latency"]
    assert verdict.causeless == ()


def test_slow_answers_explain_no_alert_but_latency() -> None:
    verdict = judge(
        [_fault("group", "credit", 60, 100), _fault("latency", "credit", 70, 100)],
        [_alert("concept_drift", "credit", 75)],
    )
    assert [len(caught.consequences) for caught in verdict.faults] == [1, 0]
    verdict = judge([_fault("latency", "credit", 70, 100)], [_alert("concept_drift", "credit", 75)])
    assert len(verdict.causeless) == 1


def test_updates_of_an_alert_are_not_more_alerts() -> None:
    events = [_alert("latency", "credit", 69, state) for state in ("opened", "updated", "resolved")]
    verdict = judge([_fault("latency", "credit", 60, 90)], events)
    assert (verdict.opened, verdict.ended) == (1, 1)


def test_without_faults_any_alert_fails() -> None:
    assert judge((), []).passed()
    assert not judge((), [_alert("latency", "credit", 69)]).passed()


def test_the_summary_for_programs_has_the_delay_in_seconds() -> None:
    summary = judge([_fault("latency", "credit", 60, 90)], [_alert("latency", "credit", 69)]).to_json()
    assert summary["passed"] is True
    assert summary["faults"][0]["delay_s"] == 540.0
    assert judge([_fault("latency", "credit", 60, 90)], []).to_json()["faults"][0]["delay_s"] is None
