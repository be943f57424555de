"""A window as metric records: what it says of all predictions, and what it says of the labelled ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from streamgauge.detectors.classification import class_metrics, classification_metrics
from streamgauge.detectors.custom import CustomMetrics
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.fairness import GroupRates
from streamgauge.detectors.intervals import poisson_rate, proportion
from streamgauge.detectors.profile_review import is_fit
from streamgauge.detectors.ranking import ranking_metrics
from streamgauge.schemas.durations import SECOND_US
from streamgauge.schemas.message import METRICS, Output
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.bag import Bag
from streamgauge.streams.core.grouping import group_label
from streamgauge.streams.core.label_bank import LABEL, label_metrics
from streamgauge.streams.core.parking import Totals
from streamgauge.streams.core.segments import Segment
from streamgauge.streams.core.windows import ALL, Window

_LATENCIES, _QUANTILES = ("latency_p50_ms", "latency_p90_ms", "latency_p99_ms"), (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Naming:
    """What a window's integers stand for."""

    model: str
    version: str
    classes: Sequence[str]
    pos_label: str | None
    groups: Mapping[str, Sequence[str]]
    min_n: int
    custom: CustomMetrics
    #: Where rankings are cut; empty for what is no ranking.
    ks: Sequence[int]


class Measured(NamedTuple):
    """One number of one window; `feature`, `group` or `of_class` where the metric has one."""

    metric: str
    estimate: Estimate
    segment: Segment = ALL
    feature: str | None = None
    group: str | None = None
    of_class: str | None = None


def measure_served(window: Window, naming: Naming) -> Iterator[Measured]:
    """Everything that needs no label."""
    seconds = (window.end_us - window.start_us) / SECOND_US
    for segment, bag in window.bags.items():
        yield Measured("throughput_per_s", poisson_rate(bag.n, seconds), segment)
        yield Measured("failure_rate", proportion(bag.failed, bag.n), segment)
        for metric, estimate in zip(_LATENCIES, bag.latency.estimates(*_QUANTILES), strict=True):
            yield Measured(metric, estimate, segment)
    yield Measured("duplicate_rate", proportion(window.repeats, window.bags[ALL].n + window.repeats))
    if len(window.bags) > 1:
        yield Measured("segment_overflow_rate", proportion(window.beyond, window.bags[ALL].n))
    if window.features is not None:
        for feature, metrics in window.features.metrics().items():
            for metric, estimate in metrics.items():
                yield Measured(metric, estimate, feature=feature)
        binner = window.features.binner
        for feature, profile in zip(binner.names, binner.profiles, strict=True):
            fit = float(is_fit(profile))  # no estimate: known for sure, so that limits need no `raw`
            yield Measured("baseline_fit", Estimate(fit, fit, fit, profile.n), feature=feature)
    yield from _fairness(window, naming, labelled=False)


def measure_labelled(window: Window, naming: Naming) -> Iterator[Measured]:
    """Everything that rests on labels."""
    for segment, bag in window.bags.items():
        yield Measured("label_coverage", proportion(bag.labelled, bag.n - bag.failed), segment)
        if not bag.was_labelled:
            continue
        yield Measured("label_lag_p50_s", bag.lag.estimate(0.5), segment)
        for metric, estimate in (built_in_metrics(bag, naming) | dict(_custom(bag, naming))).items():
            yield Measured(metric, estimate, segment)
    if window.labels is not None and not (window.features and LABEL in window.features.binner.names):
        for metric, estimate in label_metrics(window.labels).items():
            yield Measured(metric, estimate, feature=LABEL)
    if window.bags[ALL].was_labelled:
        yield from _classes(window, naming)
        yield from _fairness(window, naming, labelled=True)
        for detector, times in window.changes.items():
            yield Measured(
                f"{detector}_changes", Estimate(float(times), None, None, window.bags[ALL].labelled)
            )


def built_in_metrics(bag: Bag, naming: Naming) -> dict[str, Estimate]:
    """What labels say of the predictions of a bag, by the metrics of its task."""
    if bag.classes:
        metrics = classification_metrics(*bag.confusion.named(naming.classes), naming.pos_label)
        return metrics | (bag.scores.metrics() if naming.pos_label is not None and bag.was_scored else {})
    if naming.ks:
        sums = [] if bag.values is None else bag.values.values()
        return ranking_metrics(sums or [None] * (4 * len(naming.ks) + 2), bag.labelled, naming.ks)
    return bag.errors.metrics()


def coverage(bag: Bag | Totals) -> float | None:
    """Share of the answered predictions that have their label; None where there is none to label."""
    return bag.labelled / (bag.n - bag.failed) if bag.n > bag.failed else None


def records(
    window: Window, naming: Naming, measured: Sequence[Measured], status: str, revision: int
) -> list[Output]:
    """The contract's metric records, one a number."""
    key, start, end = naming.model.encode(), format_time(window.start_us), format_time(window.end_us)
    covered = {segment: coverage(bag) for segment, bag in window.bags.items()}
    return [
        Output(
            METRICS,
            key,
            {
                "model": naming.model,
                "version": naming.version,
                "segment": dict(number.segment),
                "window": {"start": start, "end": end},
                "metric": number.metric,
                "feature": number.feature,
                "group": number.group,
                "class": number.of_class,
                "value": number.estimate.value,
                "low": number.estimate.low,
                "high": number.estimate.high,
                "n": number.estimate.n,
                "coverage": covered[number.segment],
                "status": status,
                "revision": revision,
            },
        )
        for number in measured
    ]


def _custom(bag: Bag, naming: Naming) -> Iterator[tuple[str, Estimate]]:
    """The metrics that the definition adds."""
    if bag.classes:
        for name, metric in naming.custom.items():
            yield (
                name,
                (
                    Estimate.undefined(bag.confusion.n)
                    if metric is None
                    else metric.of_counts(*bag.confusion.named(naming.classes), naming.pos_label)
                ),
            )
    elif bag.values is not None:
        sums = bag.values.values()
        squares = sums[len(sums) // 2 :]
        for (name, metric), total, square in zip(naming.custom.items(), sums, squares, strict=False):
            yield (
                name,
                (
                    Estimate.undefined(bag.labelled)
                    if metric is None
                    else metric.of_sums(total, square, bag.labelled)
                ),
            )


def _classes(window: Window, naming: Naming) -> Iterator[Measured]:
    """Each class against the rest, where there are more than two sides."""
    if window.classes and naming.pos_label is None:
        matrix, classes = window.bags[ALL].confusion.named(naming.classes)
        for name, metrics in class_metrics(matrix, classes).items():
            for metric, estimate in metrics.items():
                yield Measured(metric, estimate, of_class=name)


def _fairness(window: Window, naming: Naming, *, labelled: bool) -> Iterator[Measured]:
    if naming.pos_label is None:
        return
    for attribute, counts in window.groups.items():
        groups = naming.groups[attribute]
        rates = GroupRates(counts, groups, naming.classes, naming.pos_label, naming.min_n)
        for metric, estimate in rates.differences(labelled=labelled).items():
            yield Measured(metric, estimate, group=attribute)
        for metric, estimates in rates.by_group(labelled=labelled).items():
            for group, estimate in estimates.items():
                yield Measured(metric, estimate, group=group_label(attribute, group))
