"""`EDetector`: mixture Shiryaev–Roberts over many streams at once (Shin, Ramdas & Rinaldo 2022).

Each stream is a sequence of bins, each bet of a stream a factor by bin whose mean is at most 1 while nothing
changed. At every look (50 rows, however messages were cut) R ← E·(R + a), E the product of the factors and a
what the budget paid for a unit of weight since the last look; the mean of R over the bets, times the stream's
weight, reaching 1 is an alarm: R is linear in what is paid. What a stream misses has the factor 1. The
evidence of all bets at all looks of a batch is one matrix product of bin counts and log factors, and all bets
of all streams are one vector in the recursion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.account import Payee, balances
from streamgauge.detectors.evidence.looks import Looks, Taken
from streamgauge.detectors.evidence.stakes import Bets, Rows, View
from streamgauge.detectors.evidence.suffixes import Suffixes
from streamgauge.schemas.batch import Bools, Floats, Ints

#: Rows that are taken at a time, so that sums of log factors stay exact.
CHUNK = 2_000
#: Surely below 1, however sums are rounded.
_BELOW = 0.999

#: The rows of a kind's streams, S of them, and by code what adds up over a look: float64 (S, W, J).
Table = tuple[Rows, Floats]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A stream's evidence reached 1: at the end of a look, through this bet more than any other.

    `kind` is the number of its `Bets`, `stream` and `bet` count within them. `onset_us` is the start of that
    bet's best suffix, with an interval, `n` the stream's events since, and `statistic` the mean of its
    statistic over them; `other` is that of another statistic since the best bet on that began to win.
    """

    kind: int
    stream: int
    bet: int
    evidence: float
    onset_us: int
    onset_low_us: int
    onset_high_us: int
    n: int
    statistic: float
    other: float = 0.0


