"""`LogHistogram`: quantiles of a positive quantity within 1 %, mergeable and retractable."""

import math

import numpy as np

from streamgauge.detectors.estimate import Estimate, State
from streamgauge.detectors.intervals import quantile_ranks
from streamgauge.schemas.batch import Floats, Ints

ACCURACY = 0.01
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
#: What is smaller counts as zero, what is larger as this: 1 ns to 31 million years, in ms.
SMALLEST, LARGEST = 1e-6, 1e15


class LogHistogram:
    """Counts in log-spaced bins: the DDSketch mapping (Masson, Rim & Lee 2019) with 1 % relative error.

    Values up to 1e-6, negative ones too, count as 0; above 1e15 as 1e15. Non-finite values are ignored.

    >>> histogram = LogHistogram()
    >>> histogram.update_many(np.arange(1.0, 1001.0))
    >>> histogram.n, round(histogram.quantile(0.99))
    (1000, 983)
    """

    __slots__ = ("_counts", "_start", "_zeros", "n")

    def __init__(self) -> None:
        self.n = 0
        self._zeros = 0
        self._start = 0
        self._counts: Ints = np.zeros(0, np.int64)

    @property
    def held_bytes(self) -> int:
        """Memory, about."""
        return 200 + self._counts.nbytes

    def update_many(self, values: Floats) -> None:
        """Count `values`, float64 (n,)."""
        self._add(values, 1)

    def subtract_many(self, values: Floats) -> None:
        """Take back values that were counted before."""
        self._add(values, -1)

    def merge(self, other: "LogHistogram") -> None:
        """As if `other`'s values had been counted here too."""
        self.n += other.n
        self._zeros += other._zeros
        if len(other._counts):
            self._reach(other._start, other._start + len(other._counts))
            at = other._start - self._start
            self._counts[at : at + len(other._counts)] += other._counts

    def quantile(self, q: float) -> float | None:
        """The q-quantile (lower order statistic) within 1 %, None when nothing was counted."""
        return None if self.n == 0 else self._at([self._rank(q)])[0]

    def estimate(self, q: float) -> Estimate:
        """The q-quantile, with its interval by order statistics."""
        return self.estimates(q)[0]

    def estimates(self, *quantiles: float) -> list[Estimate]:
        """As `estimate`, of several quantiles."""
        if self.n == 0:
            return [Estimate.undefined() for _ in quantiles]
        bounds = [quantile_ranks(q, self.n) for q in quantiles]
        ranks = [rank for q, ends in zip(quantiles, bounds, strict=True) for rank in (self._rank(q), *ends)]
        values = iter(self._at(ranks))
        return [
            Estimate(value, low if first >= 1 else None, high if last <= self.n else None, self.n)
            for (first, last), value, low, high in zip(bounds, values, values, values, strict=True)
        ]

    def bins(self) -> tuple[Floats, Ints]:
        """The middle of each bin, rising, float64 (bins,), and how many values it holds, int64 (bins,)."""
        index = np.arange(self._start, self._start + len(self._counts))
        middles = 2.0 * np.exp(index * _LOG_GAMMA) / (_GAMMA + 1)
        return np.concatenate([[0.0], middles]), np.concatenate([[self._zeros], self._counts])

    def to_state(self) -> State:
        """The same for the same counts, however they came about."""
        used = np.flatnonzero(self._counts)
        first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        start = self._start + first if len(used) else 0
        return {"zeros": self._zeros, "start": start, "counts": self._counts[first:last].copy()}

    @classmethod
    def from_state(cls, state: State) -> "LogHistogram":
        """What `to_state` gave."""
        histogram = cls()
        histogram._zeros = state["zeros"]
        histogram._start = state["start"]
        histogram._counts = np.array(state["counts"], dtype=np.int64)
        histogram.n = histogram._zeros + int(histogram._counts.sum())
        return histogram

    def _add(self, values: Floats, sign: int) -> None:
        positive = values
        if not (values.min(initial=LARGEST) > SMALLEST and values.max(initial=0.0) <= LARGEST):
            values = values[np.isfinite(values)]
            positive = np.minimum(values[values > SMALLEST], LARGEST)
        self.n += sign * len(values)
        self._zeros += sign * (len(values) - len(positive))
        if len(positive) == 0:
            return
        bins = np.log(positive)
        bins /= _LOG_GAMMA
        places = np.ceil(bins, out=bins).astype(np.int64)
        start, stop = int(places.min()), int(places.max()) + 1
        self._reach(start, stop)
        places -= start
        at = start - self._start
        self._counts[at : at + stop - start] += sign * np.bincount(places, minlength=stop - start)

    def _reach(self, start: int, stop: int) -> None:
        if len(self._counts) == 0:
            self._start, self._counts = start, np.zeros(stop - start, np.int64)
            return
        before = max(0, self._start - start)
        after = max(0, stop - self._start - len(self._counts))
        if before or after:
            self._counts = np.pad(self._counts, (before, after))
            self._start -= before

    def _rank(self, q: float) -> int:
        return math.floor(q * (self.n - 1)) + 1

    def _at(self, ranks: list[int]) -> list[float]:
        """The middles of the bins that hold the values of these 1-based ranks."""
        places = np.cumsum(self._counts).searchsorted([rank - self._zeros for rank in ranks]).tolist()
        return [
            0.0 if rank <= self._zeros else 2.0 * math.exp((place + self._start) * _LOG_GAMMA) / (_GAMMA + 1)
            for rank, place in zip(ranks, places, strict=True)
        ]
