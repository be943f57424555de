"""Which alert tells of which: one cause is one alert, of the monitor that is nearest to it."""

from collections.abc import Mapping

from streamgauge.streams.core.findings import Finding

#: What a monitor finds may be the consequence of what these found in the same events, the likeliest first.
#: It goes the way of an event: values, features, answers, errors. What rests on answers alone (fairness is
#: demographic parity) can explain errors, and what rests on labels cannot explain answers.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "drift": ("data_quality",),
    "multivariate_drift": ("data_quality", "drift"),
    "prediction_drift": ("data_quality", "drift", "multivariate_drift"),
    "fairness": ("data_quality", "drift", "multivariate_drift", "prediction_drift"),
    "concept_drift": ("data_quality", "drift", "multivariate_drift", "prediction_drift", "fairness"),
    "label_drift": ("data_quality", "drift", "multivariate_drift", "concept_drift"),
    "estimate_gap": (
        "data_quality", "drift", "multivariate_drift", "prediction_drift", "fairness", "concept_drift",
        "label_drift",
    ),
}  # fmt: skip
_ORDER = ("data_quality", *CAUSES)


def in_order(monitor: str) -> int:
    """By this, causes sort before their consequences.

    >>> sorted(["estimate_gap", "traffic", "drift", "data_quality"], key=in_order)
    ['data_quality', 'drift', 'estimate_gap', 'traffic']
    """
    return _ORDER.index(monitor) if monitor in _ORDER else len(_ORDER)


def explains(cause: Finding, effect: Finding, since_us: int | None = None) -> bool:
    """Whether one may be the cause of the other, of the same version: both may have begun in the same events.

    `since_us` is when the cause began at the earliest, if that is not what its latest finding says.

    >>> drift = Finding("drift", "standard_deviation_ratio", "warning", onset_low_us=10, onset_high_us=20)
    >>> errors = Finding("concept_drift", "zero_one_loss", "warning", onset_low_us=15, onset_high_us=40)
    >>> explains(drift, errors), explains(errors, drift)
    (True, False)
    """
    if cause.monitor not in CAUSES.get(effect.monitor, ()) or cause.segment or effect.segment:
        return False
    low_us = cause.onset_low_us if since_us is None else since_us
    intervals = (low_us, effect.onset_high_us), (effect.onset_low_us, cause.onset_high_us)
    return all(low is not None and high is not None and low <= high for low, high in intervals)
