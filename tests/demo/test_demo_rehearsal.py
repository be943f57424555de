"""The core under the demo's traffic, without Kafka: every fault is caught, and nothing else alarms."""

import pytest

from streamgauge.demo.definitions import definition_events
from streamgauge.demo.offline import START_US, rehearsed
from streamgauge.schemas.monitor import Fleet, MonitorDefinition


def test_the_demos_definitions_are_valid() -> None:
    fleet, *models = [event.document for event in definition_events(START_US)]
    assert Fleet.model_validate(fleet).models == len(models)
    assert [MonitorDefinition.model_validate(document).model for document in models] == [
        "phishing",
        "approval",
        "credit",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_every_fault_is_caught_by_its_monitor_and_no_alert_is_without_a_cause(seed: int) -> None:
    board, verdict = rehearsed(seed)
    assert verdict.missed == ()
    assert verdict.causeless == ()
    assert board.requests > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_without_faults_there_is_no_alert(seed: int) -> None:
    board, verdict = rehearsed(seed, with_faults=False)
    assert [alert["summary"] for alert in verdict.causeless] == []
    assert board.requests == 0
    assert all(row.judged > 50_000 for row in board.rows.values())
