"""Event-time windows of one model version: per window and segment a bag of mergeable aggregates.

Everything that labels touch is retractable, and sums are exact, so a window is the same to the bit whatever
the order in which predictions, labels and corrections came.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.binning import FeatureBinner, FeatureBins
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.detectors.fairness import GroupCounts
from streamgauge.schemas.batch import Bools
from streamgauge.streams.core.bag import Bag, Labelled, Served, split_by
from streamgauge.streams.core.parking import Parkable
from streamgauge.streams.core.segments import NONE, Segment

ALL: Segment = ()
#: The segments by slot, and for each set of keys the slots of rows, shape (n,).
SegmentColumns = tuple[Sequence[Segment], Sequence[NDArray[Any]]]
_FLAGS = ("served_revision", "labels_revision", "served_dirty", "labels_dirty", "sealed", "features_over",
          "estimated")  # fmt: skip


class Window(Parkable):
    """One window of one version. `revision` counts how often its records were published.

    What it counted may be parked elsewhere: it is read back when anybody asks for it.
    """

    __slots__ = (*_FLAGS, "beyond", "offsets", "repeats", "touched")

    def __init__(self, start_us: int, end_us: int, classes: bool) -> None:
        super().__init__(start_us, end_us, classes)
        self.bags: dict[Segment, Bag] = {ALL: Bag(classes)}
        self.groups: dict[str, GroupCounts] = {}
        self.features: FeatureCounts | None = None
        #: Labels by the bins of their reference; those that are in it are not counted.
        self.labels: FeatureCounts | None = None
        self.offsets: dict[str, list[int]] = {}
        #: How often River's detectors fired on the errors of this window's predictions.
        self.changes: dict[str, int] = {}
        #: Predictions that had come before: they count here and nowhere else.
        self.repeats = 0
        #: Predictions with a segment that is counted under ``other``, as there are too many.
        self.beyond = 0
        self.served_revision = -1
        self.labels_revision = -1
        self.served_dirty = True
        self.labels_dirty = False
        #: Whether what rests on labels was published as final.
        self.sealed = False
        #: Whether its features were published against a baseline that holds no more: they stay as they are.
        self.features_over = False
        #: Whether its estimates were published.
        self.estimated = False
        #: Classes whose numbers were published.
        self.told_classes: set[str] = set()
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
        segments: SegmentColumns,
        groups: Mapping[str, NDArray[Any]],
        objective_ms: float | None,
    ) -> None:
        """Counts predictions; `groups` hold codes of shape (n,) by attribute."""
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
        segments: SegmentColumns,
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
        if bins.codes.shape[1] == 0:  # all of the batch's rows in this window went into the baseline
            return
        if self.features_over:
            return
        if self.features is None:
            self.features = FeatureCounts(binner)
        self.features.update_bins(bins)

    def count_labels(self, binner: FeatureBinner, bins: FeatureBins, sign: NDArray[np.int8]) -> None:
        """Labels that count (`sign` +1) or no longer do (-1)."""
        if self.labels is None:
            self.labels = FeatureCounts(binner)
        for one, mask in split_by(sign):
            some = bins if mask is None else bins.take(mask)
            (self.labels.update_bins if one > 0 else self.labels.subtract_bins)(some)

    def rebase(self) -> None:
        """Another baseline: what is not published yet is counted against it from now on."""
        self.load()
        self.features = None
        self.features_over |= self.served_revision >= 0
        self.touched = True

    def changed(self, detector: str, times: int) -> None:
        """A detector watched errors of this window, and fired so often."""
        self.changes[detector] = self.changes.get(detector, 0) + times

    def learned(self, classes: bool) -> None:
        """What the model predicts is known only now: so far, its requests failed."""
        self.classes = classes
        for bag in self.bags.values():
            bag.classes = classes

    def saw(self, topic: str, first: int, last: int) -> None:
        """Widens the range of input offsets that this window rests on."""
        span = self.offsets.setdefault(topic, [first, last])
        span[0], span[1] = min(span[0], first), max(span[1], last)

    def merge(self, other: "Window") -> None:
        """As if what `other` counted had been counted here too; what was told of it is left out."""
        for segment, bag in other.bags.items():
            self.bag(segment).merge(bag)
        for attribute, counts in other.groups.items():
            self.group(attribute).merge(counts)
        if other.features is not None and not self.features_over:
            if self.features is None:
                self.features = FeatureCounts(other.features.binner)
            self.features.merge(other.features)
        if other.labels is not None:
            if self.labels is None:
                self.labels = FeatureCounts(other.labels.binner)
            self.labels.merge(other.labels)
        for detector, times in other.changes.items():
            self.changed(detector, times)
        for topic, (first, last) in other.offsets.items():
            self.saw(topic, first, last)
        self.beyond += other.beyond
        self.repeats += other.repeats

    def to_state(self) -> dict[str, Any]:
        return {
            "end": self.end_us,
            "classes": self.classes,
            "bags": [[list(map(list, segment)), bag.to_state()] for segment, bag in self.bags.items()],
            "groups": {attribute: counts.to_state() for attribute, counts in self.groups.items()},
            "features": None if self.features is None else self.features.to_state(),
            "labels": None if self.labels is None else self.labels.to_state(),
            "offsets": self.offsets,
            "changes": self.changes,
            "beyond": self.beyond,
            "repeats": self.repeats,
            "told_classes": sorted(self.told_classes),
            "flags": [getattr(self, flag) for flag in _FLAGS],
        }

    @classmethod
    def from_state(
        cls,
        start_us: int,
        state: dict[str, Any],
        binner: FeatureBinner | None,
        labels: FeatureBinner | None,
    ) -> "Window":
        """What `to_state` gave, with the binners of features and of labels."""
        window = cls(start_us, state["end"], state["classes"])
        window.fill(state, binner, labels)
        window.offsets, window.beyond, window.repeats = state["offsets"], state["beyond"], state["repeats"]
        for flag, value in zip(_FLAGS, state["flags"], strict=True):
            setattr(window, flag, value)
        window.touched = window.used = False
        window.measure()
        return window


def _segments(columns: SegmentColumns) -> Iterator[tuple[Segment, Bools | None]]:
    names, of_rows = columns
    for slots in of_rows:
        for slot, mask in split_by(slots):
            if slot != NONE:
                yield names[slot], mask
