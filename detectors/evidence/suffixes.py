"""`Suffixes`: since when has each bet been winning? The onset of a change, and what happened since."""

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Floats, Ints

#: So many looks may wait: suffixes matter at an alarm and in a snapshot only, and cost less in bulk.
_PENDING_LOOKS = 64


class Suffixes:
    """The best suffix of S streams' J bets: the latest looks whose log evidence adds up to the most.

    A look comes as its log evidence by bet and its sums of the statistics, float64 (J + M,); bet j is told by
    statistic `follows[j]`. As in a cumulative sum chart (Page 1954), a suffix starts anew where the evidence
    before it is no longer positive.

    >>> suffixes = Suffixes(1, 1, np.zeros(1, int))
    >>> suffixes.extend(np.array([[[-1.0, 10], [0.5, 20], [0.7, 30]]]), np.array([[100, 200, 300]]))
    >>> suffixes.of(0, 0)
    (200, 2, 50.0)
    """

    __slots__ = ("_base", "_cusum", "_follows", "_looks", "_pending", "_since", "_since_looks", "_totals")

    def __init__(self, streams: int, statistics: int, follows: NDArray[np.intp]) -> None:
        shape = (streams, len(follows))
        self._follows = follows
        self._pending: list[tuple[Floats, Ints]] = []
        #: Of all looks: sums of the statistics, and their number.
        self._totals: Floats = np.zeros((streams, statistics))
        self._looks: Ints = np.zeros(streams, np.int64)
        #: Of each suffix: its log evidence, its start, and the total and number of looks before it.
        self._cusum: Floats = np.zeros(shape)
        self._since: Ints = np.zeros(shape, np.int64)
        self._base: Floats = np.zeros(shape)
        self._since_looks: Ints = np.zeros(shape, np.int64)

    def extend(self, sums: Floats, starts_us: Ints) -> None:
        """L more looks of every stream: float64 (S, L, J + M), and when they began, int64 (S, L)."""
        self._pending.append((sums, starts_us))
        if sum(looks.shape[1] for looks, _ in self._pending) >= _PENDING_LOOKS:
            self._settle()

    def extend_some(self, rows: slice, sums: Floats, starts_us: Ints, counts: Ints) -> None:
        """The first `counts` (r,) of these looks of the streams `rows`: (r, L, J + M), (r, ≥ L)."""
        self._settle()
        self._keep(rows, sums, starts_us, counts)

    def of(self, stream: int, bet: int) -> tuple[int, int, float]:
        """(start in µs, number of looks, sum of the bet's statistic) of a suffix."""
        self._settle()
        looks = int(self._looks[stream] - self._since_looks[stream, bet])
        total = float(self._totals[stream, self._follows[bet]] - self._base[stream, bet])
        return int(self._since[stream, bet]), looks, total

    def forget(self, stream: int) -> None:
        """The stream starts over with its next look."""
        self._settle()
        self._cusum[stream] = 0.0

    def adopt(self, other: "Suffixes") -> None:
        """The first streams go on from `other`, which has fewer."""
        other._settle()
        for name in _ARRAYS:
            getattr(self, "_" + name)[: len(other._looks)] = getattr(other, "_" + name)

    def to_state(self) -> State:
        """All but what the bets follow."""
        self._settle()
        return {name: getattr(self, "_" + name).copy() for name in _ARRAYS}

    @classmethod
    def from_state(cls, state: State, follows: NDArray[np.intp]) -> "Suffixes":
        """What `to_state` gave."""
        streams, statistics = state["totals"].shape
        suffixes = cls(streams, statistics, follows)
        for name in _ARRAYS:
            setattr(suffixes, "_" + name, np.array(state[name], getattr(suffixes, "_" + name).dtype))
        return suffixes

    def _settle(self) -> None:
        if self._pending:
            sums, starts = (np.concatenate(parts, axis=1) for parts in zip(*self._pending, strict=True))
            self._pending = []
            self._keep(slice(None), sums, starts, np.full(len(starts), starts.shape[1]))

    def _keep(self, rows: slice, sums: Floats, starts: Ints, counts: Ints) -> None:
        bets = len(self._follows)
        r, looks = sums.shape[:2]
        at, line = np.arange(r), np.arange(r)[:, None]
        so_far = np.concatenate([np.zeros((r, 1, sums.shape[2])), np.cumsum(sums, axis=1)], axis=1)
        logs, totals = so_far[..., :bets], self._totals[rows, None] + so_far[..., bets:]
        # The evidence before a look is no longer positive where the sum so far is at a new minimum.
        held = np.where(self._cusum[rows] > 0, -self._cusum[rows], np.inf)
        lowest = np.minimum.accumulate(np.concatenate([held[:, None], logs[:, :-1]], axis=1), axis=1)
        numbers = np.arange(looks)[:, None]
        anew = (logs[:, :-1] <= lowest[:, :-1]) & (numbers < counts[:, None, None])
        latest = np.max(np.where(anew, numbers, -1), axis=1)
        restarted, start = latest >= 0, np.maximum(latest, 0)
        looked = self._looks[rows, None] + start
        self._since[rows] = np.where(restarted, starts[line, start], self._since[rows])
        self._base[rows] = np.where(restarted, totals[line, start, self._follows], self._base[rows])
        self._since_looks[rows] = np.where(restarted, looked, self._since_looks[rows])
        cusum = logs[at, counts] - lowest[at, counts]
        self._cusum[rows] = np.where((counts > 0)[:, None], cusum, self._cusum[rows])
        self._totals[rows] = totals[at, counts]
        self._looks[rows] += counts


_ARRAYS = ("totals", "looks", "cusum", "since", "base", "since_looks")
