"""`GroupBank`: are the groups of a protected attribute selected more differently than is tolerated?"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.evidence.account import UNPAID
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.disparity import DisparityEvidence
from streamgauge.schemas.batch import Bools, Floats, Ints
from streamgauge.schemas.monitor import MonitorDefinition

_METRIC = "demographic_parity_difference"


class GroupBank:
    """Evidence by protected attribute; without a reference, as parity up to a tolerance is expected."""

    def __init__(self, definition: MonitorDefinition) -> None:
        self.definition = definition
        self._tolerance = definition.fairness.tolerance.get(_METRIC)
        self._evidence: dict[str, DisparityEvidence] = {}

    @property
    def weight(self) -> float:
        return self.definition.rule("fairness").weight * len(self._evidence)

    @property
    def evidence(self) -> tuple[DisparityEvidence, ...]:
        """What shares the budget."""
        return tuple(self._evidence.values())

    def monitors(self) -> list[str]:
        """The monitors that have something to say by now."""
        return ["fairness"] if self._evidence else []

    def redefine(self, definition: MonitorDefinition) -> None:
        """Another definition with the same tolerances; if the monitor is off now, or weighs more or less,
        evidence starts anew."""
        before, self.definition = self.definition, definition
        if before.rule("fairness").stake != definition.rule("fairness").stake:
            self._evidence = {}

    def expect(self, groups: Mapping[str, NDArray[Any]]) -> None:
        """Evidence about these attributes begins with the first event that has a group of theirs."""
        rule = self.definition.rule("fairness")
        if self._tolerance is None or not rule.enabled:
            return
        for attribute, codes in groups.items():
            if attribute not in self._evidence and (codes >= 0).any():
                self._evidence[attribute] = DisparityEvidence(self._tolerance, UNPAID, rule.weight)

    def update(
        self, groups: Mapping[str, NDArray[Any]], selected: Bools, time_us: Ints, paid: Floats
    ) -> Iterator[tuple[str, Alarm]]:
        """Group codes (-1: unknown) and who was selected, of shape (n,): attributes that alarm."""
        for attribute in [name for name in groups if name in self._evidence]:
            evidence, codes = self._evidence[attribute], groups[attribute]
            evidence.update_many(codes.astype(np.int64), selected.astype(np.int64), time_us, paid)
            for alarm in evidence.take_alarms():
                yield attribute, alarm

    def to_state(self) -> Any:
        return {attribute: evidence.to_state() for attribute, evidence in self._evidence.items()}

    def restore(self, state: Any) -> None:
        """Continue from what `to_state` gave."""
        for attribute, part in state.items():
            weight = self.definition.rule("fairness").weight
            self._evidence[attribute] = DisparityEvidence.from_state(part, self._tolerance or 0.0, weight)
