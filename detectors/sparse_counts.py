"""`SparseCounts`: counts of what occurs, out of so much that may."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Ints

#: Codes of a combination are packed into one cell, so many bits each.
BITS = 20
#: Where so few combinations are possible, they are counted as a table first.
_FEW = 4_096


class SparseCounts:
    """`cells` in rising order and their `counts`, int64 (used,) each: memory for what occurs, and no more.

    >>> counts = SparseCounts()
    >>> counts.add(np.array([7, 3, 7]), np.array([1, 1, 1]))
    >>> counts.add(np.array([3]), np.array([-1]))
    >>> counts.cells.tolist(), counts.counts.tolist()
    ([7], [2])
    """

    __slots__ = ("cells", "counts")

    def __init__(self) -> None:
        self.cells: Ints = np.zeros(0, np.int64)
        self.counts: Ints = np.zeros(0, np.int64)

    @classmethod
    def of_table(cls, table: Ints) -> "SparseCounts":
        """Of a table with an axis for each column of codes.

        >>> SparseCounts.of_table(np.array([[0, 2], [5, 0]])).codes(2)
        (array([0, 1]), array([1, 0]))
        """
        counts, places = cls(), np.nonzero(table)
        counts.add(packed(places), table[places])
        return counts

    @property
    def held_bytes(self) -> int:
        """Memory, about."""
        return 300 + self.cells.nbytes + self.counts.nbytes

    @property
    def n(self) -> int:
        """The sum of all counts."""
        return int(self.counts.sum())

    def add(self, cells: Ints, numbers: Ints) -> None:
        """Adds numbers to cells, int64 (n,) each; what comes to nothing is held no more."""
        if len(cells) == 0:
            return
        cells = np.concatenate([self.cells, cells])
        order = cells.argsort(kind="stable")
        cells = cells[order]
        first = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
        sums = np.add.reduceat(np.concatenate([self.counts, numbers])[order], first)
        used = sums != 0
        self.cells, self.counts = cells[first][used], sums[used]

    def add_codes(self, columns: Sequence[NDArray[np.integer]], sign: int) -> None:
        """`sign` for each event's combination of codes, int (n,) by column; negative codes are ignored."""
        known = np.logical_and.reduce([column >= 0 for column in columns])
        if not known.all():
            columns = [column[known] for column in columns]
        if len(columns[0]) == 0:
            return
        sizes = [int(column.max()) + 1 for column in columns]
        if prod(sizes) > _FEW:
            self.add(packed(columns), np.full(len(columns[0]), sign))
            return
        table = np.bincount(np.ravel_multi_index([column.astype(np.intp) for column in columns], sizes))
        found = np.flatnonzero(table)
        self.add(packed(np.unravel_index(found, sizes)), sign * table[found])

    def codes(self, columns: int) -> tuple[Ints, ...]:
        """The codes of each cell, by column; int64 (used,) each."""
        mask = (1 << BITS) - 1
        return tuple(self.cells >> BITS * place & mask for place in range(columns - 1, -1, -1))

    def merge(self, other: "SparseCounts") -> None:
        """As if `other`'s events had been counted here too."""
        self.add(other.cells, other.counts)

    def to_state(self) -> State:
        """The same for the same counts, however they came about."""
        return {"cells": self.cells.copy(), "counts": self.counts.copy()}

    @classmethod
    def from_state(cls, state: State) -> "SparseCounts":
        """What `to_state` gave."""
        found = cls()
        found.cells, found.counts = np.array(state["cells"], np.int64), np.array(state["counts"], np.int64)
        return found


def packed(columns: Sequence[NDArray[np.integer]]) -> Ints:
    """Combinations of codes as one cell each, int64 (n,); the first column counts most.

    >>> packed([np.array([0, 1]), np.array([5, 0])]).tolist()
    [5, 1048576]
    """
    cells = columns[0].astype(np.int64)
    for column in columns[1:]:
        cells = cells << BITS | column
    return cells
