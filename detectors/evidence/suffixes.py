"""`Suffixes`: since when has each bet been winning? The onset of a change, and what happened since."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Floats, Ints

#: So many looks may wait: suffixes matter at an alarm and in a snapshot only, and cost less in bulk.
_PENDING_LOOKS = 64
#: A change may as well have begun where the evidence since then is at most e⁴ times less than since the best
#: start; or e⁸ times towards the past, for of each such step there only the first start is remembered.
_DOUBT = 4.0
#: Rows that a matrix product sums at a time.
_BLOCK = 8
_LOWER = np.tril(np.ones((_BLOCK, _BLOCK)))


class Suffix(NamedTuple):
    """Since `start_us` a bet has been winning; since `low_us` to `high_us`, as far as one can tell (95 %).

    It has `looks` looks, over which the bet's statistics add up to `totals`.
    """

    start_us: int
    low_us: int
    high_us: int
    looks: int
    totals: list[float]


class Suffixes:
    """The best suffix of each of B bets: the latest looks, whose log evidence is the most.

    Bet b is told by the statistics `follows[b]` of M, int64 (B, m). As in a cumulative sum chart (Page 1954),
    a suffix starts anew where the evidence before it is no longer positive. The interval of its start holds
    every start with nearly as much evidence, and a look on either side.

    >>> suffixes = Suffixes(np.zeros((1, 1), int), 1)
    >>> suffixes.extend(np.array([[-1.0], [0.5], [0.7]]), np.array([[10.0], [20.0], [30.0]]),
    ...     np.array([100, 200, 300]))
    >>> suffixes.of(0)
    Suffix(start_us=200, low_us=0, high_us=400, looks=2, totals=[50.0])
    """

    __slots__ = (
        "_base", "_far", "_follows", "_last", "_latest_us", "_looks", "_near", "_pending", "_phase",
        "_previous_us", "_rise", "_since", "_since_looks", "_totals", "_waiting",
    )  # fmt: skip

    def __init__(self, follows: NDArray[np.intp], statistics: int) -> None:
        bets = len(follows)
        self._follows = follows
        self._pending: list[tuple[Floats, Floats, Ints]] = []
        self._waiting = 0
        #: Of all looks: sums of the statistics, and their number.
        self._totals: Floats = np.zeros(statistics)
        self._looks = 0
        #: When the last look began, and the one before.
        self._latest_us = self._previous_us = 0
        #: Of each suffix: its log evidence (-inf: it starts with the next look; not positive: unless that is
        #: lost again), its start, and the total and number of looks before it.
        self._rise: Floats = np.full(bets, -np.inf)
        self._since: Ints = np.zeros(bets, np.int64)
        self._base: Floats = np.zeros(follows.shape)
        self._since_looks: Ints = np.zeros(bets, np.int64)
        #: Where the evidence of all looks was least: how far above a step of doubt that is; the starts at
        #: which it first fell below the step above that one and the next above; the last start within doubt.
        self._phase: Floats = np.zeros(bets)
        self._near, self._far, self._last = self._since.copy(), self._since.copy(), self._since.copy()

    def extend(self, logs: Floats, statistics: Floats, starts_us: Ints) -> None:
        """L more looks: log evidence float64 (L, B), sums of the statistics (L, M), and when they began,
        int64 (L,)."""
        self._pending.append((logs, statistics, starts_us))
        self._waiting += len(starts_us)
        if self._waiting >= _PENDING_LOOKS:
            self._settle()

    def of(self, bet: int) -> Suffix:
        """The best suffix of a bet. Raises IndexError for one that is not there."""
        self._settle()
        since = int(self._since[bet])
        # With its first look the stream began.
        look_us = 0 if self._looks == 1 else abs(self._latest_us - self._previous_us)
        return Suffix(
            since,
            min(int(self._far[bet]), since) - look_us,
            max(int(self._last[bet]), since) + look_us,
            self._looks - int(self._since_looks[bet]),
            (self._totals[self._follows[bet]] - self._base[bet]).tolist(),
        )

    def forget(self, bets: slice) -> None:
        """These start over with the next look."""
        self._settle()
        self._rise[bets] = -np.inf

    def adopt(self, other: "Suffixes") -> None:
        """The first bets go on from `other`, which has fewer."""
        other._settle()
        for name in _ARRAYS:
            theirs = getattr(other, "_" + name)
            getattr(self, "_" + name)[: len(theirs)] = theirs
        for name in _NUMBERS:
            setattr(self, "_" + name, getattr(other, "_" + name))

    def to_state(self) -> State:
        """All but what the bets follow."""
        self._settle()
        return {name: getattr(self, "_" + name).copy() for name in _ARRAYS} | {
            name: getattr(self, "_" + name) for name in _NUMBERS
        }

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if the bets were others."""
        for name in _ARRAYS:
            mine = getattr(self, "_" + name)
            theirs = np.array(state[name], mine.dtype)
            if theirs.shape != mine.shape:
                raise ValueError(f"suffixes of other bets: {name} is {theirs.shape}, not {mine.shape}")
            setattr(self, "_" + name, theirs)
        for name in _NUMBERS:
            setattr(self, "_" + name, state[name])

    def _settle(self) -> None:
        if not self._pending:
            return
        logs, statistics, starts = (np.concatenate(parts) for parts in zip(*self._pending, strict=True))
        self._pending, self._waiting = [], 0
        looks = len(starts)
        levels, totals = _running_sums(logs), self._totals + _running_sums(statistics)
        # The evidence before each look, the last one first: then whatever is sought begins a row.
        opens = np.ascontiguousarray(levels[-2::-1].T)
        ago = opens.argmin(axis=1)
        lows = opens[np.arange(len(ago)), ago]
        held = -self._rise
        # It is no longer positive where the sum so far is at a new minimum; the last of them counts.
        bets = np.flatnonzero(lows <= held)
        at = looks - 1 - ago[bets]
        self._since[bets] = starts[at]
        self._base[bets] = totals[at[:, None], self._follows[bets]]
        self._since_looks[bets] = self._looks + at
        least = np.minimum(lows, held)
        self._doubt(opens, least, held, starts)
        self._rise = levels[-1] - least
        self._totals = totals[-1]
        self._looks += looks
        self._previous_us = int(starts[-2]) if looks > 1 else self._latest_us
        self._latest_us = int(starts[-1])

    def _doubt(self, opens: Floats, least: Floats, held: Floats, starts: Ints) -> None:
        """Where the suffixes may as well have begun; `opens` (B, L), the last look first."""
        within = opens <= (least + _DOUBT)[:, None]
        ago = within.argmax(axis=1)
        bets = np.flatnonzero(within[np.arange(len(ago)), ago])
        self._last[bets] = starts[len(starts) - 1 - ago[bets]]
        #: The sum of all evidence, but for whole steps, that a level here stands for.
        origin = np.where(np.isinf(held), 0.0, self._phase - held)
        floor = np.floor((least + origin) / _DOUBT) * _DOUBT
        self._phase = least + origin - floor
        near, far = floor + _DOUBT - origin, floor + 2 * _DOUBT - origin
        found = []
        for step in (near, far):
            first = (opens < step[:, None])[:, ::-1].argmax(axis=1)
            found.append(starts[first])
        self._far = np.where(held < near, self._far, np.where(held < far, self._near, found[1]))
        self._near = np.where(held < near, self._near, found[0])


def _running_sums(rows: Floats) -> Floats:
    """Of (L, B), the sums before each row and, last, of all: (L + 1, B). They are exact, so order is free."""
    blocks = -(-len(rows) // _BLOCK)
    padded = np.zeros((blocks, _BLOCK, rows.shape[1]))
    padded.reshape(-1, rows.shape[1])[: len(rows)] = rows
    within = _LOWER @ padded
    before = np.zeros((blocks + 1, 1, rows.shape[1]))
    for block in range(blocks):
        np.add(before[block], within[block, -1], before[block + 1])
    within += before[:-1]
    sums = np.zeros((len(rows) + 1, rows.shape[1]))
    sums[1:] = within.reshape(-1, rows.shape[1])[: len(rows)]
    return sums


_ARRAYS = ("totals", "rise", "since", "base", "since_looks", "phase", "near", "far", "last")
_NUMBERS = ("looks", "latest_us", "previous_us")
