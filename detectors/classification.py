"""`ConfusionCounts` and the accuracy family that follows from them, through River's metrics."""

from collections.abc import Sequence

import numpy as np

from streamgauge.detectors.class_intervals import (
    kappa_interval,
    macro_f1_interval,
    matthews_interval,
    mean_interval,
    weighted_f1_interval,
    weighted_precision_interval,
)
from streamgauge.detectors.estimate import Estimate, State
from streamgauge.detectors.intervals import f1_interval, proportion
from streamgauge.detectors.river_parts import metrics
from streamgauge.detectors.sparse_counts import SparseCounts
from streamgauge.schemas.batch import Codes, Ints

#: Classes of which single metrics are given.
MOST_CLASSES = 20
_AVERAGED = ("precision", "recall", "f1")


class ConfusionCounts:
    """How often each true class was predicted as each class. Negative codes mean missing and are ignored.

    >>> counts = ConfusionCounts()
    >>> counts.update_many(np.array([0, 7, 7], np.int32), np.array([0, 0, 7], np.int32))
    >>> codes, matrix = counts.used()
    >>> codes.tolist(), matrix.tolist()
    ([0, 7], [[1, 0], [1, 1]])
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = SparseCounts()

    @property
    def n(self) -> int:
        """How many pairs are counted."""
        return self._counts.n

    @property
    def held_bytes(self) -> int:
        """Memory, about."""
        return self._counts.held_bytes

    def update_many(self, true_codes: Codes, pred_codes: Codes) -> None:
        """Count pairs of codes, int (n,) each."""
        self._counts.add_codes((true_codes, pred_codes), 1)

    def subtract_many(self, true_codes: Codes, pred_codes: Codes) -> None:
        """Take back pairs that were counted before."""
        self._counts.add_codes((true_codes, pred_codes), -1)

    def merge(self, other: "ConfusionCounts") -> None:
        """As if `other`'s pairs had been counted here too; both must use the same codes."""
        self._counts.merge(other._counts)

    def used(self) -> tuple[Ints, Ints]:
        """The codes that occur, rising, int64 (k,), and their matrix, int64 (k, k), [true, predicted]."""
        true, predicted = self._counts.codes(2)
        codes, places = np.unique(np.concatenate([true, predicted]), return_inverse=True)
        matrix = np.zeros((len(codes), len(codes)), np.int64)
        matrix[places[: len(true)], places[len(true) :]] = self._counts.counts
        return codes, matrix

    def named(self, classes: Sequence[str]) -> tuple[Ints, list[str]]:
        """The matrix of `used`, and what `classes` call its codes."""
        codes, matrix = self.used()
        return matrix, [classes[code] for code in codes.tolist()]

    def to_state(self) -> State:
        """The same for the same counts, however they came about."""
        return self._counts.to_state()

    @classmethod
    def from_state(cls, state: State) -> "ConfusionCounts":
        """What `to_state` gave."""
        counts = cls()
        counts._counts = SparseCounts.from_state(state)
        return counts


def grown(counts: Ints, shape: tuple[int, ...]) -> Ints:
    """`counts` with zeros added behind on each axis up to `shape`; itself if that is large enough."""
    if counts.shape == shape:
        return counts
    missing = [(0, max(0, want - have)) for want, have in zip(shape, counts.shape, strict=True)]
    return np.pad(counts, missing) if any(after for _, after in missing) else counts


def classification_metrics(
    matrix: Ints, classes: Sequence[str], pos_label: str | None
) -> dict[str, Estimate]:
    """The accuracy family of a confusion matrix, int64 (K, K); `classes` names the codes, at least K of them.

    With `pos_label`, precision, recall and f1 are those of that class against the rest (scikit-learn's
    `average="binary"`); without, they are means over the classes that occur (`average="macro"`), and means by
    how often each class is true come with them (`average="weighted"`). What is
    undefined is None: precision when the class was never predicted, recall when it never occurred, Matthews'
    coefficient and Cohen's kappa when only one class was predicted or true. The order of the classes doesn't
    matter to the bit.

    >>> estimates = classification_metrics(np.array([[8, 2], [1, 9]]), ["no", "yes"], "yes")
    >>> estimates["accuracy"].value, round(estimates["precision"].value, 3), estimates["recall"].value
    (0.85, 0.818, 0.9)
    """
    order = sorted(range(len(matrix)), key=lambda code: classes[code])
    ordered = matrix[np.ix_(order, order)]
    used = np.flatnonzero(ordered.any(axis=0) | ordered.any(axis=1))
    if len(used) < len(ordered):
        ordered = ordered[np.ix_(used, used)]
    names = [classes[order[i]] for i in used.tolist()]
    n = int(ordered.sum())
    true, predicted = ordered.sum(axis=1), ordered.sum(axis=0)
    hits = int(np.trace(ordered))
    # Codes, not names: River goes through a set of the classes, whose order for strings changes by process.
    confusion = metrics.ConfusionMatrix()
    for i, row in enumerate(ordered.tolist()):
        for j, count in enumerate(row):
            if count:
                confusion.update(i, j, w=count)
    varied = int((true > 0).sum()) > 1 and int((predicted > 0).sum()) > 1
    estimates = {
        "accuracy": proportion(hits, n),
        "zero_one_loss": proportion(n - hits, n),
        "balanced_accuracy": Estimate.undefined(n),
        "matthews_corrcoef": Estimate.undefined(n),
        "cohen_kappa": Estimate.undefined(n),
    }
    if n:
        present = true > 0
        recalls = mean_interval(np.diag(ordered)[present], true[present])
        value = float(metrics.BalancedAccuracy(cm=confusion).get())
        estimates["balanced_accuracy"] = Estimate(value, *recalls, n)
    if varied:
        kappa = float(metrics.CohenKappa(cm=confusion).get())
        estimates["cohen_kappa"] = Estimate(kappa, *kappa_interval(ordered, kappa), n)
        value = _matthews(ordered, confusion)
        estimates["matthews_corrcoef"] = Estimate(value, *matthews_interval(ordered, value), n)
    if pos_label is None:
        estimates |= _macro(ordered, confusion)
    else:
        estimates |= _binary(ordered, confusion, names.index(pos_label) if pos_label in names else None)
    return estimates


