"""`CustomMetric`: metrics of River's interface that a definition names, fed from what windows keep.

A window keeps counts and exact sums, so that labels can be taken back and windows merged. A metric of
classes is fed the counts (`update(y_true, y_pred, w=count)`); a metric of numbers must be a mean of something
of each pair (River's `MeanMetric`), and windows keep the sums of that.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import Z95, student_t
from streamgauge.detectors.river_parts import (
    BinaryMetric,
    ClassificationMetric,
    MeanMetric,
    Metric,
    RegressionMetric,
    metrics,
    stats,
)
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.monitor import MonitorDefinition

#: Metric classes by their import path: those that definitions may name.
Allowed = Mapping[str, type[Metric]]

#: What a metric that somebody else wrote may raise: it is undefined then, and the worker goes on.
FAILURES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
#: Intervals of more classes than this would take longer than everything else in a window.
_MOST_CLASSES = 20
_SMOOTHING = 0.5
#: River computes these in Rust from whole numbers, and others are a panic: they have no interval.
_OF_WHOLE_NUMBERS = (metrics.AdjustedMutualInfo,)


class _Counts(metrics.ConfusionMatrix):  # type: ignore[misc]
    """River's matrix, for weights that are counts.

    River goes through a set of the classes, whose order for strings changes by process; here it is sorted.
    And it counts calls as samples: the adjusted mutual information of weighted pairs is a panic.
    """

    def update(self, y_true: Any, y_pred: Any, w: float = 1.0) -> None:
        super().update(y_true, y_pred, w)
        self.n_samples += w - 1

    @property
    def classes(self) -> list[Any]:
        return sorted(super().classes)


@dataclass(frozen=True, slots=True)
class CustomMetric:
    """One metric as a definition names it; `make` gives an empty one.

    >>> f2 = CustomMetric(lambda: metrics.FBeta(beta=2))
    >>> round(f2.of_counts(np.array([[50, 10], [5, 35]]), ["no", "yes"], "yes").value, 3)
    0.854
    """

    make: Callable[[], Metric]

    def of_counts(self, matrix: Ints, classes: Sequence[str], pos_label: str | None) -> Estimate:
        """Of a confusion matrix, int64 (K, K), [true, predicted]; `classes` names the codes.

        Metrics of two classes see True for `pos_label` and False for the rest, others the classes' names.
        The interval is the delta method's by a delete-one jackknife (Efron & Stein 1981), half a pair added
        in every row; its coverage is in tests/detectors/test_custom_metrics.py.
        """
        n = int(matrix.sum())
        metric = self.make()
        names: list[Any] = list(classes[: len(matrix)])
        if isinstance(metric, BinaryMetric):
            if pos_label is None:
                return Estimate.undefined(n)
            names = [name == pos_label for name in names]
        counts = _by_name(matrix, names)
        if not counts:
            return Estimate.undefined(n)
        value = _value(metric, counts)
        if value is None:
            return Estimate.undefined(n)
        low, high = self._interval(counts, value, n) or (None, None)
        return Estimate(value, low, high, n)

    def of_pairs(self, y_true: Floats, y_pred: Floats) -> Floats:
        """What the metric is the mean of, for each pair, float64 (n,); NaN where it fails."""
        metric: Any = self.make()
        found = np.full(len(y_true), np.nan)
        for row, (true, predicted) in enumerate(zip(y_true.tolist(), y_pred.tolist(), strict=True)):
            try:
                metric._mean = stats.Mean()
                metric.update(true, predicted)
                found[row] = metric._mean.get()
            except FAILURES:
                continue
        return found

    def of_sums(self, total: float | None, squares: float | None, n: int) -> Estimate:
        """Of the sums of `of_pairs` and of its squares over n pairs; Student's interval of the mean."""
        if total is None or n == 0:
            return Estimate.undefined(n)
        mean = float(total) / n
        value = self._of_mean(mean)
        if value is None:
            return Estimate.undefined(n)
        variance = math.nan if squares is None or n < 2 else (squares - total * mean) / (n - 1)
        bounds = student_t(mean, variance, n) if math.isfinite(variance) else None
        if bounds is None:
            return Estimate(value, None, None, n)
        # a root, as in RMSE, has no value below zero
        low, high = self._of_mean(bounds[0]), self._of_mean(bounds[1])
        low = self._of_mean(0.0) if low is None else low
        if low is None or high is None:
            return Estimate(value, None, None, n)
        return Estimate(value, min(low, high, value), max(low, high, value), n)

    def _of_mean(self, mean: float) -> float | None:
        metric: Any = self.make()
        metric._mean.update(mean)
        return _number(metric)

    def _interval(
        self, counts: "dict[tuple[Any, Any], int]", value: float, n: int
    ) -> tuple[float, float] | None:
        seen = list(dict.fromkeys(name for pair in counts for name in pair))
        if n < 2 or len(seen) > _MOST_CLASSES or isinstance(self.make(), _OF_WHOLE_NUMBERS):
            return None
        more = _SMOOTHING / len(seen)
        smoothed = {(a, b): counts.get((a, b), 0) + more for a in seen for b in seen}
        total = sum(smoothed.values())
        inside = _value(self.make(), smoothed)
        without = []
        for pair, weight in smoothed.items():
            left = _value(self.make(), {**smoothed, pair: max(weight - 1.0, 0.0)})
            if inside is None or left is None:
                return None
            # a cell of less than one pair lacks that much only
            without.append((weight, (left - inside) / min(weight, 1.0)))
        mean = sum(weight * change for weight, change in without) / total
        variance = (total - 1) / total * sum(weight * (change - mean) ** 2 for weight, change in without)
        half = Z95 * math.sqrt(variance)
        return (min(inside - half, value), max(inside + half, value)) if inside is not None else None


