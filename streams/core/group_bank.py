"""`GroupBank`: are the groups of a protected attribute selected more differently than is tolerated?"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        return float(len(self._evidence))

    def monitors(self) -> list[str]:
        """The monitors that have something to say by now."""
        return ["fairness"] if self._evidence else []

    def redefine(self, definition: MonitorDefinition) -> None:
        """Another definition with the same tolerances; the monitor may be off now."""
        self.definition = definition
        if not definition.rule("fairness").enabled:
            self._evidence = {}

    def expect(self, attributes: Iterable[str], paid: float) -> None:
        """Evidence about these attributes begins, if it has not; it is paid for from `paid` on."""
        if self._tolerance is not None and self.definition.rule("fairness").enabled:
            for attribute in attributes:
                if attribute not in self._evidence:
                    self._evidence[attribute] = DisparityEvidence(self._tolerance, paid)

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
            self._evidence[attribute] = DisparityEvidence.from_state(part, self._tolerance or 0.0)
