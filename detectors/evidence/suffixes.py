"""`Suffixes`: since when has each bet been winning? The onset of a change, and what happened since."""

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Bools, Floats, Ints

#: So many looks may wait: suffixes matter at an alarm and in a snapshot only, and cost less in bulk.
_PENDING_LOOKS = 64


class Suffixes:
    """The best suffix of each of B bets on S streams: the latest looks, whose log evidence is the most.

    Bet b is on stream `stream_of[b]` and is told by statistic `follows[b]` of M; both int64 (B,). As in a
    cumulative sum chart (Page 1954), a suffix starts anew where the evidence before it is no longer positive.

    >>> suffixes = Suffixes(np.zeros(1, int), np.zeros(1, int), 1)
    >>> suffixes.extend(np.array([[-1.0], [0.5], [0.7]]), np.array([[10.0], [20.0], [30.0]]),
    ...     np.array([[100], [200], [300]]), np.ones((3, 1), bool))
    >>> suffixes.of(0)
    (200, 2, 50.0)
    """

    __slots__ = (
        "_base", "_cusum", "_follows", "_looks", "_pending", "_since", "_since_looks", "_stream_of",
        "_totals",
    )  # fmt: skip

    def __init__(self, stream_of: NDArray[np.intp], follows: NDArray[np.intp], statistics: int) -> None:
        bets = len(stream_of)
        self._stream_of, self._follows = stream_of, follows
        self._pending: list[tuple[Floats, Floats, Ints, Bools]] = []
        #: Of all looks: sums of the statistics, and their number by stream.
        self._totals: Floats = np.zeros(statistics)
        self._looks: Ints = np.zeros(int(stream_of.max(initial=-1)) + 1, np.int64)
        #: Of each suffix: its log evidence, its start, and the total and number of looks before it.
        self._cusum: Floats = np.zeros(bets)
        self._since: Ints = np.zeros(bets, np.int64)
        self._base: Floats = np.zeros(bets)
        self._since_looks: Ints = np.zeros(bets, np.int64)

    def extend(self, logs: Floats, statistics: Floats, starts_us: Ints, real: Bools) -> None:
        """L more looks: log evidence float64 (L, B), sums of the statistics (L, M), and by stream when they
        began, int64 (L, S), and whether there was such a look at all, bool (L, S); else its sums are 0."""
        self._pending.append((logs, statistics, starts_us, real))
        if sum(map(len, (looks for looks, *_ in self._pending))) >= _PENDING_LOOKS:
            self._settle()

    def of(self, bet: int) -> tuple[int, int, float]:
        """(start in µs, number of looks, sum of the bet's statistic) of a suffix."""
        self._settle()
        looks = int(self._looks[self._stream_of[bet]] - self._since_looks[bet])
        total = float(self._totals[self._follows[bet]] - self._base[bet])
        return int(self._since[bet]), looks, total

    def forget(self, bets: slice) -> None:
        """These start over with the next look."""
        self._settle()
        self._cusum[bets] = 0.0

    def adopt(self, other: "Suffixes") -> None:
        """The first bets go on from `other`, which has fewer."""
        other._settle()
        for name in _ARRAYS:
            theirs = getattr(other, "_" + name)
            getattr(self, "_" + name)[: len(theirs)] = theirs

    def to_state(self) -> State:
        """All but whose the bets are and what they follow."""
        self._settle()
        return {name: getattr(self, "_" + name).copy() for name in _ARRAYS}

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if the bets were others."""
        for name in _ARRAYS:
            mine = getattr(self, "_" + name)
            theirs = np.array(state[name], mine.dtype)
            if theirs.shape != mine.shape:
                raise ValueError(f"suffixes of other bets: {name} is {theirs.shape}, not {mine.shape}")
            setattr(self, "_" + name, theirs)

    def _settle(self) -> None:
        if not self._pending:
            return
        logs, statistics, starts, real = (np.concatenate(parts) for parts in zip(*self._pending, strict=True))
        self._pending = []
        looks, nothing = len(logs), np.zeros((1, len(self._cusum)))
        before = np.cumsum(np.concatenate([nothing, logs]), axis=0)
        totals = np.cumsum(np.concatenate([self._totals[None], statistics]), axis=0)
        counted = np.cumsum(np.concatenate([self._looks[None], real.astype(np.int64)]), axis=0)
        # The evidence before a look is no longer positive where the sum so far is at a new minimum.
        held = np.where(self._cusum > 0, -self._cusum, np.inf)
        lowest = np.minimum.accumulate(np.concatenate([held[None], before[:-1]]), axis=0)
        anew = before[:-1] <= lowest[:-1]
        if not real.all():
            anew &= real[:, self._stream_of]
        restarted = anew.any(axis=0)
        latest = looks - 1 - np.argmax(anew[::-1], axis=0)
        bets, at = np.flatnonzero(restarted), latest[restarted]
        self._since[bets] = starts[at, self._stream_of[bets]]
        self._base[bets] = totals[at, self._follows[bets]]
        self._since_looks[bets] = counted[at, self._stream_of[bets]]
        self._cusum = np.maximum(before[-1] - lowest[-1], 0.0)
        self._totals, self._looks = totals[-1], counted[-1]


_ARRAYS = ("totals", "looks", "cusum", "since", "base", "since_looks")
