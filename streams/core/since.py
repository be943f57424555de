"""Puts numbers to an alarm: what was measured since the change began."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.exact_sum import ExactSums
from streamgauge.detectors.fairness import GroupCounts, GroupRates
from streamgauge.detectors.group_dependence import group_effects
from streamgauge.detectors.log_histogram import LogHistogram
from streamgauge.detectors.ranking import ranking_metrics
from streamgauge.detectors.regression import RegressionErrors
from streamgauge.schemas.durations import SECOND_US
from streamgauge.schemas.monitor_names import ESTIMATE_GAP, FAIRNESS, rests_on_labels
from streamgauge.streams.core.dependent import as_dependent
from streamgauge.streams.core.error_bank import NDCG_LOSS
from streamgauge.streams.core.expected import explain_gap
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.grouping import group_label
from streamgauge.streams.core.reports import Naming
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.windows import ALL, Window

#: What these find is told by labels, which do not come in the order of their predictions.
_BY_LABELS = ("concept_drift", "label_drift", ESTIMATE_GAP)
#: Windows that tell how much the events of a group depend on each other: enough for ± 20 % of a width.
_LATEST = 48


def explain(finding: Finding, version: Version, naming: Naming) -> Finding:
    """The same finding with value, interval and n over the windows since its onset."""
    return as_dependent(_measured(finding, version, naming), version)


def _measured(finding: Finding, version: Version, naming: Naming) -> Finding:
    if finding.monitor in _BY_LABELS:
        finding = _unordered(finding, version)
    if finding.onset_low_us is not None:  # a look before the first evidence is none
        finding = replace(finding, onset_low_us=max(finding.onset_low_us, version.first_served_us))
    if finding.monitor == ESTIMATE_GAP:
        return explain_gap(finding, _labelled_since(finding, version), naming, version.watch.estimates)
    estimate: Estimate | None = None
    if finding.metric == NDCG_LOSS:
        return _ranking(finding, version, naming)
    if finding.metric == "mean_absolute_error":
        estimate = _errors(finding, version)
    elif finding.monitor == FAIRNESS:
        tolerances: Mapping[Any, float] = version.watch.definition.fairness.tolerance
        finding = replace(finding, limit=tolerances.get(finding.metric))
        estimate = _disparity(finding, version, naming)
    if estimate is None or estimate.value is None:
        return finding
    return replace(
        finding, value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n or finding.n
    )


def _unordered(finding: Finding, version: Version) -> Finding:
    """Its onset is as uncertain as labels overtake each other."""
    lag = LogHistogram()
    for window in windows_since(finding, version):
        lag.merge(window.bags[ALL].lag)
    soon, late = lag.quantile(0.05), lag.quantile(0.95)
    if soon is None or late is None or finding.onset_low_us is None or finding.onset_high_us is None:
        return finding
    spread_us = int((late - soon) * SECOND_US)
    return replace(
        finding,
        onset_low_us=finding.onset_low_us - spread_us,
        onset_high_us=finding.onset_high_us + spread_us,
    )


def _errors(finding: Finding, version: Version) -> Estimate | None:
    errors = RegressionErrors()
    for window in _labelled_since(finding, version):
        errors.merge(window.bags[ALL].errors)
    return errors.metrics().get(finding.metric)


def _ranking(finding: Finding, version: Version, naming: Naming) -> Finding:
    """Told as NDCG, which falls, and not as the loss that was watched."""
    sums, n = ExactSums(4 * len(naming.ks) + 2), 0
    for window in _labelled_since(finding, version):
        bag = window.bags[ALL]
        if bag.values is not None:
            sums.merge(bag.values)
            n += bag.labelled
    name = f"ndcg_at_{naming.ks[0]}"
    ndcg = ranking_metrics(sums.values(), n, naming.ks)[name]
    baseline = None if finding.baseline is None else 1.0 - finding.baseline
    return replace(
        finding, metric=name, baseline=baseline, value=ndcg.value, low=ndcg.low, high=ndcg.high, n=n
    )


def _disparity(finding: Finding, version: Version, naming: Naming) -> Estimate | None:
    if not finding.contributors or naming.pos_label is None:
        return None
    named = finding.contributors[0].group
    attribute = next(
        (a for a, groups in naming.groups.items() if named in [group_label(a, group) for group in groups]),
        None,
    )
    if attribute is None:
        return None
    counts = GroupCounts()
    for window in windows_since(finding, version):
        if attribute in window.groups:
            counts.merge(window.groups[attribute])
    names = naming.groups[attribute], naming.classes, naming.pos_label
    labelled = rests_on_labels(finding.metric)
    effects = group_effects(_steady(finding, version, attribute), *names, labelled=labelled)
    rates = GroupRates(counts, *names, naming.min_n, effects)
    return rates.differences(labelled=labelled).get(finding.metric)


def _steady(finding: Finding, version: Version, attribute: str) -> list[GroupCounts | None]:
    """The groups of the latest whole windows, none for that in which the rates changed."""
    windows = list(version.in_order())[-_LATEST - 1 : -1]
    onset_us = finding.onset_us or 0
    return [
        None if window.start_us <= onset_us < window.end_us else window.groups.get(attribute)
        for window in windows
    ]


def windows_since(finding: Finding, version: Version) -> list[Window]:
    """Those that lie after the onset; if there is none yet, the one that it lies in."""
    onset_us = finding.onset_us
    if onset_us is None:
        return list(version.labels_may_reach())
    after = [window for window in version.labels_may_reach() if window.start_us >= onset_us]
    return after or [window for window in version.labels_may_reach() if window.end_us > onset_us]


def _labelled_since(finding: Finding, version: Version) -> list[Window]:
    """As `windows_since`; of those after the onset labels may be still to come, and if none has, the one that
    it lies in tells."""
    since = windows_since(finding, version)
    if any(window.bags[ALL].labelled for window in since):
        return since
    return [window for window in version.in_order() if window.end_us > (finding.onset_us or 0)]
