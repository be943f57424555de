"""`ScoreCounts`: how often each score came with each outcome; in small windows by score, else in bins."""

import math

import numpy as np
from scipy import special

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Bools, Floats, Ints

#: Bins are equally wide on the logit scale, so that rare positives with scores near 0 are told apart as well.
BINS = 2048
_LOGIT_LIMIT = math.log(1e6)


class ScoreCounts:
    """Counts by score in [0, 1] and outcome: by score as long as it is `exact`, in 2,048 bins from `bin` on.

    What is held is what occurs: two arrays, int64 (used,), of cells in rising order and their counts.

    >>> counts = ScoreCounts(exact=True)
    >>> counts.update_many(np.array([0.5, 0.7, 0.5]), np.array([False, True, True]))
    >>> [column.tolist() for column in counts.by_outcome()]
    [[1, 1], [1, 0]]
    """

    __slots__ = ("_cells", "_counts", "exact")

    def __init__(self, exact: bool = False) -> None:
        self.exact = exact
        #: Twice the score's place, plus one for positives.
        self._cells: Ints = np.zeros(0, np.int64)
        self._counts: Ints = np.zeros(0, np.int64)

    def update_many(self, score: Floats, positive: Bools) -> None:
        """Count scores, float64 (n,) in [0, 1], with whether the outcome was positive, bool (n,)."""
        self._add(score, positive, 1)

    def subtract_many(self, score: Floats, positive: Bools) -> None:
        """Take back scores that were counted before."""
        self._add(score, positive, -1)

    def merge(self, other: "ScoreCounts") -> None:
        """As if `other`'s scores had been counted here too; in bins if either is."""
        if not other.exact:
            self.bin()
        self._count(_binned(other._cells) if other.exact > self.exact else other._cells, other._counts)

    def bin(self) -> None:
        """From now on in bins, as if it had been so from the beginning."""
        if self.exact:
            self.exact = False
            cells, counts = _binned(self._cells), self._counts
            self._cells = self._counts = np.zeros(0, np.int64)
            self._count(cells, counts)

    def by_outcome(self) -> tuple[Ints, Ints]:
        """(positives, negatives) at each score or bin that occurs, in rising order, int64 (places,) each."""
        first = np.diff(self._cells >> 1, prepend=-1) > 0
        counts = np.zeros((2, int(first.sum())), np.int64)
        counts[self._cells & 1, np.cumsum(first) - 1] = self._counts
        return counts[1], counts[0]

    def to_state(self) -> State:
        """The same for the same scores, whatever their order and batches."""
        return {"exact": self.exact, "cells": self._cells.copy(), "counts": self._counts.copy()}

    @classmethod
    def from_state(cls, state: State) -> "ScoreCounts":
        """What `to_state` gave."""
        found = cls(state["exact"])
        found._cells = np.array(state["cells"], np.int64)
        found._counts = np.array(state["counts"], np.int64)
        return found

    def _add(self, score: Floats, positive: Bools, sign: int) -> None:
        places = _bits(score) if self.exact else _bins(score)
        self._count(2 * places + positive, np.full(len(places), sign))

    def _count(self, cells: Ints, counts: Ints) -> None:
        """Adds counts to cells, int64 (n,) each; what comes to nothing is held no more."""
        if not self.exact:
            dense = np.zeros(2 * BINS, np.int64)
            dense[self._cells] = self._counts
            np.add.at(dense, cells, counts)
            self._cells = np.flatnonzero(dense)
            self._counts = dense[self._cells]
        elif len(cells):
            cells = np.concatenate([self._cells, cells])
            order = cells.argsort(kind="stable")
            cells = cells[order]
            first = np.flatnonzero(np.diff(cells, prepend=-1))
            sums = np.add.reduceat(np.concatenate([self._counts, counts])[order], first)
            used = sums != 0
            self._cells, self._counts = cells[first][used], sums[used]


def _bits(score: Floats) -> Ints:
    """Integers in the order of the scores: the bits of float64, of which that of the sign is never set."""
    return np.abs(score).view(np.int64)


def _bins(score: Floats) -> Ints:
    logit = np.clip(special.logit(score), -_LOGIT_LIMIT, _LOGIT_LIMIT)
    bins: Ints = ((logit + _LOGIT_LIMIT) * ((BINS - 1) / (2 * _LOGIT_LIMIT)) + 0.5).astype(np.int64)
    return bins


def _binned(cells: Ints) -> Ints:
    """Cells of scores as cells of bins."""
    return 2 * _bins((cells >> 1).view(np.float64)) + (cells & 1)
