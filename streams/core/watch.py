"""`Watch`: the baseline and the detectors of one model version."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from streamgauge.detectors.baseline import build_profile
from streamgauge.detectors.binning import FeatureBins
from streamgauge.detectors.evidence.account import Balance, Paid
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.schemas.batch import Bools, Column, Floats, Ints
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_names import ERROR_DETECTORS, ESTIMATE_GAP, STALE_BASELINE
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.streams.core.bank import FEATURE_MONITORS, PREDICTION, SCORE, FeatureBank
from streamgauge.streams.core.error_bank import ErrorBank
from streamgauge.streams.core.estimates import EstimateBank
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.group_bank import GroupBank
from streamgauge.streams.core.hearing import Hearing
from streamgauge.streams.core.label_bank import LABEL, LabelBank
from streamgauge.streams.core.learning import Learning
from streamgauge.streams.core.names import Names
from streamgauge.streams.core.quality_bank import IDENTITY, QualityBank
from streamgauge.streams.core.recent import Recent

Bank = FeatureBank | ErrorBank | EstimateBank | LabelBank | QualityBank | GroupBank
#: Those that need no baseline of features, by name.
_OTHER_BANKS = ("errors", "labels", "quality", "estimates", "groups")


class Watch:
    """Learns a baseline from a version's first rows, then gathers evidence that it no longer holds.

    Errors have a baseline of their own, from the first labelled predictions, as labels come later. `alpha`
    and `streams` are the fleet's, as they were when the version was first seen.
    """

    def __init__(self, definition: MonitorDefinition, streams: int, alpha: float) -> None:
        self.definition = definition
        self.streams = streams
        self.alpha = alpha
        self.learning = Learning()
        self.profile: BaselineProfile | None = None
        self.baseline_id: str | None = None
        #: When the first row that it was learned from was.
        self.began_us: int | None = None
        self.bank: FeatureBank | None = None
        self.errors = ErrorBank(definition, self.first, streams, alpha)
        self.labels = LabelBank(definition, self.first, streams, alpha)
        self.estimates = EstimateBank(definition, self.first, streams, alpha)
        self.quality = QualityBank(definition, streams, alpha)
        self.groups = GroupBank(definition)
        self.recent = Recent()
        self._profile_changed = False

    @property
    def first(self) -> int:
        return self.definition.baseline.rows

    @property
    def lacking(self) -> int:
        """Rows that the baseline still needs."""
        return 0 if self.bank is not None else self.first - self.learning.rows

    @property
    def weight(self) -> float:
        """Of the streams that share the model's budget."""
        return math.fsum(bank.weight for bank in self._banks())

    def paid(self) -> list[Paid]:
        """What is paid from the budget."""
        return [each for bank in self._banks() for each in bank.evidence]

    def _banks(self) -> list[Bank]:
        others: list[Bank] = [getattr(self, name) for name in _OTHER_BANKS]
        return others if self.bank is None else [self.bank, *others]

    def serve(
        self,
        features: Mapping[str, Column],
        prediction: Column,
        score: Floats,
        time_us: Ints,
        paid: Floats,
        cuts: Sequence[int] = (),
    ) -> FeatureBins | None:
        """A batch in order, of no more rows than are lacking; gives its bins once there is a baseline.
        Alarms are heard before each of the rows `cuts`, and at the end."""
        if self.bank is None or self.profile is None:
            if self.learning.rows == 0:
                self.began_us = int(time_us.min())
            self.learning.add(features, prediction, score)
            if self.lacking == 0:
                self._learn()
            return None
        bins = self.bank.binner.bins({PREDICTION: prediction, SCORE: score, **features}, len(time_us))
        hearing = Hearing(self.profile, self.bank, self.quality, self.recent)
        hearing.serve(features, bins, time_us, paid, cuts)
        return bins

    def repeat(self, again: Bools, time_us: Ints, paid: Floats) -> None:
        """Whether each of these events had come before, in order."""
        for alarm in self.quality.repeat(again, time_us, paid):
            self.recent.alarm("data_quality", IDENTITY, alarm)

    def compare(self, found: Iterable[tuple[str, Alarm]]) -> None:
        """What evidence about groups finds in who was selected, by `gap_name`."""
        for name, alarm in found:
            self.recent.alarm("fairness", name, alarm)

    def judge(
        self, error: Floats, classes: bool, time_us: Ints, paid: Balance
    ) -> tuple[Ints, dict[str, Ints]]:
        """Errors of newly labelled predictions, in order: what `ErrorBank.update` says of them."""
        watched_us, fired = self.errors.update(error, classes, time_us, paid)
        for alarm in self.errors.take_alarms():
            self.recent.alarm("concept_drift", "", alarm)
        for name, fired_us in fired.items():
            if len(fired_us) and name in self.definition.monitors:
                self.recent.alarm(name, "", self.errors.river_alarm(int(fired_us[0])))
        return watched_us, fired

    def heed(self, label: Column, time_us: Ints, paid: Balance) -> int:
        """Labels of newly labelled predictions, in order; gives how many went into their reference."""
        learned = self.labels.update(label, time_us, paid)
        for alarm in self.labels.take_alarms():
            self.recent.alarm("label_drift", LABEL, alarm)
        return learned

    def verify(
        self, predicted: Floats, score: Floats, error: Floats, time_us: Ints, paid: Balance, names: Names
    ) -> None:
        """What newly labelled predictions were estimated to be worth, against what they are worth."""
        for alarm in self.estimates.update(predicted, score, error, time_us, paid, names, self.profile):
            self.recent.alarm(ESTIMATE_GAP, "", alarm)

    def take_findings(self, groups: Mapping[str, Sequence[str]]) -> list[Finding]:
        """What was found since the last call, by monitor; `groups` names those of each attribute."""
        return self.recent.take_findings(self.errors, groups)

    def quiet_monitors(self) -> list[str]:
        """A window has closed: the monitors that watch, labels if any came, and have not fired since then."""
        heard, self.errors.heard = self.errors.heard, False
        by_labels = (self.errors, self.estimates, self.labels) if heard else ()
        groups = (self.groups,) if heard or not self.groups.rests_on_labels else ()
        watching = [monitor for bank in (*by_labels, *groups) for monitor in bank.monitors()]
        return self.recent.quiet([*watching, *(() if self.bank is None else FEATURE_MONITORS)])

    @property
    def is_blank(self) -> bool:
        """Whether it has neither a baseline nor a row to learn one from."""
        return self.profile is None and self.learning.rows == 0

    def rebase(self, profile: BaselineProfile | None) -> tuple[str, ...]:
        """Another baseline from now on, or None: it is learned from what comes.

        All evidence against the old one is gone; gives the monitors that start over. A profile without
        errors leaves the baseline of errors as it is.
        """
        anew: tuple[str, ...] = (*FEATURE_MONITORS, STALE_BASELINE)
        if profile is None or profile.errors is not None:
            anew = (*anew, "concept_drift", *ERROR_DETECTORS)
            self.errors.adopt(None if profile is None else profile.errors)
            if profile is None:
                anew = (*anew, "label_drift")
                self.labels.learn_anew()
        if profile is None or profile.estimator is not None:
            anew = (*anew, ESTIMATE_GAP)
            self.estimates.adopt(None if profile is None else profile.estimator)
        self.learning.drop()
        self.profile = self.baseline_id = self.bank = self.began_us = None
        self.quality.start({}, complete=True)
        if profile is not None:
            self._adopt(profile)
        self._profile_changed = True
        self.recent.forget(anew)
        return anew

    def changed_profile(self) -> tuple[bool, dict[str, Any] | None]:
        """Whether the baseline changed since the last call, and the one there is now."""
        changed, self._profile_changed = self._profile_changed, False
        return changed, self.profile.to_json() if changed and self.profile is not None else None

    def replaces(self, other: "Watch") -> None:
        """This empty one takes another's place: what is stored of that is to be deleted."""
        self.learning.replaces(other.learning)
        self._profile_changed = other.profile is not None or other._profile_changed

    def redefine(self, definition: MonitorDefinition) -> None:
        """A definition that leaves the baseline as it is.

        Where other monitors are on, or weigh more or less, evidence starts anew.
        """
        before, self.definition = self.definition, definition
        for name in _OTHER_BANKS:
            getattr(self, name).redefine(definition)
        if any(before.rule(name).stake != definition.rule(name).stake for name in FEATURE_MONITORS):
            self.bank = None
            if self.profile is not None:
                self._adopt(self.profile)

    def _learn(self) -> None:
        features, prediction, score = self.learning.columns()
        ranges = {name: (f.min, f.max) for name, f in self.definition.features.items()}
        scored = score if np.isfinite(score).any() else None
        self._adopt(build_profile(features, prediction, scored, ranges=ranges))
        self.quality.start(self.learning.mixed(features), self.learning.holds_all(features))
        self.learning.drop()
        self._profile_changed = True

    def _adopt(self, profile: BaselineProfile) -> None:
        self.profile = profile
        self.baseline_id = profile.profile_id
        self.bank = FeatureBank(profile, self.definition, self.streams, self.alpha, self.began_us)

    def to_state(self) -> dict[str, Any]:
        return {
            "streams": self.streams,
            "alpha": self.alpha,
            "began_us": self.began_us,
            "bank": None if self.bank is None else self.bank.to_state(),
            **{name: getattr(self, name).to_state() for name in _OTHER_BANKS},
            "recent": self.recent.to_state(),
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], definition: MonitorDefinition, profile: Mapping[str, Any] | None
    ) -> "Watch":
        """What `to_state` gave, with the profile; learning rows are loaded by `persistence`."""
        watch = cls(definition, state["streams"], state["alpha"])
        watch.began_us = state["began_us"]
        if profile is not None:
            watch._adopt(BaselineProfile.from_json(profile))
            if watch.bank is not None:
                watch.bank.restore(state["bank"])
        watch.errors.restore(state["errors"])
        watch.labels.restore(state["labels"])
        watch.quality.restore(state["quality"], watch.profile)
        watch.estimates.restore(state["estimates"])
        watch.groups.restore(state["groups"])
        watch.recent = Recent.from_state(state["recent"])
        return watch
