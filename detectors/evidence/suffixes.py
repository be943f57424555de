"""`Suffixes`: since when has each bet been winning? The onset of a change, and what happened since."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Bools, Floats, Ints

#: So many looks may wait: suffixes matter at an alarm and in a snapshot only, and cost less in bulk. As a
#: rule the number of one among them is a byte then.
_PENDING_LOOKS = 128
#: A change may as well have begun where the evidence since then is at most e⁴ times less than since the best
#: start; or e⁸ times towards the past, for of each such step there only the first start is remembered.
_DOUBT = 4.0
#: Rows that a matrix product sums at a time.
_BLOCK = 8
_LOWER = np.tril(np.ones((_BLOCK, _BLOCK)))

#: Writes the statistics of looks, (L, M), that were given in parts.
Sums = Callable[[Sequence[NDArray[Any]], Floats], None]


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

    Bet b is told by the statistics `follows[b]` of M, int64 (B, m); `sums` makes them of what `extend` is
    given, if that is something that takes less room. As in a cumulative sum chart (Page 1954),
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
        "_previous_us", "_rise", "_since", "_since_looks", "_sums", "_totals", "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        follows: NDArray[np.intp],
        statistics: int,
        sums: Sums | None = None,
    ) -> None:
        bets = len(follows)
        self._follows = follows
        self._sums = sums or _joined
        self._pending: list[tuple[Floats, NDArray[Any], Ints]] = []
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

    def extend(self, logs: Floats, told: NDArray[Any], starts_us: Ints) -> None:
        """L more looks: log evidence float64 (L, B); sums of the statistics (L, M), or what `sums` makes them
        of, a list of it at a time; and when they began, int64 (L,). All are kept."""
        self._pending.append((logs, told, starts_us))
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
        logs, told, starts = zip(*self._pending, strict=True)
        self._pending, self._waiting = [], 0
        at_us = np.concatenate(starts)
        looks, width = len(at_us), len(self._rise)
        sums = self._running_sums(logs, told, looks)
        levels, totals = sums[:, :width], sums[:, width:]
        totals += self._totals
        opens = levels[:-1]  # the evidence before each look
        lows, held = np.minimum.reduce(opens, axis=0), -self._rise
        # It is no longer positive where the sum so far is at a new minimum; the last of them counts.
        bets = np.flatnonzero(lows <= held)
        at = _last(opens == lows).take(bets)
        self._since[bets] = at_us.take(at)
        self._base[bets] = totals[at[:, None], self._follows[bets]]
        self._since_looks[bets] = self._looks + at
        least = np.minimum(lows, held)
        self._doubt(opens, least, held, at_us)
        self._rise = levels[-1] - least
        self._totals = totals[-1].copy()
        self._looks += looks
        self._previous_us = int(at_us[-2]) if looks > 1 else self._latest_us
        self._latest_us = int(at_us[-1])

    def _doubt(self, opens: Floats, least: Floats, held: Floats, starts: Ints) -> None:
        """Where the suffixes may as well have begun; `opens` (L, B)."""
        last = _last(opens <= least + _DOUBT)
        self._last = np.where(last >= 0, starts.take(last, mode="clip"), self._last)
        #: The sum of all evidence, but for whole steps, that a level here stands for.
        origin = np.where(np.isinf(held), 0.0, self._phase - held)
        floor = np.floor((least + origin) / _DOUBT) * _DOUBT
        self._phase = least + origin - floor
        near, far = floor + _DOUBT - origin, floor + 2 * _DOUBT - origin
        from_near, from_far = (starts.take(_first(opens < step), mode="clip") for step in (near, far))
        self._far = np.where(held < near, self._far, np.where(held < far, self._near, from_far))
        self._near = np.where(held < near, self._near, from_near)

    def _running_sums(self, logs: Sequence[Floats], told: Sequence[NDArray[Any]], looks: int) -> Floats:
        """The sums before each of L looks and, last, of all, those of statistics beside those of logs:
        (L + 1, B + M). They are exact, so their order is free: a block at a time, then what the blocks before
        it add up to."""
        blocks, bets = -(-looks // _BLOCK), len(self._rise)
        rows = np.empty((blocks, _BLOCK, bets + len(self._totals)))
        flat = rows.reshape(blocks * _BLOCK, -1)
        np.concatenate(logs, out=flat[:looks, :bets])
        self._sums(told, flat[:looks, bets:])
        flat[looks:] = 0.0
        sums = np.empty((blocks * _BLOCK + 1, flat.shape[1]))
        sums[0] = 0.0
        within = np.matmul(_LOWER, rows, out=sums[1:].reshape(rows.shape))
        within[1:] += np.add.accumulate(within[:-1, -1])[:, None]
        return sums[: looks + 1]


def _joined(told: Sequence[NDArray[Any]], out: Floats) -> None:
    np.concatenate(told, out=out)


def _last(found: Bools) -> NDArray[np.intp]:
    """Of each column of bool (L, B) the last row in which it is true, intp (B,); -1 where there is none.

    The greatest of the rows' numbers, for to go along rows is what is fast.
    """
    numbers = np.arange(1, len(found) + 1, dtype=np.min_scalar_type(len(found)))
    last: NDArray[np.intp] = np.maximum.reduce(found.view(np.uint8) * numbers[:, None], axis=0).astype(
        np.intp
    )
    last -= 1
    return last


def _first(found: Bools) -> NDArray[np.intp]:
    """As `_last` the first row; L where there is none."""
    return len(found) - 1 - _last(found[::-1])


_ARRAYS = ("totals", "rise", "since", "base", "since_looks", "phase", "near", "far", "last")
_NUMBERS = ("looks", "latest_us", "previous_us")
