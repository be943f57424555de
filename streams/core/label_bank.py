"""`LabelBank`: are the labels of a version distributed as its first ones were?"""

from typing import Any

import numpy as np

from streamgauge.detectors.baseline import column_profile
from streamgauge.detectors.binning import FeatureBinner
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.evidence.account import UNPAID, Balance, paid_of
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.categorical import CategoricalEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.schemas.batch import Categories, Column, Ints, take_column
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.profile import BaselineProfile, FeatureProfile, NumericProfile

#: The name under which labels stand among the features of metrics and alerts.
LABEL = "label"
MONITOR = "label_drift"
#: A byte of each prediction holds one.
_GENERATIONS = 127
_DISTANCES = ("psi", "psi_noise_level", "js_distance")
#: No label is missing, of another type or has a declared range.
_NOT_OF_LABELS = ("missing_rate", "out_of_range_rate", "wrong_type_rate")


class LabelBank:
    """Sequential evidence about labels in the order in which they came; the first `first` are the reference.

    A prediction's first label counts here, corrections don't. `streams` and `alpha` are the fleet's.
    """

    def __init__(self, definition: MonitorDefinition, first: int, streams: int, alpha: float) -> None:
        self.definition = definition
        self.first, self._streams, self._alpha = first, streams, alpha
        self._learned: list[Column] = []
        #: Of the reference, so far; there will be `first`.
        self.rows = 0
        self.profile: FeatureProfile | None = None
        self._evidence: NumericEvidence | CategoricalEvidence | None = None
        self.binner: FeatureBinner | None = None
        #: Of the reference, from 1 on: what was counted against another one counts no more.
        self.generation = 1

    @property
    def weight(self) -> float:
        return 0.0 if self._evidence is None else self._evidence.weight

    @property
    def evidence(self) -> tuple[NumericEvidence | CategoricalEvidence, ...]:
        """What shares the budget."""
        return () if self._evidence is None else (self._evidence,)

    def monitors(self) -> list[str]:
        """The monitors that have something to say by now."""
        return [] if self._evidence is None else [MONITOR]

    def update(self, label: Column, time_us: Ints, paid: Balance) -> int:
        """Labels of newly labelled predictions, (n,); gives how many went into the reference."""
        room = min(max(self.first - self.rows, 0), len(time_us))
        if room:
            self._learned.append(take_column(label, slice(room)))
            self.rows += room
            if self.rows == self.first:
                self._adopt(_profile(self._learned))
                self._learned = []
        if self._evidence is not None and self.binner is not None and room < len(time_us):
            codes = self.binner.bins({LABEL: take_column(label, slice(room, None))}).codes
            if isinstance(self._evidence, CategoricalEvidence):
                codes = self._evidence.places(self.binner.width - 2)[codes]
            self._evidence.update_codes(codes, time_us[room:], paid_of(paid, slice(room, None)))
        return room

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call."""
        return [] if self._evidence is None else self._evidence.take_alarms()

    def learn_anew(self) -> None:
        """The reference is learned from what comes."""
        self._learned, self.rows = [], 0
        self.profile = self._evidence = self.binner = None
        self.generation = self.generation % _GENERATIONS + 1

    def redefine(self, definition: MonitorDefinition) -> None:
        """The monitor may be on or off now, or weigh more or less: then evidence starts anew."""
        before, self.definition = self.definition, definition
        if self.profile is not None and before.rule(MONITOR).stake != definition.rule(MONITOR).stake:
            self._adopt(self.profile)

    def to_state(self) -> dict[str, Any]:
        profile = self.profile
        return {
            "rows": self.rows,
            "generation": self.generation,
            "learned": [
                {"codes": part.codes, "values": list(part.values)} if isinstance(part, Categories) else part
                for part in ([_joined(self._learned)] if self._learned else [])
            ],
            "profile": None if profile is None else BaselineProfile(profile.n, prediction=profile).to_json(),
            "evidence": None if self._evidence is None else self._evidence.to_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `to_state` gave."""
        self.rows, self.generation = state["rows"], state["generation"]
        self._learned = [
            Categories(part["codes"], tuple(part["values"])) if isinstance(part, dict) else part
            for part in state["learned"]
        ]
        if state["profile"] is not None:
            self._adopt(BaselineProfile.from_json(state["profile"]).prediction)
        if self._evidence is not None:
            self._evidence.restore(state["evidence"])

    def _adopt(self, profile: FeatureProfile | None) -> None:
        self.profile = profile
        self._evidence = None
        if profile is None:
            return
        self.binner = FeatureBinner({LABEL: profile})
        rule, fleet = self.definition.rule(MONITOR), (self._streams, self._alpha)
        if not rule.enabled:
            return
        if isinstance(profile, NumericProfile):
            self._evidence = NumericEvidence([profile], *fleet, paid=UNPAID, share=rule.weight)
        else:
            self._evidence = CategoricalEvidence([profile], *fleet, paid=UNPAID, share=rule.weight)


def label_metrics(counts: FeatureCounts) -> dict[str, Estimate]:
    """Distances of labels from their reference; without a value where every label was retracted."""
    [metrics] = counts.metrics().values()
    for name in _NOT_OF_LABELS:
        metrics.pop(name, None)
    kind = ("ks", "wasserstein") if isinstance(counts.binner.profiles[0], NumericProfile) else ("chi2",)
    return {name: Estimate.undefined() for name in (*_DISTANCES, *kind)} | metrics


def _profile(parts: list[Column]) -> FeatureProfile | None:
    return column_profile(_joined(parts))


def _joined(parts: list[Column]) -> Column:
    """Codes of classes are stable: the longest list of values names them all."""
    codes = [part.codes for part in parts if isinstance(part, Categories)]
    if codes:
        values = max((part.values for part in parts if isinstance(part, Categories)), key=len)
        return Categories(np.concatenate(codes), values)
    return np.concatenate([part for part in parts if not isinstance(part, Categories)])
