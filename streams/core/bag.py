"""`Bag`: the mergeable aggregates of one segment in one window; what labels touch can be taken back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.cell_counts import CellCounts
from streamgauge.detectors.classification import ConfusionCounts
from streamgauge.detectors.exact_sum import ExactSums
from streamgauge.detectors.log_histogram import LogHistogram
from streamgauge.detectors.regression import RegressionErrors
from streamgauge.detectors.scores import ScoreHistogram
from streamgauge.schemas.batch import Bools, Floats, Ints

#: Scores of so many predictions are told apart; those of more are counted in bins. How many labels came, and
#: which were taken back, must not show in what is told: so it is the predictions that decide.
MOST_EXACT = 2_000
#: A bag without its histograms.
_SMALL_BYTES = 1_400


@dataclass(slots=True)
class Served:
    """Predictions as a window takes them; arrays of shape (n,).

    `predicted` holds class codes or numbers, `cells` what their worth is estimated by, if it is.
    """

    latency_ms: Floats
    failed: Bools
    predicted: Floats
    cells: Ints | None = None

    def take(self, mask: Bools) -> "Served":
        rows = np.flatnonzero(mask)
        cells = None if self.cells is None else self.cells.take(rows)
        return Served(self.latency_ms.take(rows), self.failed.take(rows), self.predicted.take(rows), cells)


@dataclass(slots=True)
class Labelled:
    """Pairs that count (`sign` +1) or no longer do (-1); arrays of shape (n,).

    `values` (k, n) is what the k metrics that are means of something of each pair say of it.
    """

    predicted: Floats
    score: Floats
    label: Floats
    lag_s: Floats
    sign: NDArray[np.int8]
    values: Floats

    def take(self, mask: Bools) -> "Labelled":
        rows = np.flatnonzero(mask)
        return Labelled(*(getattr(self, name).take(rows, axis=-1) for name in self.__slots__))


class Bag:
    """The aggregates of one segment in one window.

    `was_labelled` and `was_scored` stay true when every label is retracted: what was published is restated.
    """

    __slots__ = (
        "cells",
        "classes",
        "confusion",
        "errors",
        "failed",
        "labelled",
        "lag",
        "latency",
        "n",
        "scores",
        "slow",
        "values",
        "was_labelled",
        "was_scored",
    )

    def __init__(self, classes: bool) -> None:
        self.classes = classes
        self.n = 0
        self.failed = 0
        self.slow = 0
        self.labelled = 0
        self.was_labelled = False
        self.was_scored = False
        self.cells: CellCounts | None = None
        self.latency = LogHistogram()
        self.lag = LogHistogram()
        self.confusion = ConfusionCounts()
        self.scores = ScoreHistogram(exact=True)
        self.errors = RegressionErrors()
        #: Sums of each of `Labelled.values`, then of their squares.
        self.values: ExactSums | None = None

    @property
    def estimable(self) -> bool:
        """Whether there are predictions whose worth may be estimated."""
        return self.cells is not None

    @property
    def held_bytes(self) -> int:
        """Memory, about."""
        found = _SMALL_BYTES + self.confusion.held_bytes + self.scores.held_bytes
        found += self.latency.held_bytes + self.lag.held_bytes
        return found + (0 if self.cells is None else self.cells.counts.nbytes)

    def serve(self, rows: Served, objective_ms: float | None) -> None:
        self.n += len(rows.failed)
        self._bound()
        self.failed += int(np.count_nonzero(rows.failed))
        self.latency.update_many(rows.latency_ms)
        if rows.cells is not None and rows.cells.max() >= 0:
            self.cells = self.cells or CellCounts()
            self.cells.update_many(rows.cells)
        if objective_ms is not None:
            self.slow += int(np.count_nonzero(rows.latency_ms > objective_ms))

    def label(self, pairs: Labelled, positive: int | None) -> None:
        for sign, rows in split_by(pairs.sign):
            self._label(pairs if rows is None else pairs.take(rows), sign > 0, positive)

    def _label(self, pairs: Labelled, counts: bool, positive: int | None) -> None:
        self.labelled += len(pairs.label) if counts else -len(pairs.label)
        self.was_labelled = True
        (self.lag.update_many if counts else self.lag.subtract_many)(pairs.lag_s)
        if len(pairs.values):
            self._sum(pairs.values, counts)
        if not self.classes:
            errors = self.errors
            (errors.update_many if counts else errors.subtract_many)(pairs.label, pairs.predicted)
            return
        true = pairs.label.astype(np.int32)
        confusion = self.confusion
        (confusion.update_many if counts else confusion.subtract_many)(true, pairs.predicted.astype(np.int32))
        if positive is not None:
            scored = ~np.isnan(pairs.score)
            self.was_scored |= bool(scored.any())
            update = self.scores.update_many if counts else self.scores.subtract_many
            update(pairs.score[scored], true[scored] == positive)

    def _sum(self, values: Floats, counts: bool) -> None:
        if self.values is None:
            self.values = ExactSums(2 * len(values))
        with np.errstate(over="ignore"):  # an infinite square leaves the interval undefined
            rows = np.concatenate([values, values * values])
        (self.values.update_many if counts else self.values.subtract_many)(rows)

    def _bound(self) -> None:
        if self.n > MOST_EXACT:
            self.scores.bin()

    def merge(self, other: "Bag") -> None:
        """As if what `other` counted had been counted here too."""
        for count in ("n", "failed", "slow", "labelled"):
            setattr(self, count, getattr(self, count) + getattr(other, count))
        self._bound()
        self.latency.merge(other.latency)
        if other.cells is not None:
            self.cells = self.cells or CellCounts()
            self.cells.merge(other.cells)
        if other.was_labelled:
            self.was_labelled = True
            self.lag.merge(other.lag)
            if self.classes:
                self.confusion.merge(other.confusion)
            else:
                self.errors.merge(other.errors)
        if other.was_scored:
            self.was_scored = True
            self.scores.merge(other.scores)
        if other.values is not None:
            if self.values is None:
                self.values = ExactSums(len(other.values))
            self.values.merge(other.values)

    def to_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"n": self.n, "failed": self.failed, "slow": self.slow}
        state |= {"labelled": self.labelled, "latency": self.latency.to_state()}
        if self.cells is not None:
            state["cells"] = self.cells.to_state()
        if self.was_labelled:
            state |= {"lag": self.lag.to_state(), "was_scored": self.was_scored}
            if self.classes:
                state |= {"confusion": self.confusion.to_state(), "scores": self.scores.to_state()}
            else:
                state |= {"errors": self.errors.to_state()}
            if self.values is not None:
                state["values"] = self.values.to_state()
        return state

    @classmethod
    def from_state(cls, state: dict[str, Any], classes: bool) -> "Bag":
        bag = cls(classes)
        bag.n, bag.failed, bag.slow = state["n"], state["failed"], state["slow"]
        bag.labelled = state["labelled"]
        bag._bound()
        bag.latency = LogHistogram.from_state(state["latency"])
        if "cells" in state:
            bag.cells = CellCounts.from_state(state["cells"])
        if "lag" in state:
            bag.was_labelled, bag.was_scored = True, state["was_scored"]
            bag.lag = LogHistogram.from_state(state["lag"])
            if classes:
                bag.confusion = ConfusionCounts.from_state(state["confusion"])
                bag.scores = ScoreHistogram.from_state(state["scores"])
            else:
                bag.errors = RegressionErrors.from_state(state["errors"])
            if "values" in state:
                bag.values = ExactSums.from_state(state["values"])
        return bag


def split_by(codes: NDArray[Any]) -> list[tuple[int, Bools | None]]:
    """Each distinct value with the mask of its rows; no mask where all rows have it.

    >>> [(value, None if mask is None else mask.tolist()) for value, mask in split_by(np.array([3, 3]))]
    [(3, None)]
    """
    if len(codes) == 0:
        return []
    first = int(codes[0])
    if np.count_nonzero(codes == first) == len(codes):
        return [(first, None)]
    return [(int(value), codes == value) for value in np.unique(codes)]


def split_by_window(time_us: Ints, window_us: int) -> list[tuple[int, Bools | None]]:
    """As `split_by`, of the start of each time's window.

    >>> split_by_window(np.array([9, 5]), 5), len(split_by_window(np.array([9, 4]), 5))
    ([(5, None)], 2)
    """
    if len(time_us):
        start = int(time_us.min()) // window_us * window_us
        if time_us.max() < start + window_us:
            return [(start, None)]
    return split_by(time_us - time_us % window_us)
