"""The events of one step of a plan, made again from a few numbers, so that a plan stays small."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.acceptance.traffic import PRICE, Event, other_class, predict


@dataclass(frozen=True, slots=True)
class Batch:
    """Predictions of one model whose times begin at `time_s` of the run and are 5 ms apart.

    The labels of a batch are made from the same numbers as its predictions: a step that sends them needs no
    other step, and a plan may lose either.
    """

    seed: int
    model: str
    events: int
    time_s: float
    doubtful: bool = False

    @classmethod
    def of(cls, numbers: dict[str, Any]) -> "Batch":
        return cls(**numbers)

    def predictions(self, start_us: int, version: str = "7") -> list[Event]:
        """In the order of their times. A shadow version answers the same requests."""
        events = [event for event, _ in self._events(start_us)]
        return [{**event, "version": version} for event in events]

    def labels(
        self, start_us: int, time_s: float, *, revision: int = 0, kind: str = "true", share: float = 1.0
    ) -> list[Event]:
        """What turned out at `time_s` of the first `share`: `true` labels, `wrong` ones or `retract`ions."""
        chance = random.Random(f"labels {self.seed} {revision}")
        found = []
        for event, truth in list(self._events(start_us))[: round(self.events * share)]:
            label = truth
            if kind == "wrong":
                label = truth + 1_000.0 if self.model == PRICE else other_class(chance, self.model, truth)
            elif kind == "retract":
                label = None
            found.append(
                {
                    "prediction_id": event["prediction_id"],
                    "model": self.model,
                    "time": start_us + round(time_s * 1e6),
                    "label": label,
                    "revision": revision,
                    "retracted": label is None,
                }
            )
        return found

    def _events(self, start_us: int) -> Iterator[tuple[Event, Any]]:
        chance = random.Random(self.seed)
        for number in range(self.events):
            time_us = start_us + round(self.time_s * 1e6) + number * 5_000
            prediction_id = f"{self.model}-{self.seed}-{number}"
            yield predict(chance, self.model, prediction_id, time_us, doubtful=self.doubtful)