class EDetector(Payee):
    """Streams of one or more kinds. `paid` is the account's balance when they join; if that is `UNPAID`, they
    wait for `join`.

    Kinds may share `streams` rows of codes, of which each has a view; without views the rows are those of
    the only kind, and its bins the codes.

    >>> bets = Bets(np.log([[[0.5], [1.5]]]), np.ones((1, 1)), np.array([[[0.0], [1.0]]]), np.zeros(1, int))
    >>> detector = EDetector([bets], paid=0.0)
    >>> detector.update_many(np.ones((1, 100), int), np.arange(100), 1e-6)
    >>> [(c.stream, c.onset_us, c.n, c.statistic) for c in detector.take_crossings()]
    [(0, 0, 50, 1.0)]
    """

    __slots__ = (
        "_crossings", "_factors", "_first_bet", "_follows", "_kinds", "_looks", "_most_weight", "_r",
        "_suffixes", "_weights", "_width",
    )  # fmt: skip

    def __init__(
        self, kinds: Sequence[Bets], paid: float, views: Sequence[View] = (), streams: int | None = None
    ) -> None:
        super().__init__(paid)
        if not views:
            [kind] = kinds
            views = [View(slice(None), np.append(np.arange(kind.log_factors.shape[1]), -1))]
            streams = len(kind.weights)
        self._kinds, self._follows = [kind.weights.shape for kind in kinds], [kind.follows for kind in kinds]
        #: Of each kind with streams: its rows, what a code adds to logs of its bets, and to its statistics.
        self._factors: list[Table] = []
        told: list[Table] = []
        for view, kind in zip(views, kinds, strict=True):
            if len(kind.weights):
                bets, statistics = view.tables(kind)
                self._factors.append((view.rows, bets))
                told.append((view.rows, statistics))
        self._width = len(views[0].bin_of)
        #: Of all bets, stream by stream: their weights, and where those of each stream begin.
        self._weights = np.concatenate([np.zeros(0), *(kind.weights.ravel() for kind in kinds)])
        sizes = np.concatenate([np.zeros(0, np.int64), *(np.full(s, j) for s, j in self._kinds)])
        self._first_bet = np.cumsum(sizes) - sizes
        self._most_weight = max(
            (float(kind.weights.sum(axis=1).max(initial=0.0)) for kind in kinds), default=0.0
        )
        follows, first = [np.zeros((0, 2), np.int64)], 0
        for kind in kinds:
            of_kind, _, some = kind.statistics.shape
            starts = first + (some + 1) * np.arange(of_kind)[:, None]
            of_bets = [starts + kind.follows, np.broadcast_to(starts + some, kind.weights.shape)]
            follows.append(np.stack(of_bets, axis=2).reshape(-1, 2))
            first += of_kind * (some + 1)
        self._r: Floats = np.zeros(len(self._weights))
        self._suffixes = Suffixes(np.concatenate(follows), first, partial(_told, told))
        self._looks = Looks(streams or 0, self._width)
        self._crossings: list[Crossing] = []

    @property
    def evidence(self) -> Floats:
        """Float64 (S,): the mean of R over the bets, times the weight; 1 is an alarm, and so streams rank."""
        mixture: Floats = self._mixture(self._r[None])[0]
        return mixture

    def update_many(self, codes: NDArray[Any], time_us: Ints, paid: float | Floats) -> None:
        """Take a batch of n rows in order: `codes` integers (streams, n), at `time_us` int64 (n,).

        What is no code is missing, as the last one is. `paid` is the account's balance at each row, float64
        (n,); or one for all, and then the first look that the batch completes is paid all that came in, which
        depends on how rows are cut into batches.
        """
        n = codes.shape[1]
        if n == 0 or len(self._r) == 0:
            return
        if codes.min() < 0 or codes.max() >= self._width:
            codes = np.where((codes >= 0) & (codes < self._width), codes, self._width - 1)
        paid = balances(paid, n)
        for start in range(0, n, CHUNK):
            chunk = slice(start, start + CHUNK)
            self.take(codes[:, chunk], time_us[chunk], paid[chunk])

    def take(self, codes: NDArray[Any], time_us: Ints, paid: Floats) -> Taken:
        """At most `CHUNK` rows, of codes only; gives the looks that they completed."""
        looks = self._looks.take(codes, time_us, paid)
        self.take_looks(looks)
        return looks

    def take_looks(self, looks: Taken) -> None:
        """Take whole looks, of rows that were counted elsewhere."""
        if len(looks.balance) == 0 or len(self._r) == 0:
            return
        due = self._due(looks.balance.tolist())
        logs = np.empty((len(due), len(self._r)))
        _by_look(looks.counts, self._factors, logs)
        self._advance(logs, looks.counts.astype(np.uint8), due, looks.starts_us)

    def take_crossings(self) -> list[Crossing]:
        """Streams that reached 1 since the last call; each has started over."""
        crossings, self._crossings = self._crossings, []
        return crossings

    def to_state(self) -> State:
        """All but the tables, which follow from the baseline."""
        return {
            "r": self._r.copy(),
            "last_paid": self._last_paid,
            "looks": self._looks.to_state(),
            "suffixes": self._suffixes.to_state(),
            "crossings": [[getattr(c, name) for name in Crossing.__slots__] for c in self._crossings],
        }

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave; the tables must be those of then. Raises ValueError."""
        r = np.array(state["r"], np.float64)
        if r.shape != self._r.shape:
            raise ValueError(f"evidence of another baseline: of {len(r)} bets, not {len(self._r)}")
        self._r, self._last_paid = r, state["last_paid"]
        self._looks.restore(state["looks"])
        self._suffixes.restore(state["suffixes"])
        self._crossings = [Crossing(*fields) for fields in state["crossings"]]

    def adopt(self, other: "EDetector") -> None:
        """The first streams go on from `other`, a detector of fewer streams with the same bets."""
        self._r[: len(other._r)] = other._r
        self._looks.adopt(other._looks)
        self._suffixes.adopt(other._suffixes)
        self._crossings = list(other._crossings)

    def _advance(self, logs: Floats, bins: NDArray[np.uint8], due: list[float], starts_us: Ints) -> None:
        """The looks in order. Where streams cross they start over, and what follows is computed anew."""
        start, most = 0, len(due)
        while start < most:
            # Each look's factors become what is reached with it.
            r, reached, staked = self._r, np.exp(logs[start:]), np.empty_like(self._r)
            with np.errstate(over="ignore"):
                for a, look in zip(due[start:], reached, strict=True):
                    look *= np.add(r, a, staked)
                    r = look
                alarmed = self._alarmed(reached)
            stop = most if alarmed is None else start + 1 + int(np.argmax(alarmed.any(axis=1)))
            self._r = reached[stop - 1 - start].copy()
            part = slice(start, stop)
            self._suffixes.extend(logs[part], bins[:, part], starts_us[part])
            if alarmed is not None:
                for stream in np.flatnonzero(alarmed[stop - 1 - start]).tolist():
                    self._cross(stream)
                self._crossings.sort(key=lambda crossing: (crossing.kind, crossing.stream))
            start = stop

    def _alarmed(self, reached: Floats) -> Bools | None:
        """Which streams cross in which look, (L, S); None where, as a rule, none does."""
        # No mean of its bets is above the greatest of all.
        if np.maximum.reduce(reached, axis=None) * self._most_weight < _BELOW:
            return None
        alarmed: Bools = self._mixture(reached) >= 1.0
        return alarmed if alarmed.any() else None

    def _mixture(self, r: Floats) -> Floats:
        if r.shape[1] == 0:
            return r
        mixture: Floats = np.add.reduceat(r * self._weights, self._first_bet, axis=1)
        return mixture

    def _cross(self, stream: int) -> None:
        """Notes the alarm of a stream and starts it over."""
        first = int(self._first_bet[stream])
        kind, within = 0, stream
        while within >= self._kinds[kind][0]:
            within -= self._kinds[kind][0]
            kind += 1
        mine = slice(first, first + self._kinds[kind][1])
        won = self._r[mine] * self._weights[mine]
        bet = int(np.argmax(won))
        onset_us, low_us, high_us, _, (total, n) = self._suffixes.of(first + bet)
        mean, evidence = total / max(n, 1.0), float(won.sum())
        follows = self._follows[kind]
        rival = int(np.argmax(np.where(follows == follows[bet], -1.0, won)))
        beside, since = self._suffixes.of(first + rival).totals
        found = evidence, onset_us, low_us, high_us, int(n), mean, beside / max(since, 1.0)
        self._crossings.append(Crossing(kind, within, bet, *found))
        self._r[mine] = 0.0
        self._suffixes.forget(mine)


def _told(tables: Sequence[Table], parts: Sequence[NDArray[np.uint8]], out: Floats) -> None:
    """As `_by_look`, of the bins of looks in parts."""
    _by_look(np.concatenate(parts, axis=1).astype(np.float64), tables, out)


def _by_look(counts: Floats, tables: Sequence[Table], out: Floats) -> None:
    """What the bins of L looks, (S, L, W), add up to by all tables, side by side: (L, …)."""
    at = 0
    for rows, table in tables:
        streams, _, each = table.shape
        of_table = out[:, at : at + streams * each].reshape(len(out), streams, each)
        np.matmul(counts[rows], table, of_table.transpose(1, 0, 2))
        at += streams * each