def _binary(matrix: Ints, confusion: metrics.ConfusionMatrix, positive: int | None) -> dict[str, Estimate]:
    if positive is None:
        return dict.fromkeys(("precision", "recall", "f1"), Estimate.undefined())
    tp = int(matrix[positive, positive])
    predicted, true = int(matrix[:, positive].sum()), int(matrix[positive].sum())
    f1 = float(metrics.F1(cm=confusion, pos_val=positive).get())
    fp, fn = predicted - tp, true - tp
    return {
        "precision": proportion(tp, predicted),
        "recall": proportion(tp, true),
        "f1": Estimate(f1, *f1_interval(tp, fp, fn), tp + fp + fn),
    }


def _macro(matrix: Ints, confusion: metrics.ConfusionMatrix) -> dict[str, Estimate]:
    n = int(matrix.sum())
    true, predicted, hits = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    estimates = dict.fromkeys(
        (*_AVERAGED, *(f"{name}_weighted" for name in _AVERAGED)), Estimate.undefined(n)
    )
    if n == 0:
        return estimates
    for name, metric, totals in (
        ("precision", metrics.MacroPrecision, predicted),
        ("recall", metrics.MacroRecall, true),
    ):
        if totals.all():
            estimates[name] = Estimate(float(metric(cm=confusion).get()), *mean_interval(hits, totals), n)
    value = float(metrics.MacroF1(cm=confusion).get())
    estimates["f1"] = Estimate(value, *macro_f1_interval(matrix, value), n)
    return estimates | _weighted(matrix, confusion)


def _weighted(matrix: Ints, confusion: metrics.ConfusionMatrix) -> dict[str, Estimate]:
    """Means over the classes by how often each is true; of recall that is accuracy."""
    n, hits = int(matrix.sum()), int(np.trace(matrix))
    estimates = {"precision_weighted": Estimate.undefined(n), "recall_weighted": proportion(hits, n)}
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    if len(matrix) == 1:
        sure = Estimate(1.0, *f1_interval(n, 0, 0), n)
        return estimates | {"precision_weighted": proportion(n, n), "f1_weighted": sure}
    if predicted[true > 0].all():
        value = float(metrics.WeightedPrecision(cm=confusion).get())
        interval = weighted_precision_interval(matrix, value)
        estimates["precision_weighted"] = Estimate(value, *interval, n)
    value = float(metrics.WeightedF1(cm=confusion).get())
    estimates["f1_weighted"] = Estimate(value, *weighted_f1_interval(matrix, value), n)
    return estimates


def class_metrics(matrix: Ints, classes: Sequence[str]) -> dict[str, dict[str, Estimate]]:
    """Class → metric → estimate: each class against the rest, of the 20 that are most often true.

    `matrix` int64 (K, K), [true, predicted]; `classes` names the codes.

    >>> of = class_metrics(np.array([[8, 2], [1, 9]]), ["no", "yes"])
    >>> of["yes"]["class_recall"].value, of["no"]["class_recall"].n
    (0.9, 10)
    """
    true, predicted, hits = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    used = [code for code in range(len(matrix)) if true[code] or predicted[code]]
    found = {}
    for code in sorted(used, key=lambda code: (-int(true[code]), classes[code]))[:MOST_CLASSES]:
        tp, said, was = int(hits[code]), int(predicted[code]), int(true[code])
        fp, fn = said - tp, was - tp
        f1 = 2 * tp / (2 * tp + fp + fn)
        found[classes[code]] = {
            "class_precision": proportion(tp, said),
            "class_recall": proportion(tp, was),
            "class_f1": Estimate(f1, *f1_interval(tp, fp, fn), tp + fp + fn),
        }
    return found


def _matthews(matrix: Ints, confusion: metrics.ConfusionMatrix) -> float:
    """Of any number of classes (Gorodkin 2004, as scikit-learn); River's is for two."""
    if len(matrix) == 2:
        return float(metrics.MCC(cm=confusion, pos_val=1).get())
    n = int(matrix.sum())
    true, predicted = matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist()
    covariance = int(np.trace(matrix)) * n - sum(t * p for t, p in zip(true, predicted, strict=True))
    spread_true = n * n - sum(t * t for t in true)
    spread_predicted = n * n - sum(p * p for p in predicted)
    return float(covariance / (spread_true**0.5 * spread_predicted**0.5))
