"""Intervals of what depends on itself: so many dependent events say as much as one independent one."""

import math
from dataclasses import replace

from streamgauge.detectors.dependence import rate_effect
from streamgauge.detectors.evidence.sizes import sizes_of
from streamgauge.detectors.intervals import wilson
from streamgauge.schemas.profile import CategoricalProfile, FeatureProfile, NumericProfile, RateProfile
from streamgauge.streams.core.bank import MULTIVARIATE_DRIFT, watched
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.watch import Watch

#: Means of 0 / 1: Wilson's interval of so many independent events.
_RATES = ("category_rate", "zero_one_loss", "accuracy", "agreement_rate", "missing_rate", "out_of_range_rate",
          "unseen_category_rate", "wrong_type_rate")  # fmt: skip

_SPREAD = "standard_deviation_ratio"
#: How far a number moved or widened: the profile knows their interval.
_SIZES = ("standardized_mean_difference", _SPREAD)


def as_dependent(finding: Finding, version: Version) -> Finding:
    """The same finding, its interval as wide as its baseline says that events depend on each other.

    A mean of n events of design effect d varies as that of n / d independent ones (Kish 1965).
    """
    value, low, high, n = finding.value, finding.low, finding.high, finding.n
    watch, profile = version.watch, _judged_by(finding, version.watch)
    if value is None:
        return finding
    if finding.metric in _SIZES:
        if not isinstance(profile, NumericProfile):
            return finding
        sizes, spread = sizes_of(profile), finding.metric == _SPREAD
        of_size = sizes.ratio_interval if spread else sizes.shift_interval
        low, high = of_size(value, n / profile.design_effects[spread])
        return replace(finding, low=low, high=high)
    effect = _of(profile) if profile is not None else _of_rate(finding, watch)
    if effect <= 1.0 or low is None or high is None:
        return finding
    if finding.metric in _RATES:
        low, high = wilson(value * n / effect, n / effect)
    else:
        wider = math.sqrt(effect)
        low, high = value - wider * (value - low), value + wider * (high - value)
        if finding.metric == "mean_absolute_error":
            low = max(low, 0.0)
    return replace(finding, low=low, high=high)


def _judged_by(finding: Finding, watch: Watch) -> FeatureProfile | RateProfile | None:
    """Of what drifted, or of the errors; None for all else."""
    match finding.monitor:
        case "concept_drift" | "estimate_gap":
            return watch.errors.profile
        case "label_drift":
            return watch.labels.profile
        case "drift" | "prediction_drift":
            return _watched(watch).get(_name(finding))
    return None


def _of_rate(finding: Finding, watch: Watch) -> float:
    """Of bad values, and of how often features agree; 1 where dependence is not known."""
    name = _name(finding)
    if finding.monitor == MULTIVARIATE_DRIFT and watch.profile is not None:
        return max((p.agree.design_effect for p in watch.profile.pairs if p.name == name), default=1.0)
    if finding.metric == "wrong_type_rate":
        return _of(watch.quality.mixed.get(name))
    profile = _watched(watch).get(name)
    return 1.0 if profile is None else rate_effect(profile, finding.metric)


def _name(finding: Finding) -> str:
    """What moved most."""
    return (finding.contributors[0].feature or "") if finding.contributors else ""


def _watched(watch: Watch) -> dict[str, FeatureProfile]:
    return {} if watch.profile is None else watched(watch.profile)


def _of(profile: FeatureProfile | RateProfile | None) -> float:
    """Of a number that of its location; of categories the largest, whichever moved."""
    match profile:
        case RateProfile():
            return profile.design_effect
        case NumericProfile():
            return profile.design_effects[0]
        case CategoricalProfile():
            return max(profile.design_effects, default=1.0)
    return 1.0
