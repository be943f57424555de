"""`FeatureBank`: sequential evidence about everything a version's predictions carry, against its baseline."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from streamgauge.detectors.binning import FeatureBinner, FeatureBins
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.categorical import UNSEEN, CategoricalEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.profile import (
    BaselineProfile,
    CategoricalProfile,
    FeatureProfile,
    NumericProfile,
    RateProfile,
)

#: Names under which the prediction and its score stand among the features of metrics and alerts.
PREDICTION, SCORE = "prediction", "score"
#: The monitors that rest on this evidence.
FEATURE_MONITORS = ("drift", "prediction_drift", "data_quality")


class FeatureBank:
    """Evidence of drift (features), prediction drift, and of missing or impossible values.

    The prediction and its score are streams like the features. `alpha` and `streams` are the fleet's.
    """

    def __init__(
        self, profile: BaselineProfile, definition: MonitorDefinition, streams: int, alpha: float, paid: float
    ) -> None:
        self.binner = FeatureBinner(watched(profile))
        names, profiles = self.binner.names, self.binner.profiles
        drifts = [definition.rule(monitor_of(name)).enabled for name in names]
        self._numbers = [i for i, p in enumerate(profiles) if isinstance(p, NumericProfile) and drifts[i]]
        self._categories = [
            i for i, p in enumerate(profiles) if isinstance(p, CategoricalProfile) and drifts[i]
        ]
        quality = definition.rule("data_quality").enabled
        features = [i for i, name in enumerate(names) if name in profile.features] if quality else []
        declared = [
            i
            for i in features
            if names[i] in definition.features
            and isinstance(profiles[i], NumericProfile)
            and (
                definition.features[names[i]].min is not None or definition.features[names[i]].max is not None
            )
        ]
        self._missing, self._outside = features, declared
        self._numeric = NumericEvidence([_numeric(profiles[i]) for i in self._numbers], streams, alpha, paid)
        self._categorical = CategoricalEvidence(
            [_categorical(profiles[i]) for i in self._categories], streams, alpha, paid
        )
        rates: list[RateProfile] = [profiles[i].missing for i in features]
        rates += [_numeric(profiles[i]).out_of_range for i in declared]
        aspects = ["missing"] * len(features) + ["out_of_range"] * len(declared)
        self._rates = RateEvidence(rates, streams, alpha, paid=paid, aspects=aspects)  # type: ignore[arg-type]
        #: Streams that are watched, for the account.
        self.weight = self._numeric.weight + self._categorical.weight + self._rates.weight

    def update(self, bins: FeatureBins, time_us: Ints, paid: Floats) -> None:
        """A batch that `binner` has digitised, in order."""
        codes = bins.codes
        missing, unseen = self.binner.width - 1, self.binner.width - 2
        if self._numbers:
            self._numeric.update_codes(codes[self._numbers], time_us, paid)
        if self._categories:
            places = codes[self._categories]
            places = np.where(places == unseen, UNSEEN, np.where(places == missing, -1, places))
            self._categorical.update_many(places, time_us, paid)
        if self._missing:
            gone = codes[self._missing] == missing
            outside = np.where(codes[self._outside] == missing, -1, bins.outside[self._outside])
            self._rates.update_many(np.concatenate([gone.astype(np.int64), outside]), time_us, paid)

    def take_alarms(self) -> Iterator[tuple[str, str, Alarm]]:
        """(monitor, feature, alarm) since the last call."""
        names = self.binner.names
        for rows, evidence in ((self._numbers, self._numeric), (self._categories, self._categorical)):
            for alarm in evidence.take_alarms():
                name = names[rows[alarm.stream]]
                yield "data_quality" if alarm.aspect == "unseen" else monitor_of(name), name, alarm
        rows = self._missing + self._outside
        for alarm in self._rates.take_alarms():
            yield "data_quality", names[rows[alarm.stream]], alarm

    def to_state(self) -> Any:
        return [self._numeric.to_state(), self._categorical.to_state(), self._rates.to_state()]

    def restore(self, state: Any) -> None:
        numeric, categorical, rates = state
        self._numeric.restore(numeric)
        self._categorical.restore(categorical)
        self._rates.restore(rates)


def watched(profile: BaselineProfile) -> dict[str, FeatureProfile]:
    """The features of a profile by name, then its prediction and score under their reserved names.

    The order is that of a restored profile: evidence and counts are kept by row.
    """
    found = dict(sorted(profile.features.items()))
    for name, extra in ((PREDICTION, profile.prediction), (SCORE, profile.score)):
        if extra is not None:
            found.setdefault(name, extra)
    return found


def monitor_of(name: str) -> str:
    return "prediction_drift" if name in (PREDICTION, SCORE) else "drift"


def _numeric(profile: FeatureProfile) -> NumericProfile:
    assert isinstance(profile, NumericProfile)
    return profile


def _categorical(profile: FeatureProfile) -> CategoricalProfile:
    assert isinstance(profile, CategoricalProfile)
    return profile
