"""A short chaos run on a real broker; `make chaos` runs long ones, which break the broker too."""

from pathlib import Path

import pytest

from tests.chaos.drawing import draw
from tests.chaos.run import carry_out
from tests.chaos.scale import SHORT
from tests.kafka_broker import Broker

pytestmark = pytest.mark.kafka


def test_chaos_changes_no_number_and_loses_and_doubles_nothing(kafka: Broker, tmp_path: Path) -> None:
    # the broker is that of all tests, and disk and clock cannot be had everywhere
    plan = draw(22, seconds=13, scale=SHORT, without=["break_broker", "fill_disk", "jump"], gap_s=4)
    assert {"kill", "stop", "pause_topic", "abort", "join"} <= set(plan.actions)
    outcome = carry_out(plan, kafka, tmp_path)
    assert outcome.problems == []
    assert outcome.figures["events"] > 2_000