#: By name; None where a metric cannot be used.
CustomMetrics = Mapping[str, CustomMetric | None]


def custom_metric(definition: MonitorDefinition, name: str, allowed: Allowed) -> CustomMetric:
    """A metric that a definition names. Raises `ValueError` that says what is wrong with it."""
    named = definition.metrics[name]
    path, params = named.metric, named.params
    kind = allowed.get(path)
    if kind is None:
        raise ValueError(
            f"{name}: {path} is not allowed; STREAMGAUGE_CUSTOM_METRICS of the worker lists what is"
        )
    for reserved, instead in (("pos_val", "the definition's pos_label"), ("cm", "the window's counts")):
        if reserved in params:
            raise ValueError(f"{name}: {path} takes {instead} for {reserved}")
    shared = {"cm": _Counts} if "cm" in inspect.signature(kind).parameters else {}

    def make() -> Metric:
        return kind(**params, **{key: part() for key, part in shared.items()})

    try:
        metric = make()
    except FAILURES as error:
        raise ValueError(f"{name}: {path} does not take {dict(params)}: {error}") from error
    unfit = _unfit(metric, definition.task)
    if unfit is not None:
        raise ValueError(f"{name}: {path} {unfit}")
    return CustomMetric(make)


def usable_metrics(definition: MonitorDefinition, allowed: Allowed) -> CustomMetrics:
    """All metrics of a definition; None for one that is no longer allowed: it is undefined from then on."""
    found: dict[str, CustomMetric | None] = {}
    for name in definition.metrics:
        try:
            found[name] = custom_metric(definition, name, allowed)
        except ValueError:
            found[name] = None
    return found


def _unfit(metric: Metric, task: str | None) -> str | None:
    """Why a metric cannot be used for a task, if it can't."""
    wanted = {"regression": RegressionMetric, "ranking": None}.get(task or "", ClassificationMetric)
    if wanted is None or not isinstance(metric, wanted):
        return f"does not measure what a model of task {task} predicts"
    if isinstance(metric, RegressionMetric):
        return None if isinstance(metric, MeanMetric) else "is no MeanMetric; windows keep sums of pairs"
    if not metric.requires_labels:
        return "wants probabilities; windows keep counts of classes"
    return None if _gives_number(metric) else "gives no number"


def _gives_number(metric: Any) -> bool:
    """As far as can be told without the classes' names: a table or a report does not."""
    try:
        for true, predicted in ((True, True), (True, False), (False, True), (False, False)):
            metric.update(true, predicted)
        float(metric.get())
    except (NotImplementedError, TypeError):
        return False
    except FAILURES:
        return True
    return True


def _by_name(matrix: Ints, names: Sequence[Any]) -> "dict[tuple[Any, Any], int]":
    """Counts above zero by (true, predicted), in an order that depends on nothing but the names."""
    counts: dict[tuple[Any, Any], int] = {}
    for i, j in np.argwhere(matrix).tolist():
        pair = names[i], names[j]
        counts[pair] = counts.get(pair, 0) + int(matrix[i, j])
    return dict(sorted(counts.items()))


def _value(metric: Any, counts: "Mapping[tuple[Any, Any], float]") -> float | None:
    """Of an empty metric that is fed `counts`; None where it is undefined or fails."""
    try:
        for (true, predicted), count in counts.items():
            if count > 0:
                metric.update(true, predicted, w=count)
    except FAILURES:
        return None
    return _number(metric)


def _number(metric: Any) -> float | None:
    try:
        found = metric.get()
        value = float(found)
    except FAILURES:
        return None
    return value if math.isfinite(value) else None
