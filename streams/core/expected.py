"""What a window's predictions will turn out to be worth, as metric records and in the words of an alert."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from streamgauge.detectors.cell_counts import CellCounts
from streamgauge.detectors.classification import ConfusionCounts, classification_metrics
from streamgauge.detectors.regression import RegressionErrors
from streamgauge.streams.core.estimates import EstimateBank
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.reports import Measured, Naming
from streamgauge.streams.core.windows import ALL, Window


def measure_expected(window: Window, naming: Naming, estimates: EstimateBank) -> Iterator[Measured]:
    """The estimated metrics of each segment with predictions that can be estimated."""
    if not estimates.covers(window.start_us, window.classes):
        return
    for segment, bag in window.bags.items():
        if bag.cells is not None:
            found = estimates.metrics(bag.cells.counts, naming.pos_label is not None)
            for metric, estimate in found.items():
                yield Measured(metric, estimate, segment)


def explain_gap(
    finding: Finding, windows: Iterable[Window], naming: Naming, estimates: EstimateBank
) -> Finding:
    """The same finding with what was realised in these windows, and as baseline what was estimated."""
    cells, confusion, errors = CellCounts(), ConfusionCounts(), RegressionErrors()
    classes = True
    for window in windows:
        bag = window.bags[ALL]
        if bag.cells is None or not estimates.covers(window.start_us, window.classes):
            continue
        classes = bag.classes
        cells.merge(bag.cells)
        confusion.merge(bag.confusion)
        errors.merge(bag.errors)
    metric = "accuracy" if classes else "mean_absolute_error"
    realised = (
        classification_metrics(*confusion.named(naming.classes), naming.pos_label)
        if classes
        else errors.metrics()
    )[metric]
    estimated = estimates.metrics(cells.counts, binary=False).get("estimated_" + metric)
    return replace(
        finding,
        metric=metric,
        value=realised.value,
        low=realised.low,
        high=realised.high,
        baseline=None if estimated is None else estimated.value,
        n=realised.n or finding.n,
    )
