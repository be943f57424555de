"""Event-time windows of one model version: per window and segment a bag of mergeable aggregates.

Everything that labels touch is retractable, and sums are exact, so a window is the same to the bit whatever
the order in which predictions, labels and corrections came.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.binning import FeatureBinner, FeatureBins
from streamgauge.detectors.classification import ConfusionCounts
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.detectors.fairness import GroupCounts
from streamgauge.detectors.log_histogram import LogHistogram
from streamgauge.detectors.regression import RegressionErrors
from streamgauge.detectors.scores import ScoreHistogram
from streamgauge.schemas.batch import Bools, Floats

#: Sorted (key, value) pairs; the empty segment is all traffic.
Segment = tuple[tuple[str, str], ...]
ALL: Segment = ()


@dataclass(slots=True)
class Served:
    """Predictions as a window takes them; arrays of shape (n,). `predicted` holds class codes or numbers."""

    latency_ms: Floats
    failed: Bools
    predicted: Floats

    def take(self, mask: Bools) -> "Served":
        return Served(self.latency_ms[mask], self.failed[mask], self.predicted[mask])


@dataclass(slots=True)
class Labelled:
    """Pairs that count (`sign` +1) or no longer do (-1); arrays of shape (n,)."""

    predicted: Floats
    score: Floats
    label: Floats
    lag_s: Floats
    sign: NDArray[np.int8]

    def take(self, mask: Bools) -> "Labelled":
        return Labelled(*(getattr(self, name)[mask] for name in self.__slots__))


class Bag:
    """The aggregates of one segment in one window."""

    __slots__ = (
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
    )

    def __init__(self, classes: bool) -> None:
        self.classes = classes
        self.n = 0
        self.failed = 0
        self.slow = 0
        self.labelled = 0
        self.latency = LogHistogram()
        self.lag = LogHistogram()
        self.confusion = ConfusionCounts()
        self.scores = ScoreHistogram()
        self.errors = RegressionErrors()

    def serve(self, rows: Served, objective_ms: float | None) -> None:
        self.n += len(rows.failed)
        self.failed += int(rows.failed.sum())
        self.latency.update_many(rows.latency_ms)
        if objective_ms is not None:
            self.slow += int((rows.latency_ms > objective_ms).sum())

    def label(self, pairs: Labelled, positive: int | None) -> None:
        for sign, rows in split_by(pairs.sign):
            self._label(pairs if rows is None else pairs.take(rows), sign > 0, positive)

    def _label(self, pairs: Labelled, counts: bool, positive: int | None) -> None:
        self.labelled += len(pairs.label) if counts else -len(pairs.label)
        (self.lag.update_many if counts else self.lag.subtract_many)(pairs.lag_s)
        if not self.classes:
            errors = self.errors
            (errors.update_many if counts else errors.subtract_many)(pairs.label, pairs.predicted)
            return
        true = pairs.label.astype(np.int32)
        confusion = self.confusion
        (confusion.update_many if counts else confusion.subtract_many)(true, pairs.predicted.astype(np.int32))
        if positive is not None:
            scored = ~np.isnan(pairs.score)
            update = self.scores.update_many if counts else self.scores.subtract_many
            update(pairs.score[scored], true[scored] == positive)

    def to_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"n": self.n, "failed": self.failed, "slow": self.slow}
        state |= {"labelled": self.labelled, "latency": self.latency.to_state()}
        if self.labelled:
            state |= {"lag": self.lag.to_state()}
            if self.classes:
                state |= {"confusion": self.confusion.to_state(), "scores": self.scores.to_state()}
            else:
                state |= {"errors": self.errors.to_state()}
        return state

    @classmethod
    def from_state(cls, state: dict[str, Any], classes: bool) -> "Bag":
        bag = cls(classes)
        bag.n, bag.failed, bag.slow = state["n"], state["failed"], state["slow"]
        bag.labelled = state["labelled"]
        bag.latency = LogHistogram.from_state(state["latency"])
        if bag.labelled:
            bag.lag = LogHistogram.from_state(state["lag"])
            if classes:
                bag.confusion = ConfusionCounts.from_state(state["confusion"])
                bag.scores = ScoreHistogram.from_state(state["scores"])
            else:
                bag.errors = RegressionErrors.from_state(state["errors"])
        return bag


class Window:
    """One window of one version. `revision` counts how often its records were published."""

    def __init__(self, start_us: int, end_us: int, classes: bool) -> None:
        self.start_us = start_us
        self.end_us = end_us
        self.classes = classes
        self.bags: dict[Segment, Bag] = {ALL: Bag(classes)}
        self.groups: dict[str, GroupCounts] = {}
        self.features: FeatureCounts | None = None
        self.offsets: dict[str, list[int]] = {}
        self.served_revision = -1
        self.labels_revision = -1
        self.served_dirty = True
        self.labels_dirty = False
        self.touched = True

    def bag(self, segment: Segment) -> Bag:
        found = self.bags.get(segment)
        if found is None:
            found = self.bags[segment] = Bag(self.classes)
        return found

    def group(self, attribute: str) -> GroupCounts:
        return self.groups.setdefault(attribute, GroupCounts())

    def serve(
        self,
        rows: Served,
        segments: Mapping[str, tuple[list[str], NDArray[Any]]],
        groups: Mapping[str, NDArray[Any]],
        objective_ms: float | None,
    ) -> None:
        """Counts predictions; `segments` and `groups` hold codes of shape (n,) by key."""
        self.bags[ALL].serve(rows, objective_ms)
        for segment, mask in _segments(segments):
            self.bag(segment).serve(rows if mask is None else rows.take(mask), objective_ms)
        for attribute, codes in groups.items():
            known = (codes >= 0) & ~np.isnan(rows.predicted)
            if known.any():
                self.group(attribute).update_predictions(codes[known], rows.predicted[known].astype(np.int64))

    def label(
        self,
        pairs: Labelled,
        segments: Mapping[str, tuple[list[str], NDArray[Any]]],
        groups: Mapping[str, NDArray[Any]],
        positive: int | None,
    ) -> None:
        """Counts or takes back labelled pairs."""
        self.bags[ALL].label(pairs, positive)
        for segment, mask in _segments(segments):
            self.bag(segment).label(pairs if mask is None else pairs.take(mask), positive)
        for attribute, codes in groups.items():
            for sign, rows in split_by(np.where(codes >= 0, pairs.sign, 0)):
                if sign == 0:
                    continue
                some = slice(None) if rows is None else rows
                counts = self.group(attribute)
                update = counts.update_labels if sign > 0 else counts.subtract_labels
                update(
                    codes[some], pairs.label[some].astype(np.int64), pairs.predicted[some].astype(np.int64)
                )

    def count_features(self, binner: FeatureBinner, bins: FeatureBins) -> None:
        if self.features is None:
            self.features = FeatureCounts(binner)
        self.features.update_bins(bins)

    def saw(self, topic: str, first: int, last: int) -> None:
        """Widens the range of input offsets that this window rests on."""
        span = self.offsets.setdefault(topic, [first, last])
        span[0], span[1] = min(span[0], first), max(span[1], last)

    def to_state(self) -> dict[str, Any]:
        return {
            "end": self.end_us,
            "classes": self.classes,
            "bags": [[list(map(list, segment)), bag.to_state()] for segment, bag in self.bags.items()],
            "groups": {attribute: counts.to_state() for attribute, counts in self.groups.items()},
            "features": None if self.features is None else self.features.to_state(),
            "offsets": self.offsets,
            "flags": [self.served_revision, self.labels_revision, self.served_dirty, self.labels_dirty],
        }

    @classmethod
    def from_state(cls, start_us: int, state: dict[str, Any], binner: FeatureBinner | None) -> "Window":
        window = cls(start_us, state["end"], state["classes"])
        window.bags = {
            tuple((k, v) for k, v in segment): Bag.from_state(bag, window.classes)
            for segment, bag in state["bags"]
        }
        window.groups = {a: GroupCounts.from_state(counts) for a, counts in state["groups"].items()}
        if state["features"] is not None and binner is not None:
            window.features = FeatureCounts.from_state(state["features"], binner)
        window.offsets = state["offsets"]
        window.served_revision, window.labels_revision, window.served_dirty, window.labels_dirty = state[
            "flags"
        ]
        window.touched = False
        return window


def _segments(
    columns: Mapping[str, tuple[list[str], NDArray[Any]]],
) -> Iterator[tuple[Segment, Bools | None]]:
    for key, (words, codes) in columns.items():
        for code, mask in split_by(codes):
            if code >= 0:
                yield ((key, words[code]),), mask


def split_by(codes: NDArray[Any]) -> list[tuple[int, Bools | None]]:
    """Each distinct value with the mask of its rows; no mask where all rows have it.

    >>> [(value, None if mask is None else mask.tolist()) for value, mask in split_by(np.array([3, 3]))]
    [(3, None)]
    """
    if len(codes) == 0:
        return []
    first = int(codes[0])
    if (codes == first).all():
        return [(first, None)]
    return [(int(value), codes == value) for value in np.unique(codes)]
