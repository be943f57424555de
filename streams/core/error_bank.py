"""`ErrorBank`: have a version's errors grown? Evidence with a budget, and River's detectors beside it."""

from dataclasses import asdict
from typing import Any

import numpy as np

from streamgauge.detectors.baseline import errors_profile
from streamgauge.detectors.evidence.account import UNPAID, Balance, paid_of
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.river_drift import BINARY, RiverDrift
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_names import ERROR_DETECTORS
from streamgauge.schemas.profile import NumericProfile, RateProfile, errors_of

#: River's detectors by the names of their monitors. They alert only where a definition names them; ADWIN runs
#: always, for its count of changes is published. The others cost 8 to 900 µs an error: they run where named.
RIVER = ERROR_DETECTORS
#: One less NDCG; what is told of it is NDCG.
NDCG_LOSS = "ndcg_loss"
_ALWAYS = ("adwin",)


class ErrorBank:
    """0 / 1 errors of a classifier, absolute errors of a regression, in the order in which labels came.

    The first `first` errors are the reference.
    """

    def __init__(self, definition: MonitorDefinition, first: int, streams: int, alpha: float) -> None:
        self.definition = definition
        self.first, self._streams, self._alpha = first, streams, alpha
        self._learned: list[Floats] = []
        #: Of the reference, so far; there will be `first`.
        self.rows = 0
        self._classes = True
        #: Whether any came since the last window closed: without labels nothing is quiet.
        self.heard = False
        #: Whether errors are what rankings lack of an NDCG of 1.
        self.ranks = False
        self.profile: RateProfile | NumericProfile | None = None
        self._evidence: RateEvidence | NumericEvidence | None = None
        self._river = {name: RiverDrift(name) for name in _running(definition)}

    @property
    def metric(self) -> str:
        if self.ranks:
            return NDCG_LOSS
        return "zero_one_loss" if self._classes else "mean_absolute_error"

    @property
    def baseline(self) -> float | None:
        """Mean of the reference errors."""
        match self.profile:
            case RateProfile(k=k, n=n):
                return k / n
            case NumericProfile(mean=mean):
                return mean
        return None

    @property
    def weight(self) -> float:
        return 0.0 if self._evidence is None else self._evidence.weight

    @property
    def evidence(self) -> tuple[RateEvidence | NumericEvidence, ...]:
        """What shares the budget."""
        return () if self._evidence is None else (self._evidence,)

    def monitors(self) -> list[str]:
        """The monitors that have something to say by now."""
        named = [name for name in self._river if name in self.definition.monitors]
        return named if self._evidence is None else ["concept_drift", *named]

    def update(
        self, error: Floats, classes: bool, time_us: Ints, paid: Balance
    ) -> tuple[Ints, dict[str, Ints]]:
        """Errors of shape (n,), in order; the times of those that were watched (not part of the reference),
        and by name of River's detectors the times at which they fired."""
        self._classes, self.heard = classes, True
        if self.profile is not None and isinstance(self.profile, RateProfile) != classes:
            self.adopt(None)  # a stored profile of another task
        room = self.first - self.rows
        if room > 0:
            self._learned.append(error[:room])
            self.rows += len(error[:room])
            if self.rows >= self.first:
                self._adopt(errors_profile(np.concatenate(self._learned), classes))
                self._learned = []
            error, time_us, paid = error[room:], time_us[room:], paid_of(paid, slice(room, None))
        if len(error) == 0:
            return time_us, {}
        if isinstance(self._evidence, RateEvidence):
            self._evidence.update_many(error[None].astype(np.int64), time_us, paid)
        elif self._evidence is not None:
            self._evidence.update_many(error[None], time_us, paid)
        return time_us, {
            name: time_us[river.update_many(self._bounded(error) if name in BINARY else error)]
            for name, river in self._river.items()
        }

    def redefine(self, definition: MonitorDefinition) -> None:
        """Other monitors may be on, or weigh more or less: then evidence starts anew."""
        before, self.definition = self.definition, definition
        self._river = {name: self._river.get(name) or RiverDrift(name) for name in _running(definition)}
        if before.rule("concept_drift").stake != definition.rule("concept_drift").stake:
            self._evidence = None
            self._adopt(self.profile)

    def adopt(self, profile: RateProfile | NumericProfile | None) -> None:
        """Another reference; without one, it is learned anew. Evidence starts anew, River's detectors too."""
        self._learned, self.rows = [], 0 if profile is None else self.first
        self._evidence = None
        self._river = {name: RiverDrift(name) for name in _running(self.definition)}
        self._adopt(profile)

    def take_alarms(self) -> list[Alarm]:
        """Growth since the last call; that errors became fewer or more alike is no alarm."""
        alarms = [] if self._evidence is None else self._evidence.take_alarms()
        return [alarm for alarm in alarms if alarm.direction == "up"]

    def river_alarm(self, time_us: int) -> Alarm:
        """What is known when one of River's detectors fired."""
        return Alarm(0, "rate", "up", 0.0, 0.0, time_us, time_us, time_us, 0)

    def to_state(self) -> dict[str, Any]:
        return {
            "classes": self._classes,
            "heard": self.heard,
            "rows": self.rows,
            "learned": np.concatenate(self._learned) if self._learned else None,
            "profile": None if self.profile is None else asdict(self.profile),
            "evidence": None if self._evidence is None else self._evidence.to_state(),
            "river": {name: river.to_state() for name, river in self._river.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `to_state` gave."""
        self._classes, self.rows, self.heard = state["classes"], state["rows"], state["heard"]
        if state["learned"] is not None:
            self._learned = [state["learned"]]
        if state["profile"] is not None:
            self._adopt(errors_of(state["profile"]))
        if self._evidence is not None:
            self._evidence.restore(state["evidence"])
        for name, part in state["river"].items():
            if name in self._river:
                self._river[name] = RiverDrift.from_state(part)

    def _adopt(self, profile: RateProfile | NumericProfile | None) -> None:
        self.profile = profile
        rule, fleet = self.definition.rule("concept_drift"), (self._streams, self._alpha)
        if not rule.enabled:
            return
        if isinstance(profile, RateProfile):
            self._evidence = RateEvidence([profile], *fleet, paid=UNPAID, share=rule.weight)
        elif profile is not None:
            self._evidence = NumericEvidence([profile], *fleet, paid=UNPAID, share=rule.weight)

    def _bounded(self, error: Floats) -> Floats:
        """River's detectors of rates want 0 / 1: whether an absolute error is above the reference median."""
        if not isinstance(self.profile, NumericProfile) or not self.profile.edges:
            return error
        median = self.profile.edges[len(self.profile.edges) // 2]
        return (error > median).astype(np.float64)


def _running(definition: MonitorDefinition) -> list[str]:
    """River's detectors that run under a definition."""
    named = (*_ALWAYS, *definition.monitors, *definition.retrain.on)
    return [name for name in RIVER if name in named]
