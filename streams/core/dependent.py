"""Intervals of what depends on itself: so many dependent events say as much as one independent one."""

import math
from dataclasses import replace

from streamgauge.schemas.profile import CategoricalProfile, FeatureProfile, NumericProfile, RateProfile
from streamgauge.streams.core.bank import PREDICTION, SCORE
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.versions import Version

#: A mean of 0 / 1; what is not among them has no upper end.
_RATES = ("category_rate", "zero_one_loss")


def as_dependent(finding: Finding, version: Version) -> Finding:
    """The same finding, its interval as much wider as its baseline says that events depend on each other.

    A mean of n events of design effect d varies as that of n / d independent ones (Kish 1965).
    """
    value, low, high = finding.value, finding.low, finding.high
    profile = _judged_by(finding, version)
    if value is None or low is None or high is None or profile is None:
        return finding
    wider = math.sqrt(_effect(profile))
    low, high = value - wider * (value - low), value + wider * (high - value)
    if finding.metric in _RATES:
        low, high = max(low, 0.0), min(high, 1.0)
    elif finding.metric == "mean_absolute_error":
        low = max(low, 0.0)
    return replace(finding, low=low, high=high)


def _judged_by(finding: Finding, version: Version) -> FeatureProfile | RateProfile | None:
    """Of what the finding is about; None where dependence is not known, or is part of the interval."""
    watch = version.watch
    if finding.monitor == "concept_drift":
        return watch.errors.profile
    if finding.monitor == "label_drift":
        return watch.labels.profile
    if finding.monitor not in ("drift", "prediction_drift") or watch.profile is None:
        return None
    name = finding.contributors[0].feature if finding.contributors else None
    if finding.monitor == "prediction_drift":
        return {PREDICTION: watch.profile.prediction, SCORE: watch.profile.score}.get(name or "")
    return watch.profile.features.get(name or "")


def _effect(profile: FeatureProfile | RateProfile) -> float:
    """Of a number that of its location; of categories the largest, whichever moved."""
    if isinstance(profile, RateProfile):
        return profile.design_effect
    if isinstance(profile, NumericProfile):
        return profile.design_effects[0]
    assert isinstance(profile, CategoricalProfile)
    return max(profile.design_effects, default=1.0)
