"""`shrink`: a failing plan with as few steps as still fail, by leaving out ever smaller parts of it."""

from collections.abc import Callable

from tests.chaos.disturbing import DISTURBANCES
from tests.chaos.plan import Plan, Step


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """`fails` carries a plan out. Disturbances first: they are few, and say most about the cause.

    Delta debugging (Zeller and Hildebrandt 2002), of what is left out only. What fails by chance may be
    lost on the way: then the plan comes back larger than it need be, and never one that did not fail.
    """
    for disturbing in (True, False):
        plan = _without(plan, [s for s in plan.steps if (s.action in DISTURBANCES) == disturbing], fails)
    return plan


def _without(plan: Plan, candidates: list[Step], fails: Callable[[Plan], bool]) -> Plan:
    size = len(candidates)
    while size and candidates:
        for start in range(0, len(candidates), size):
            part = candidates[start : start + size]
            smaller = plan.only([step for step in plan.steps if not any(step is other for other in part)])
            if smaller.steps and fails(smaller):
                plan = smaller
                candidates = [step for step in candidates if not any(step is other for other in part)]
                break
        else:
            size //= 2
    return plan
