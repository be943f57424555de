"""Intervals of what depends on itself: so many dependent events say as much as one independent one."""

import math
from dataclasses import replace

from streamgauge.detectors.dependence import rate_effect
from streamgauge.detectors.intervals import wilson
from streamgauge.schemas.monitor_names import ESTIMATE_GAP
from streamgauge.schemas.profile import CategoricalProfile, FeatureProfile, NumericProfile, RateProfile
from streamgauge.streams.core.bank import MULTIVARIATE_DRIFT, PREDICTION, SCORE
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.watch import Watch

#: Means of 0 / 1: Wilson's interval of so many independent events.
_RATES = ("category_rate", "zero_one_loss", "accuracy", "agreement_rate", "missing_rate", "out_of_range_rate",
          "unseen_category_rate", "wrong_type_rate")  # fmt: skip


def as_dependent(finding: Finding, version: Version) -> Finding:
    """The same finding, its interval as much wider as its baseline says that events depend on each other.

    A mean of n events of design effect d varies as that of n / d independent ones (Kish 1965).
    """
    value, low, high, n = finding.value, finding.low, finding.high, finding.n
    if value is None or low is None or high is None:
        return finding
    effect = _effect(finding, version.watch)
    if effect <= 1.0:
        return finding
    if finding.metric in _RATES:
        low, high = wilson(value * n / effect, n / effect)
    else:
        wider = math.sqrt(effect)
        low, high = value - wider * (value - low), value + wider * (high - value)
        if finding.metric == "mean_absolute_error":
            low = max(low, 0.0)
    return replace(finding, low=low, high=high)


def _effect(finding: Finding, watch: Watch) -> float:
    """Of what the finding is about; 1 where dependence is not known, or is part of the interval."""
    monitor = finding.monitor
    if monitor in ("concept_drift", ESTIMATE_GAP):
        return _of(watch.errors.profile)
    if monitor == "label_drift":
        return _of(watch.labels.profile)
    name = finding.contributors[0].feature if finding.contributors else None
    if watch.profile is None or name is None:
        return 1.0
    if monitor == MULTIVARIATE_DRIFT:
        return max((p.agree.design_effect for p in watch.profile.pairs if p.name == name), default=1.0)
    answers = {PREDICTION: watch.profile.prediction, SCORE: watch.profile.score}
    if monitor == "prediction_drift":
        return _of(answers.get(name))
    profile = watch.profile.features.get(name)
    if monitor == "drift":
        return _of(profile)
    if finding.metric == "wrong_type_rate":
        return _of(watch.quality.mixed.get(name))
    profile = profile or answers.get(name)
    return 1.0 if profile is None else rate_effect(profile, finding.metric)


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
