"""A plan: which action when, with which arguments. Made from a seed, saved as JSON, run again, shrunk."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.scale import Scale


@dataclass(frozen=True, slots=True)
class Step:
    """One action, not before `at_s` seconds of the run."""

    at_s: float
    action: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a run: `steps` in the order of their times."""

    seed: int
    seconds: float
    scale: Scale
    steps: tuple[Step, ...]

    @property
    def actions(self) -> Counter[str]:
        """How often each is there."""
        return Counter(step.action for step in self.steps)

    def only(self, steps: list[Step]) -> "Plan":
        """The same with these steps."""
        return Plan(self.seed, self.seconds, self.scale, tuple(sorted(steps, key=lambda step: step.at_s)))

    def save(self, path: Path) -> None:
        """One step a line, for a person to edit."""
        head = {"seed": self.seed, "seconds": self.seconds, "scale": self.scale.to_json()}
        steps = ",\n".join(json.dumps([s.at_s, s.action, s.arguments]) for s in self.steps)
        path.write_text(json.dumps(head)[:-1] + ', "steps": [\n' + steps + "\n]}\n")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        found = json.loads(path.read_text())
        steps = tuple(Step(at_s, action, arguments) for at_s, action, arguments in found["steps"])
        return cls(found["seed"], found["seconds"], Scale(**found["scale"]), steps)
