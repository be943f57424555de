"""The one sentence of an alert that people read first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from streamgauge.schemas.monitor_names import ESTIMATE_GAP, FAIRNESS, OBJECTIVES, SAMPLE_RATIO
from streamgauge.streams.core.attribution import NOTHING_KNOWN, Attribution
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.wording import in_words, where

_WORDS = {
    "zero_one_loss": "zero-one loss",
    "roc_auc": "ROC AUC",
    "psi": "PSI",
    "ks": "KS",
    "js_distance": "JS distance",
    "r2": "R²",
    "f1": "F1",
    "latency_mean_ms": "mean latency",
    "latency_p50_ms": "median latency",
    "latency_p90_ms": "p90 latency",
    "latency_p99_ms": "p99 latency",
    "label_lag_p50_s": "median label lag",
    "throughput_per_s": "throughput",
    "latency_over_objective": "share of slow answers",
}
_UNITS = {"_ms": " ms", "_per_s": "/s", "_s": " s"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_NAMED = 3


def summarise(
    model: str,
    version: str,
    finding: Finding,
    since_us: int,
    now_us: int,
    ending: str = "",
    *,
    doubt_us: tuple[int, int] | None = None,
    related: Sequence[Finding] = (),
    attribution: Attribution = NOTHING_KNOWN,
    remarks: Sequence[str] = (),
) -> str:
    """What is wrong, how wrong, against what, and since when (UTC); `ending` says what became of it.

    `doubt_us` is the interval of `since_us`, `related` what it brought with it, `attribution` what explains
    it, which is left out of how it ended, and `remarks` what else is to be said of the alert.

    >>> finding = Finding("concept_drift", "zero_one_loss", "critical", value=0.21, baseline=0.1)
    >>> summarise("credit", "7", finding, since_us=34_800_000_000, now_us=35_000_000_000)
    'credit 7: zero-one loss 0.21, was 0.10 (since 09:40)'
    """
    place = f"{model} {version}"
    if finding.segment:
        place += " [" + ", ".join(f"{key}={value}" for key, value in finding.segment) + "]"
    sentence = f"{place}: {_measured(finding)} (since {_since(since_us, doubt_us, now_us)})"
    if any(each.monitor == "prediction_drift" for each in related):  # which says how the prediction moved
        attribution = replace(attribution, prediction=None)
    explained = [] if ending else in_words(attribution, since_us)
    culprits, consequences = _culprits(finding, attribution), _consequences(related)
    parts = sentence, culprits, *explained, consequences, *remarks, ending
    return "; ".join(part for part in parts if part)


def duration_in_words(duration_us: int) -> str:
    """A rough duration for people.

    >>> duration_in_words(90_000_000), duration_in_words(5_400_000_000), duration_in_words(0)
    ('2 min', '90 min', '0 min')
    """
    minutes = round(duration_us / 60_000_000)
    if minutes < 120:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"


def _measured(finding: Finding) -> str:
    words = _WORDS.get(finding.metric, finding.metric.replace("_", " "))
    if finding.value is None:
        return words
    unit = next((text for suffix, text in _UNITS.items() if finding.metric.endswith(suffix)), "")
    others = [number for number in (finding.baseline, finding.limit) if number is not None]
    decimals = _decimals(finding.value, others)
    text = f"{words} {_number(finding.value, decimals)}{unit}"
    if finding.monitor in OBJECTIVES and finding.baseline is not None:
        text += f", {_number(finding.baseline, decimals)} is allowed"
    elif finding.monitor == ESTIMATE_GAP and finding.baseline is not None:
        text += f", estimated {_number(finding.baseline, decimals)}{unit}"
    elif finding.monitor == SAMPLE_RATIO and finding.baseline is not None:
        text += f", {_number(finding.baseline, decimals)} is declared"
    elif finding.compared_with is not None and finding.baseline is not None:
        text += f", {_number(finding.baseline, decimals)}{unit} in {finding.compared_with}: go back to that"
    elif finding.baseline is not None:
        text += f", was {_number(finding.baseline, decimals)}{unit}"
    if finding.monitor == FAIRNESS and finding.limit is not None:
        text += f", {_number(finding.limit, decimals)} is tolerated"
    elif finding.limit is not None:
        side = "below" if finding.value < finding.limit else "above"
        text += f", {side} the limit {_number(finding.limit, decimals)}{unit}"
    return text


def _culprits(finding: Finding, attribution: Attribution) -> str:
    named = []
    for contributor in finding.contributors[:_MOST_NAMED]:
        name = contributor.feature if contributor.feature is not None else contributor.group
        direction = contributor.direction
        if finding.monitor == FAIRNESS:  # of groups, which may have moved or not
            direction = "highest" if direction == "up" else "lowest"
        told = f"{name} {direction}" if direction else str(name)
        named.append(told + where(attribution, contributor.feature))
    if not named:
        return ""
    more = len(finding.contributors) - len(named)
    lead = "" if finding.monitor == FAIRNESS else "mostly "
    return lead + ", ".join(named) + (f" and {more} more" if more else "")


def _consequences(related: Sequence[Finding]) -> str:
    told = []
    for finding in related:
        named = [c for c in finding.contributors if c.feature is not None]
        told.append(f"{named[0].feature} {named[0].direction}" if named else _measured(finding))
    return "with it " + ", and ".join(told) if told else ""


def _decimals(value: float, others: list[float]) -> int:
    """As many as it takes to tell the value from what it is compared with, and at least two figures."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    while decimals < 6 and (
        (value != 0 and abs(value) < 10 ** (1 - decimals))
        or any(o != value and _number(o, decimals) == _number(value, decimals) for o in others)
    ):
        decimals += 1
    return decimals


def _number(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}" if abs(value) < 1e15 else f"{value:.3g}"


def _since(since_us: int, doubt_us: tuple[int, int] | None, now_us: int) -> str:
    """With its interval, where that is more than the minute."""
    since = _clock(since_us, now_us)
    low, high = (_clock(min(each_us, now_us), now_us) for each_us in doubt_us or (since_us, since_us))
    return since if low == high == since else f"{since}, {low}–{high}"


def _clock(since_us: int, now_us: int) -> str:
    since = _EPOCH + timedelta(microseconds=since_us)
    return f"{since:%H:%M}" if abs(now_us - since_us) < 43_200_000_000 else f"{since:%Y-%m-%d %H:%M}"
