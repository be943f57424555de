"""`PredictionTable`: predictions that wait for labels, or have one until its time to live has passed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Bools, Ints
from streamgauge.streams.core.table import IdTable, restored, saved

UNLABELLED = -1
_COLUMNS: dict[str, tuple[str, Any]] = {
    "time": ("<i8", 0),
    "version": ("<i2", 0),
    "prediction": ("<f8", np.nan),
    "score": ("<f8", np.nan),
    "place": ("<i4", 0),
}


class Labels(NamedTuple):
    """Labels of n rows, each of shape (n,); `revision` is `UNLABELLED` where there is none."""

    label: NDArray[Any]
    revision: NDArray[np.int32]
    retracted: Bools
    time_us: Ints

    def take(self, rows: Any) -> "Labels":
        return Labels(*(column[rows] for column in self))


_NO_LABEL = Labels(
    np.array([np.nan]), np.array([UNLABELLED], np.int32), np.zeros(1, np.bool_), np.zeros(1, np.int64)
)


class PredictionTable(IdTable):
    """Labels have columns of their own: most rows wait for one most of the time."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS)
        #: By place, of which 0 is that of no label; `_held` are taken.
        self._labels, self._held = _NO_LABEL, 1

    def hold_rankings(self) -> None:
        """Predictions and labels are bytes from now on; none of those that are here has a value."""
        self.hold_objects("prediction")
        self._labels = self._labels._replace(label=np.full(len(self._labels.label), None, np.object_))

    def labels(self, rows: Ints) -> Labels:
        """The labels of these rows."""
        return self._labels.take(self.column("place")[rows])

    def assign(self, rows: Ints, labels: Labels) -> None:
        """Gives these rows their labels, or others than they had."""
        self._write(rows, labels)
        self.touch(rows)

    def drop_before(self, keep_from: int) -> None:
        """Forgets the rows below `keep_from`, a whole number of blocks at a time."""
        before = self.size
        super().drop_before(keep_from)
        if self.size < before:
            place = self.column("place")
            some = np.flatnonzero(place)
            self._labels = self._labels.take(np.concatenate([[0], place[some]]))
            self._held = len(some) + 1
            place[some] = np.arange(1, self._held)

    def load(self, blocks: Mapping[int, dict[str, Any]]) -> None:
        """Restores what `changes` gave; `blocks` are the live ones."""
        super().load(blocks)
        first = 0
        for number in sorted(blocks):
            rows, *labels = blocks[number]["labels"]
            self._write(first + rows.astype(np.int64), Labels(*map(restored, labels)))
            first += len(blocks[number]["ids"]) // 16

    def _write(self, rows: Ints, labels: Labels) -> None:
        place = self.column("place")
        new = rows[place[rows] == 0]
        held = self._held + len(new)
        if held > len(self._labels.label):
            more = np.zeros(max(held, self._held * 5 // 4) - self._held, np.int64)
            old = self._labels.take(slice(self._held))
            grown: list[Any] = [np.append(*pair) for pair in zip(old, self._labels.take(more), strict=True)]
            self._labels = Labels(*grown)
        place[new] = np.arange(self._held, held)
        self._held = held
        at = place[rows]
        for column, values in zip(self._labels, labels, strict=True):
            column[at] = values

    def _block(self, number: int) -> dict[str, Any]:
        block = super()._block(number)
        place = block["columns"].pop("place")
        rows = np.flatnonzero(place)
        block["labels"] = [rows.astype(np.int32), *map(saved, self._labels.take(place[rows]))]
        return block
