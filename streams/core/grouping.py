"""One finding for one monitor: what moved together, most telling first."""

from collections.abc import Mapping

from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.streams.core.error_bank import RIVER, ErrorBank
from streamgauge.streams.core.findings import Contributor, Finding

#: What a metric record calls the thing that an alarm is about.
_METRIC = {
    "location": "standardized_mean_difference",
    "spread": "standard_deviation_ratio",
    "category": "category_rate",
    "unseen": "unseen_category_rate",
    "missing": "missing_rate",
    "out_of_range": "out_of_range_rate",
    "gap": "demographic_parity_difference",
}
_WIDER, _NARROWER = "wider", "narrower"
_THRESHOLD = 1.0


def finding_of(monitor: str, alarms: Mapping[str, Alarm], errors: ErrorBank) -> Finding:
    """The latest alarms of a monitor, by feature or protected attribute; severity is the rule's to say."""
    ranked = sorted(alarms.items(), key=lambda item: (-item[1].evidence, item[0]))
    first = ranked[0][1]
    total = sum(alarm.evidence for _, alarm in ranked)
    river = monitor in RIVER
    onset_us = min(alarm.onset_us for _, alarm in ranked)
    if monitor == "concept_drift" or river:
        metric, baseline = errors.metric, errors.baseline
        contributors: tuple[Contributor, ...] = ()
    else:
        metric, baseline = _METRIC[first.aspect], first.baseline
        contributors = tuple(
            Contributor(
                None if monitor == "fairness" else name,
                alarm.evidence / total,
                _direction(alarm),
                alarm.size,
                name if monitor == "fairness" else None,
            )
            for name, alarm in ranked
        )
    return Finding(
        monitor,
        metric,
        "warning",
        value=first.size if first.value is None and contributors else first.value,
        baseline=baseline,
        evidence=None if river else first.evidence,
        evidence_threshold=None if river else _THRESHOLD,
        n=first.n,
        onset_us=onset_us,
        contributors=contributors,
    )


def _direction(alarm: Alarm) -> str:
    if alarm.aspect == "spread":
        return _WIDER if alarm.direction == "up" else _NARROWER
    if alarm.aspect == "category" and alarm.category is not None:
        return f"{alarm.category} {alarm.direction}"
    return f"{alarm.aspect.replace('_', ' ')}" if alarm.aspect in _RATES else alarm.direction


_RATES = ("unseen", "missing", "out_of_range")
