"""A failing plan becomes as small as its failure lets it."""

from tests.chaos.drawing import draw
from tests.chaos.plan import Plan
from tests.chaos.scale import LONG
from tests.chaos.shrink import shrink


def test_what_does_not_matter_is_dropped() -> None:
    plan = draw(1, 300, LONG)
    tried = 0

    def fails(smaller: Plan) -> bool:
        nonlocal tried
        tried += 1
        return smaller.actions["freeze"] > 1 and smaller.actions["poison"] > 0

    assert fails(plan)
    small = shrink(plan, fails)
    assert small.actions == {"freeze": 2, "poison": 1}
    assert tried < 150
    assert [step.at_s for step in small.steps] == sorted(step.at_s for step in small.steps)


def test_what_fails_without_any_disturbance_keeps_its_traffic() -> None:
    small = shrink(draw(1, 30, LONG), lambda plan: plan.actions["predict"] >= 3)
    assert small.actions == {"predict": 3}
