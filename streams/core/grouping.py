"""One finding for one monitor: what moved together, most telling first."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.intervals import proportion
from streamgauge.streams.core.error_bank import RIVER, ErrorBank
from streamgauge.streams.core.findings import Contributor, Finding

#: What a metric record calls the thing that an alarm is about.
METRIC = {
    "location": "standardized_mean_difference",
    "spread": "standard_deviation_ratio",
    "category": "category_rate",
    "unseen": "unseen_category_rate",
    "missing": "missing_rate",
    "out_of_range": "out_of_range_rate",
    "wrong_type": "wrong_type_rate",
    "appeared": "presence_rate",
    "duplicate": "duplicate_rate",
    "agreement": "agreement_rate",
    "constant": "repeat_rate",
}
#: What two alarms have in common if the second goes on with the first.
_SAME = ("aspect", "direction", "category", "groups")
_WIDER, _NARROWER, _VANISHED = "wider", "narrower", "vanished"
_AGREE = {"up": "agree more", "down": "agree less"}
_THRESHOLD = 1.0
_UNKNOWN = Estimate(None, None, None, 0)


def group_label(attribute: str, group: str) -> str:
    """How a group of a protected attribute is called in metrics and alerts.

    >>> group_label("sex", "f")
    'sex=f'
    """
    return f"{attribute}={group}"


def gap_name(gap: str, attribute: str) -> str:
    """How a gap between the groups of a protected attribute is called among what a monitor found."""
    return f"{gap}\0{attribute}"


def finding_of(
    monitor: str, alarms: Mapping[str, Alarm], errors: ErrorBank, groups: Mapping[str, Sequence[str]]
) -> Finding:
    """The latest alarms of a monitor, by feature or `gap_name`; severity is the rule's to say.

    `groups` names the groups of each protected attribute.
    """
    ranked = sorted(alarms.items(), key=lambda item: (-item[1].evidence, item[0]))
    first = ranked[0][1]
    total = sum(alarm.evidence for _, alarm in ranked)
    value = _value(first)
    river = monitor in RIVER
    if river or (monitor == "concept_drift" and first.value is None):
        value = _UNKNOWN  # how far absolute errors moved is no absolute error; `since` knows their mean
    earliest = min((alarm for _, alarm in ranked), key=lambda alarm: alarm.onset_us)
    contributors: tuple[Contributor, ...] = ()
    if monitor == "concept_drift" or river:
        metric, baseline = errors.metric, errors.baseline
    elif first.aspect == "shortfall":
        metric, baseline = "estimate_gap", None
    else:
        gap = ranked[0][0].partition("\0")[0]
        metric, baseline = gap if first.aspect == "gap" else METRIC[first.aspect], first.baseline
        contributors = tuple(
            contributor
            for name, alarm in ranked
            for contributor in _contributors(name, alarm, alarm.evidence / total, groups)
        )
    return Finding(
        monitor,
        metric,
        "warning",
        value=value.value,
        low=value.low,
        high=value.high,
        baseline=baseline,
        evidence=None if river else first.evidence,
        evidence_threshold=None if river else _THRESHOLD,
        n=first.n,
        onset_us=earliest.onset_us,
        onset_low_us=None if river else earliest.onset_low_us,
        onset_high_us=None if river else earliest.onset_high_us,
        contributors=contributors,
    )


def _contributors(
    name: str, alarm: Alarm, share: float, groups: Mapping[str, Sequence[str]]
) -> list[Contributor]:
    """A feature, or the two groups of an attribute: the one with the higher rate first."""
    if alarm.groups is None:
        return [Contributor(name, share, _direction(alarm), alarm.size)]
    attribute = name.partition("\0")[2]
    return [
        Contributor(None, share / 2, direction, alarm.size, group_label(attribute, groups[attribute][code]))
        for direction, code in zip(("up", "down"), alarm.groups, strict=True)
    ]


def continued(before: Alarm, alarm: Alarm) -> Alarm:
    """A change that goes on: since when it did, and its mean size over all events that told of it.

    Where a shift is told now by the mean and now by the spread, it is one all the same, since the first.
    """
    alarm = replace(
        alarm,
        onset_us=before.onset_us,
        onset_low_us=before.onset_low_us,
        onset_high_us=before.onset_high_us,
    )
    if any(getattr(before, name) != getattr(alarm, name) for name in _SAME):
        return alarm
    n = before.n + alarm.n
    share = alarm.n / n if n else 0.0
    value = alarm.value
    if value is not None and before.value is not None:
        value = before.value + share * (value - before.value)
    return replace(
        alarm,
        n=n,
        size=before.size + share * (alarm.size - before.size),
        value=value,
        evidence=max(before.evidence, alarm.evidence),
    )


def _value(alarm: Alarm) -> Estimate:
    """A rate with Wilson's interval; how far a number moved or widened, whose interval the profile knows."""
    if alarm.value is not None and alarm.aspect != "gap":
        return proportion(round(alarm.value * alarm.n), alarm.n)
    return Estimate(alarm.size, None, None, alarm.n)


def _direction(alarm: Alarm) -> str:
    if alarm.aspect == "missing" and alarm.value == 1.0:
        return _VANISHED
    if alarm.aspect == "spread":
        return _WIDER if alarm.direction == "up" else _NARROWER
    if alarm.aspect == "agreement":
        return _AGREE[alarm.direction]
    if alarm.aspect == "category" and alarm.category is not None:
        return f"{alarm.category} {alarm.direction}"
    return f"{alarm.aspect.replace('_', ' ')}" if alarm.aspect in _RATES else alarm.direction


_RATES = ("unseen", "missing", "out_of_range", "wrong_type", "appeared", "duplicate", "constant")
