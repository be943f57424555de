"""`GroupBank`: are the groups of a protected attribute treated more differently than is tolerated?"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.evidence.account import UNPAID, Balance
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.disparity import DisparityEvidence
from streamgauge.schemas.batch import Bools, Ints
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_fairness import GAPS, RATIO, SELECTION_RATE, Gap
from streamgauge.streams.core.grouping import gap_name


class _Stream(NamedTuple):
    """A rate that may differ between the groups of an attribute, by more than a gap's tolerance."""

    gap: Gap
    rate: str
    attribute: str


class GroupBank:
    """Evidence by gap and protected attribute; without a reference, as equal rates up to a tolerance are
    expected. Of equalized odds there are two streams an attribute, one for each rate."""

    def __init__(self, definition: MonitorDefinition) -> None:
        self.definition = definition
        self._evidence: dict[_Stream, DisparityEvidence] = {}

    @property
    def weight(self) -> float:
        return self.definition.rule("fairness").weight * len(self._evidence)

    @property
    def evidence(self) -> tuple[DisparityEvidence, ...]:
        """What shares the budget."""
        return tuple(self._evidence.values())

    @property
    def rests_on_labels(self) -> bool:
        """Whether any of it does."""
        return any(stream.rate != SELECTION_RATE for stream in self._evidence)

    @property
    def wants_labels(self) -> bool:
        """Whether a gap is tolerated, and no more, in a rate that labels tell."""
        rule, tolerance = self.definition.rule("fairness"), self.definition.fairness.tolerance
        return rule.enabled and any(GAPS[gap] != (SELECTION_RATE,) for gap in tolerance)

    def monitors(self) -> list[str]:
        """The monitors that have something to say by now."""
        return ["fairness"] if self._evidence else []

    def strengths(self) -> dict[str, float]:
        """How far evidence has come, of what; 1 is an alarm."""
        return {f"{s.gap} of {s.attribute}": evidence.evidence for s, evidence in self._evidence.items()}

    def by_rate(self) -> Iterator[tuple[str, DisparityEvidence]]:
        """The rates that are watched, and what watches them."""
        return ((stream.rate, evidence) for stream, evidence in self._evidence.items())

    def redefine(self, definition: MonitorDefinition) -> None:
        """Another definition with the same tolerances; if the monitor is off now, or weighs more or less,
        evidence starts anew."""
        before, self.definition = self.definition, definition
        if before.rule("fairness").stake != definition.rule("fairness").stake:
            self._evidence = {}

    def expect(self, groups: Mapping[str, NDArray[Any]], rate: str = SELECTION_RATE) -> None:
        """Evidence about these attributes begins with the first event that has a group of theirs."""
        if not self.definition.rule("fairness").enabled:
            return
        gaps = self._tolerated(rate)
        for attribute, codes in groups.items():
            new = [s for gap in gaps if (s := _Stream(gap, rate, attribute)) not in self._evidence]
            if new and (codes >= 0).any():
                self._evidence |= {stream: self._new(stream) for stream in new}

    def awaits(self, attributes: Iterable[str]) -> bool:
        """Whether the next prediction may begin evidence about who of these is selected."""
        gaps = self._tolerated(SELECTION_RATE) if self.definition.rule("fairness").enabled else []
        return any(_Stream(gap, SELECTION_RATE, a) not in self._evidence for gap in gaps for a in attributes)

    def serve(
        self, groups: Mapping[str, NDArray[Any]], selected: Bools, time_us: Ints, paid: Balance
    ) -> Iterator[tuple[str, Alarm]]:
        """Group codes (-1: unknown) and who was selected, of shape (n,): what alarms, by `gap_name`."""
        yield from self._update(SELECTION_RATE, groups, selected, time_us, paid)

    def label(
        self,
        groups: Mapping[str, NDArray[Any]],
        selected: Bools,
        positive: Bools,
        time_us: Ints,
        paid: Balance,
    ) -> Iterator[tuple[str, Alarm]]:
        """The same of newly labelled predictions, and whose label is the positive one, of shape (n,)."""
        rates: dict[str, tuple[Bools, Bools]] = {
            "true_positive_rate": (positive, selected),
            "false_positive_rate": (~positive, selected),
            "precision": (selected, positive),
        }
        for rate, (among, hits) in rates.items():
            if self._tolerated(rate):
                counted = {attribute: np.where(among, codes, -1) for attribute, codes in groups.items()}
                self.expect(counted, rate)
                yield from self._update(rate, counted, hits, time_us, paid)

    def to_state(self) -> Any:
        return [[*stream, evidence.to_state()] for stream, evidence in self._evidence.items()]

    def restore(self, state: Any) -> None:
        """Continue from what `to_state` gave."""
        for *names, part in state:
            stream = _Stream(*names)
            self._evidence[stream] = self._new(stream, part)

    def _tolerated(self, rate: str) -> list[Gap]:
        """The gaps in this rate that have a tolerance."""
        return [gap for gap in self.definition.fairness.tolerance if rate in GAPS[gap]]

    def _new(self, stream: _Stream, state: Any = None) -> DisparityEvidence:
        tolerance, ratio = self.definition.fairness.tolerance[stream.gap], stream.gap == RATIO
        weight = self.definition.rule("fairness").weight
        if state is None:
            return DisparityEvidence(tolerance, UNPAID, weight, ratio=ratio)
        return DisparityEvidence.from_state(state, tolerance, weight, ratio=ratio)

    def _update(
        self, rate: str, groups: Mapping[str, NDArray[Any]], hits: Bools, time_us: Ints, paid: Balance
    ) -> Iterator[tuple[str, Alarm]]:
        """Every stream of this rate takes the rows that count for it."""
        for stream, evidence in self._evidence.items():
            if stream.rate == rate and stream.attribute in groups:
                codes = groups[stream.attribute].astype(np.int64)
                evidence.update_many(codes, hits.astype(np.int64), time_us, paid)
                for alarm in evidence.take_alarms():
                    yield gap_name(stream.gap, stream.attribute), alarm
