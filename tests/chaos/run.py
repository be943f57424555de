"""`carry_out`: a plan on a real broker with real workers, and what came of it."""

import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.traffic import PARTITIONS
from tests.acceptance.waiting import wait_applied
from tests.chaos.disturbing import DISTURBANCES
from tests.chaos.endings import recreate
from tests.chaos.fleet import Fleet
from tests.chaos.lag import Stalls
from tests.chaos.plan import Plan, Step
from tests.chaos.sabotage import Clock, Disk
from tests.chaos.sending import SENDING
from tests.chaos.verdict import Verdict
from tests.chaos.world import World
from tests.harness import create_topics
from tests.kafka_broker import Broker

_CATCH_UP_S = 180.0
_STEP_S = 0.02


@dataclass(slots=True)
class Outcome:
    """Of one run; it passed if there is no problem.

    Problems are void if events came, or were left lying, so late that the order between topics may show.
    """

    plan: Plan
    is_void: bool = False
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> Mapping[str, Any]:
        return {
            "seed": self.plan.seed,
            "is_void": self.is_void,
            "problems": self.problems,
            "notes": self.notes,
            "figures": self.figures,
        }


def carry_out(
    plan: Plan, broker: Broker, directory: Path, tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Start two workers, do what the plan says when it says, wait until all is final, and judge.

    `directory` gets the workers' logs. Raises nothing about what is found: it is in the outcome.
    """
    outcome = Outcome(plan)
    connection = create_topics(broker.bootstrap_servers, f"chaos-{uuid.uuid4().hex[:8]}.", PARTITIONS)
    with Fleet(connection, directory) as fleet:
        start_us = time.time_ns() // 1_000
        world = World(broker, connection, fleet, plan.scale, start_us)
        for document in plan.scale.definitions():
            world.control.define(document)
        for _ in range(2):
            fleet.join().wait_ready()
        wait_applied(connection)
        world.start_us = time.time_ns() // 1_000 + 500_000
        with Stalls(connection) as stalls:
            _play(world, plan, tell)
            tell("all is sent; waiting until it is applied")
            began = time.monotonic()
            try:
                wait_applied(connection, _CATCH_UP_S)
            except AssertionError as error:
                world.failures.append(f"not caught up: {error}")
        caught_up_s = time.monotonic() - began
        verdict = Verdict(connection, plan.scale)
        wrong = _final(world, plan, verdict, tell)
        for worker in fleet.members:
            if (code := fleet.stop(worker)) != 0:
                world.failures.append(f"a worker ended with {code} on SIGTERM: {worker.logs[-2_000:]}")
        outcome.problems = [*world.failures, *fleet.refusals, *wrong, *verdict.problems()]
        if plan.actions["recreate"]:
            outcome.problems += recreate(world)
        behind_s = max(verdict.delay_s, stalls.longest_s)
        outcome.is_void = bool(outcome.problems) and behind_s > plan.scale.most_behind_s
        outcome.notes = world.notes
        outcome.figures = {
            "events": verdict.events,
            "input_records": verdict.records,
            "outputs": dict(verdict.figures()),
            "actions": dict(plan.actions),
            "worker_starts": fleet.starts,
            "exits": {str(code): count for code, count in sorted(fleet.exits.items())},
            "behind_s": round(behind_s, 1),
            "caught_up_s": round(caught_up_s, 1),
        }
    return outcome


def cannot_be_had() -> list[str]:
    """Disturbances that this machine does not permit."""
    with tempfile.TemporaryDirectory() as directory:
        disk = Disk(Path(directory) / "state")
        disk.mount()
        disk.unmount()
        can_jump = Clock(Path(directory)).can_jump
    found = [] if disk.is_own else ["fill_disk"]
    return found if can_jump else [*found, "jump"]


def _play(world: World, plan: Plan, tell: Callable[[str], None]) -> None:
    """Traffic keeps its times; disturbances follow one another, for some take a while."""
    disturbing = [step for step in plan.steps if step.action in DISTURBANCES]
    lane = threading.Thread(target=_disturb, args=(world, disturbing, tell), daemon=True)
    lane.start()
    told_s = 0.0
    for step in (step for step in plan.steps if step.action in SENDING):
        while world.now_s < step.at_s:
            time.sleep(_STEP_S)
            world.release()
        SENDING[step.action](world, **step.arguments)
        if world.now_s > told_s + 15:
            told_s = world.now_s
            tell(f"{told_s:4.0f} s: {world.sent} events sent, {len(world.fleet.members)} workers")
    lane.join(plan.seconds + 300)
    if lane.is_alive():
        world.failures.append("the disturbances did not end")
    world.finish_sending()


def _disturb(world: World, steps: Sequence[Step], tell: Callable[[str], None]) -> None:
    for step in steps:
        while world.now_s < step.at_s:
            time.sleep(_STEP_S)
        tell(f"{world.now_s:4.0f} s: {step.action} {dict(step.arguments)}")
        try:
            DISTURBANCES[step.action].act(world, **step.arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on and tells of it
            world.failures.append(f"{step.action} at {step.at_s} s failed: {error!r}")


def _final(world: World, plan: Plan, verdict: Verdict, tell: Callable[[str], None]) -> list[str]:
    """The problems of metrics, when they are final, or when that should have been long ago."""
    scale = plan.scale
    last_s = max((step.at_s for step in plan.steps), default=0.0)
    due_s = last_s + scale.window_s + scale.reach_s + scale.grace_s + 3
    tell(f"waiting until labels can change nothing any more, {max(0.0, due_s - world.now_s):.0f} s")
    world.wait(max(0.0, due_s - world.now_s))
    deadline = time.monotonic() + 60
    while (wrong := verdict.metric_problems()) and time.monotonic() < deadline:
        world.wait(3)
    return wrong


def summary(outcome: Outcome) -> str:
    """One line of figures."""
    figures = outcome.figures
    exits: Counter[str] = Counter(figures.get("exits", {}))
    disturbed = sum(n for action, n in figures["actions"].items() if action in DISTURBANCES)
    return (
        f"seed {outcome.plan.seed}: {figures['events']} events, {disturbed} disturbances, "
        f"{figures['worker_starts']} worker starts (exits {dict(exits)}), caught up after "
        f"{figures['caught_up_s']} s, at most {figures['behind_s']} s behind: "
        f"{len(outcome.problems) or 'no'} problems{', void' if outcome.is_void else ''}"
    )
