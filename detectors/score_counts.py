"""`ScoreCounts`: how often each score came with each outcome; in small windows by score, else in bins."""

import math

import numpy as np
from scipy import special

from streamgauge.detectors.estimate import State
from streamgauge.detectors.sparse_counts import SparseCounts
from streamgauge.schemas.batch import Bools, Floats, Ints

#: Bins are equally wide on the logit scale, so that rare positives with scores near 0 are told apart as well.
BINS = 2048
_LOGIT_LIMIT = math.log(1e6)


class ScoreCounts:
    """Counts by score in [0, 1] and outcome: by score as long as it is `exact`, in 2,048 bins from `bin` on.

    >>> counts = ScoreCounts(exact=True)
    >>> counts.update_many(np.array([0.5, 0.7, 0.5]), np.array([False, True, True]))
    >>> [column.tolist() for column in counts.by_outcome()]
    [[1, 1], [1, 0]]
    """

    __slots__ = ("_used", "exact")

    def __init__(self, exact: bool = False) -> None:
        self.exact = exact
        #: Twice the score's place, plus one for positives.
        self._used = SparseCounts()

    @property
    def held_bytes(self) -> int:
        """Memory, about."""
        return self._used.held_bytes

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
        used = other._used
        self._count(_binned(used.cells) if other.exact > self.exact else used.cells, used.counts)

    def bin(self) -> None:
        """From now on in bins, as if it had been so from the beginning."""
        if self.exact:
            self.exact = False
            scores, self._used = self._used, SparseCounts()
            self._count(_binned(scores.cells), scores.counts)

    def by_outcome(self) -> tuple[Ints, Ints]:
        """(positives, negatives) at each score or bin that occurs, in rising order, int64 (places,) each."""
        cells = self._used.cells
        first = np.diff(cells >> 1, prepend=-1) > 0
        counts = np.zeros((2, int(first.sum())), np.int64)
        counts[cells & 1, np.cumsum(first) - 1] = self._used.counts
        return counts[1], counts[0]

    def to_state(self) -> State:
        """The same for the same scores, whatever their order and batches."""
        return {"exact": self.exact, **self._used.to_state()}

    @classmethod
    def from_state(cls, state: State) -> "ScoreCounts":
        """What `to_state` gave."""
        found = cls(state["exact"])
        found._used = SparseCounts.from_state(state)
        return found

    def _add(self, score: Floats, positive: Bools, sign: int) -> None:
        places = _bits(score) if self.exact else _bins(score)
        self._count(2 * places + positive, np.full(len(places), sign))

    def _count(self, cells: Ints, counts: Ints) -> None:
        """Adds counts to cells, int64 (n,) each; what comes to nothing is held no more."""
        used = self._used
        if not self.exact:
            dense = np.zeros(2 * BINS, np.int64)
            dense[used.cells] = used.counts
            np.add.at(dense, cells, counts)
            used.cells = np.flatnonzero(dense)
            used.counts = dense[used.cells]
        else:
            used.add(cells, counts)


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
