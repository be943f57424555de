"""`Suffixes`: since when has each bet been winning? The onset of a change, and what happened since."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Bools, Floats, Ints

#: So many looks may wait: suffixes matter at an alarm and in a snapshot only, and cost less in bulk.
_PENDING_LOOKS = 64
#: A change may as well have begun where the evidence since then is at most e⁴ times less than since the best
#: start; or e⁸ times towards the past, for of each such step there only the first start is remembered.
_DOUBT = 4.0


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
    """The best suffix of each of B bets on S streams: the latest looks, whose log evidence is the most.

    Bet b is on stream `stream_of[b]`, int64 (B,), and is told by the statistics `follows[b]` of M, int64
    (B, m). As in a cumulative sum chart (Page 1954), a suffix starts anew where the evidence before it is no
    longer positive. The interval of its start holds every start with nearly as much evidence, and a look on
    either side.

    >>> suffixes = Suffixes(np.zeros(1, int), np.zeros((1, 1), int), 1)
    >>> suffixes.extend(np.array([[-1.0], [0.5], [0.7]]), np.array([[10.0], [20.0], [30.0]]),
    ...     np.array([[100], [200], [300]]), np.ones((3, 1), bool))
    >>> suffixes.of(0)
    Suffix(start_us=200, low_us=0, high_us=400, looks=2, totals=[50.0])
    """

    __slots__ = (
        "_base", "_far", "_follows", "_last", "_latest", "_looks", "_near", "_pending", "_phase", "_previous",
        "_rise", "_since", "_since_looks", "_stream_of", "_totals",
    )  # fmt: skip

    def __init__(self, stream_of: NDArray[np.intp], follows: NDArray[np.intp], statistics: int) -> None:
        bets = len(stream_of)
        self._stream_of, self._follows = stream_of, follows
        self._pending: list[tuple[Floats, Floats, Ints, Bools]] = []
        #: Of all looks: sums of the statistics, and their number by stream.
        self._totals: Floats = np.zeros(statistics)
        self._looks: Ints = np.zeros(int(stream_of.max(initial=-1)) + 1, np.int64)
        #: When the last look of each stream began, and the one before.
        self._latest, self._previous = self._looks.copy(), self._looks.copy()
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

    def extend(self, logs: Floats, statistics: Floats, starts_us: Ints, real: Bools) -> None:
        """L more looks: log evidence float64 (L, B), sums of the statistics (L, M), and by stream when they
        began, int64 (L, S), and whether there was such a look at all, bool (L, S); else its sums are 0."""
        self._pending.append((logs, statistics, starts_us, real))
        if sum(map(len, (looks for looks, *_ in self._pending))) >= _PENDING_LOOKS:
            self._settle()

    def of(self, bet: int) -> Suffix:
        """The best suffix of a bet. Raises IndexError for one that is not there."""
        self._settle()
        stream, since = self._stream_of[bet], int(self._since[bet])
        first = self._looks[stream] == 1  # then the stream began with it
        look_us = 0 if first else abs(int(self._latest[stream] - self._previous[stream]))
        return Suffix(
            since,
            min(int(self._far[bet]), since) - look_us,
            max(int(self._last[bet]), since) + look_us,
            int(self._looks[stream] - self._since_looks[bet]),
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
        nothing = np.zeros((1, len(self._rise)))
        before = np.cumsum(np.concatenate([nothing, logs]), axis=0)
        totals = np.cumsum(np.concatenate([self._totals[None], statistics]), axis=0)
        counted = np.cumsum(np.concatenate([self._looks[None], real.astype(np.int64)]), axis=0)
        opens = before[:-1] if real.all() else np.where(real[:, self._stream_of], before[:-1], np.inf)
        held = -self._rise
        lowest = np.minimum.accumulate(np.concatenate([held[None], opens]), axis=0)
        # The evidence before a look is no longer positive where the sum so far is at a new minimum.
        anew = (opens <= lowest[:-1]) & (opens < np.inf)
        bets, at = _last_where(anew)
        self._since[bets] = starts[at, self._stream_of[bets]]
        self._base[bets] = totals[at[:, None], self._follows[bets]]
        self._since_looks[bets] = counted[at, self._stream_of[bets]]
        self._doubt(opens, lowest, held, starts)
        self._rise = before[-1] - lowest[-1]
        self._totals, self._looks = totals[-1], counted[-1]
        self._note_times(starts, real)

    def _doubt(self, opens: Floats, lowest: Floats, held: Floats, starts: Ints) -> None:
        """Where the suffixes may as well have begun."""
        least = lowest[-1]
        bets, at = _last_where(opens <= np.minimum(least + _DOUBT, np.finfo(np.float64).max))
        self._last[bets] = starts[at, self._stream_of[bets]]
        begun, known = least < np.inf, held < np.inf
        #: The sum of all evidence, but for whole steps, that a level here stands for.
        origin = np.where(known, self._phase - np.where(known, held, 0.0), 0.0)
        level = np.where(begun, least, 0.0) + origin
        floor = np.floor(level / _DOUBT) * _DOUBT
        self._phase = np.where(begun, level - floor, self._phase)
        near, far = floor + _DOUBT - origin, floor + 2 * _DOUBT - origin
        streams, looks = self._stream_of, len(opens)
        found = []
        for step in (near, far):
            first = np.minimum(looks - np.count_nonzero(lowest[1:] < step, axis=0), looks - 1)
            found.append(starts[first, streams])
        self._far = np.select([~begun | (held < near), held < far], [self._far, self._near], found[1])
        self._near = np.where(~begun | (held < near), self._near, found[0])

    def _note_times(self, starts: Ints, real: Bools) -> None:
        """When the last two looks of each stream began."""
        rows = np.where(real, np.arange(len(starts))[:, None], -1)
        streams = np.flatnonzero(real.any(axis=0))
        last = rows.max(axis=0)[streams]
        rows[last, streams] = -1
        before = rows.max(axis=0)[streams]
        self._previous[streams] = np.where(before < 0, self._latest[streams], starts[before, streams])
        self._latest[streams] = starts[last, streams]


def _last_where(mask: Bools) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The columns of (L, B) that hold anywhere, and the last row in which each does."""
    columns = np.flatnonzero(mask.any(axis=0))
    return columns, len(mask) - 1 - np.argmax(mask[::-1, columns], axis=0)


_ARRAYS = (
    "totals", "looks", "latest", "previous", "rise", "since", "base", "since_looks", "phase", "near", "far",
    "last",
)  # fmt: skip
