"""A short chaos run on a real broker; `make chaos` runs long ones, which break the broker too."""

from pathlib import Path

import pytest

from streamgauge.schemas.message import PREDICTIONS
from tests.chaos.disturbing import DISTURBANCES
from tests.chaos.drawing import draw
from tests.chaos.plan import Step
from tests.chaos.run import carry_out
from tests.chaos.scale import SHORT
from tests.kafka_broker import Broker

pytestmark = pytest.mark.kafka

#: Those that take no while, and need no broker of their own. Without a C compiler the clock stays right.
FAULTS = [
    Step(3.0, "kill", {"worker": 0, "away_s": 0.5}),
    Step(4.0, "jump", {"ahead_s": 3600.0, "seconds": 3.0}),
    Step(5.0, "pause_topic", {"topic": PREDICTIONS, "seconds": 2.0}),
    Step(7.0, "join"),
    Step(9.0, "stop", {"worker": 1}),
    # after all else, so that a partition ends in what nobody gets
    Step(12.5, "abort", {"batch": {"seed": 1, "model": "credit", "events": 20, "time_s": 5.0}}),
]


def test_chaos_changes_no_number_and_loses_and_doubles_nothing(kafka: Broker, tmp_path: Path) -> None:
    drawn = draw(1, seconds=12, scale=SHORT, without=["recreate"])
    traffic = [step for step in drawn.steps if step.action not in DISTURBANCES]
    outcome = carry_out(drawn.only([*traffic, *FAULTS]), kafka, tmp_path)
    if outcome.is_void:
        pytest.skip(f"this machine was {outcome.figures['behind_s']} s behind: no verdict")
    assert outcome.problems == []
    assert outcome.figures["events"] > 2_000
