"""The core under the demo's traffic, without Kafka: every fault is caught, and nothing else alarms."""

import pytest

from streamgauge.demo.board import Board
from streamgauge.demo.definitions import definition_events
from streamgauge.demo.offline import START_US, rehearsed
from streamgauge.demo.report import successors
from streamgauge.demo.verdict import Verdict
from streamgauge.schemas.monitor import Fleet, MonitorDefinition

#: (seed, seconds) at the demo's usual density; beside each, one at the lowest. A rehearsal costs as much as
#: any ten other tests: `python -m streamgauge.demo.offline --seed 3` is for further seeds.
USUAL = [(seed, 90.0) for seed in (1, 2)]


def test_the_demos_definitions_are_valid() -> None:
    fleet, *models = [event.document for event in definition_events(START_US)]
    assert Fleet.model_validate(fleet).models == len(models)
    assert [MonitorDefinition.model_validate(document).model for document in models] == [
        "phishing",
        "approval",
        "credit",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "seconds"), [(2, 30.0), *USUAL])
def test_every_fault_is_caught_by_its_monitor_and_no_alert_is_without_a_cause(
    seed: int, seconds: float
) -> None:
    board, verdict, _ = rehearsed(seed, seconds=seconds)
    assert verdict.missed == ()
    assert verdict.causeless == ()
    assert board.requests > 0
    the_loop_is_closed(board, verdict)


def the_loop_is_closed(board: Board, verdict: Verdict) -> None:
    """What a new model was asked for has a better one, and ended so; what was declined has none."""
    concept = next(caught for caught in verdict.faults if caught.fault.kind == "concept")
    told = {each["model"]: each for each in successors(verdict, board)}
    new = told[concept.fault.model]
    assert new["verdict"] == "better"
    assert new["difference"]["low"] * new["difference"]["high"] > 0
    assert 0 < new["delay_s"] < 45 * 60
    last = {event["alert_id"]: event for event in board.alert_events}
    assert concept.alert is not None
    assert last[concept.alert["alert_id"]]["state"] == "superseded"
    new_alerts = {event["monitor"] for event in board.alert_events if event["version"] == new["new_version"]}
    assert new_alerts <= {"latency"}  # the new versions are well, however slow answers are
    assert next(c.fault.model for c in verdict.faults if c.fault.kind == "unit") not in told


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "seconds"), [(3, 30.0), *USUAL])
def test_without_faults_there_is_no_alert(seed: int, seconds: float) -> None:
    board, verdict, _ = rehearsed(seed, with_faults=False, seconds=seconds)
    assert [alert["summary"] for alert in verdict.causeless] == []
    assert board.requests == 0
    assert all(row.judged > 500 * seconds for row in board.rows.values())
