"""`CellCounts`: how many predictions fell into which cell; what they will be worth is read from it later."""

import numpy as np

from streamgauge.detectors.classification import grown
from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Ints


class CellCounts:
    """Counts by cell, int64 (cells,), as long as the highest cell asks for. Cell -1 is none.

    >>> counts = CellCounts()
    >>> counts.update_many(np.array([2, 0, 2, -1]))
    >>> counts.counts.tolist(), counts.n
    ([1, 0, 2], 3)
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Ints = np.zeros(0, np.int64)

    @property
    def n(self) -> int:
        """How many predictions are counted."""
        return int(self.counts.sum())

    def update_many(self, cells: Ints) -> None:
        """Count cells, int64 (n,), at least -1."""
        found = np.bincount(cells + 1, minlength=len(self.counts) + 1)[1:]
        found[: len(self.counts)] += self.counts
        self.counts = found

    def merge(self, other: "CellCounts") -> None:
        """As if `other`'s predictions had been counted here too."""
        self.counts = grown(self.counts, other.counts.shape)
        self.counts[: len(other.counts)] += other.counts

    def to_state(self) -> State:
        """The same for the same counts, however they came about."""
        return {"counts": self.counts.copy()}

    @classmethod
    def from_state(cls, state: State) -> "CellCounts":
        """What `to_state` gave."""
        counts = cls()
        counts.counts = np.array(state["counts"], np.int64)
        return counts
