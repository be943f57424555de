"""`PredictionTable`: predictions that wait for labels, or have one until its time to live has passed.

Labels are a table of their own, in the order in which they came, to which a row points: most rows wait for
one most of the time, and labels scattered over a long past are written as the few rows that they are.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Bools, Ints
from streamgauge.streams.core.blocks import BLOCK, BlockTable
from streamgauge.streams.core.cold import ColdTable

UNLABELLED = -1
_PLACE = "place"
_COLUMNS: dict[str, tuple[str, Any]] = {
    "time": ("<i8", 0),
    "version": ("<i2", 0),
    "prediction": ("<f8", np.nan),
    "score": ("<f8", np.nan),
    _PLACE: ("<i4", -1),
}
#: `row` counts from the first prediction ever; `heeded` says against which reference a label counts, 0: none.
_LABEL_COLUMNS: dict[str, tuple[str, Any]] = {
    "label": ("<f8", np.nan),
    "revision": ("<i4", UNLABELLED),
    "retracted": ("|b1", False),
    "time": ("<i8", 0),
    "row": ("<i8", 0),
    "heeded": ("|i1", 0),
}


class Labels(NamedTuple):
    """Labels of n rows, each of shape (n,); `revision` is `UNLABELLED` where there is none."""

    label: NDArray[Any]
    revision: NDArray[np.int32]
    retracted: Bools
    time_us: Ints

    def take(self, rows: Any) -> "Labels":
        return Labels(*(column[rows] for column in self))


#: The columns that make `Labels`, in its order.
LABEL = ("label", "revision", "retracted", "time")


class PredictionTable(ColdTable):
    """Rows of predictions; `given` are the labels of some."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS, derived=(_PLACE,))
        self.given = BlockTable(_LABEL_COLUMNS)

    def hold_rankings(self) -> None:
        """Predictions and labels are bytes from now on; none of those that are here has a value."""
        self.hold_objects("prediction")
        self.given.hold_objects("label")

    def labels(self, rows: Ints) -> Labels:
        """The labels of these rows."""
        places = self.gather(_PLACE, rows)
        return Labels(*(self.given.gather(name, places) for name in LABEL))

    def assign(self, rows: Ints, labels: Labels) -> None:
        """Gives these rows their labels, or others than they had."""
        place, given = self.column(_PLACE), self.given
        new = rows[place[rows] < 0]
        place[new] = given.extend(len(new), {"row": new + self.base})
        at = place[rows]
        for name, values in zip(LABEL, labels, strict=True):
            given.column(name)[at] = values
        given.touch(at)

    def heeded(self, rows: Ints) -> NDArray[np.int8]:
        """Against which reference the labels of these rows count; 0 where against none."""
        return self.given.gather("heeded", self.gather(_PLACE, rows))

    def heed(self, rows: Ints, generation: int) -> None:
        """The labels of these rows count against a reference."""
        at = self.gather(_PLACE, rows)
        self.given.column("heeded")[at] = generation
        self.given.touch(at)

    def drop_before(self, keep_from: int) -> int:
        """Forgets rows below `keep_from`, a whole number of blocks, when that is worth it: how many rows."""
        gone = super().drop_before(keep_from)
        if gone:
            self._sweep()
        return gone

    def replaces(self, other: "BlockTable") -> None:
        """This empty table takes another's place: its stored blocks are to be deleted."""
        super().replaces(other)
        if isinstance(other, PredictionTable):
            self.given.replaces(other.given)

    def load_labels(self, blocks: Mapping[int, dict[str, Any]]) -> None:
        """Restores what `given.changes` gave, after `load`."""
        self.given.load(blocks)
        self._place()

    def _sweep(self) -> None:
        """Labels of rows that are gone go with their blocks; what else is in those is written at the end.

        A block goes when it is mostly empty, so no label is written more often than one is forgotten.
        """
        given = self.given
        live = given.column("row") >= self.base
        blocks = live[: len(live) // BLOCK * BLOCK].reshape(-1, BLOCK).sum(axis=1) * 2 > BLOCK
        before = (int(blocks.argmax()) if blocks.any() else len(blocks)) * BLOCK
        moved = np.flatnonzero(live[:before])
        columns = {name: given.gather(name, moved) for name in given.names}
        if given.drop_before(before):
            given.extend(len(moved), columns)
        self._place()

    def _place(self) -> None:
        place, row = self.column(_PLACE), self.given.column("row") - self.base
        place[:] = -1
        live = np.flatnonzero(row >= 0)
        place[row[live]] = live
