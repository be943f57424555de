"""`EDetector`: mixture Shiryaev–Roberts over many streams at once (Shin, Ramdas & Rinaldo 2022).

Each stream is a sequence of bins, each bet of a stream a factor by bin whose mean is at most 1 while nothing
changed. At every look (50 events of that stream, however messages were cut) R ← E·(R + a), E the product of
the factors and a what the budget paid for a unit of weight since the stream's last look; the mean of R over
the bets, times the stream's weight, reaching 1 is an alarm: R is linear in what is paid. The evidence of all
bets at all looks of a batch is one matrix product of bin counts and log factors, and all bets of all streams
are one vector in the recursion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.account import UNPAID
from streamgauge.detectors.evidence.looks import LOOK, Looks, Taken
from streamgauge.detectors.evidence.suffixes import Suffixes
from streamgauge.schemas.batch import Floats, Ints

#: Log factors are whole multiples of this, rounded down: then float64 adds them exactly in any order, and
#: where a batch is cut changes no bit.
_GRID = 2.0**-36
#: Of one look, at least: ln of the least float64 that is not subnormal.
_LOG_LIMIT = 650.0
#: Events that are taken at a time, so that sums of log factors stay exact.
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Bets:
    """S streams of one kind, of K bins with J bets each.

    `log_factors` float64 (S, K, J) per event; `weights` (S, J), rows sum to the stream's weight in the
    budget, 0 if it is not watched; `statistics` (S, K, M) by bin, of which bet j follows number `follows[j]`.
    """

    log_factors: Floats
    weights: Floats
    statistics: Floats
    follows: NDArray[np.intp]

    @property
    def table(self) -> Floats:
        """Float64 (S, K, J + M): what an event of a bin adds to the bets and statistics of its stream."""
        # Where there is no weight nothing grows, or what isn't watched would overflow one day.
        gridded = on_grid(self.log_factors) * (self.weights[:, None] > 0)
        return np.concatenate([gridded, np.rint(self.statistics / _GRID) * _GRID], axis=2)


def on_grid(log_factors: Floats) -> Floats:
    """Log factors of one event, rounded down so that sums of them are exact."""
    return np.floor(np.clip(log_factors, -12.0, 12.0) / _GRID) * _GRID


@dataclass(frozen=True, slots=True)
class Crossing:
    """A stream's evidence reached 1: at the end of a look, through this bet more than any other.

    `kind` is the number of its `Bets`, `stream` and `bet` count within them. `onset_us` is the start of that
    bet's best suffix, with an interval, `n` the stream's events since, and `statistic` the mean of its
    statistic over them.
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


class EDetector:
    """Streams of one or more kinds. `paid` is the account's balance when they join; if that is `UNPAID`, they
    wait for `join`.

    >>> bets = Bets(np.log([[[0.5], [1.5]]]), np.ones((1, 1)), np.array([[[0.0], [1.0]]]), np.zeros(1, int))
    >>> detector = EDetector([bets], paid=0.0)
    >>> detector.update_many([np.ones((1, 100), int)], np.arange(100), 1e-6)
    >>> [(c.stream, c.onset_us, c.n, c.statistic) for c in detector.take_crossings()]
    [(0, 0, 50, 1.0)]
    """

    __slots__ = (
        "_crossings", "_first_bet", "_kinds", "_last_paid", "_looks", "_r", "_stream_of", "_suffixes",
        "_tables", "_weights",
    )  # fmt: skip

    def __init__(self, kinds: Sequence[Bets], paid: float) -> None:
        self._kinds = [kind.weights.shape for kind in kinds]
        self._tables = [kind.table for kind in kinds]
        #: Of all bets, stream by stream: their weights and streams, and where each stream's begin.
        self._weights = np.concatenate([np.zeros(0), *(kind.weights.ravel() for kind in kinds)])
        sizes = np.concatenate([np.zeros(0, np.int64), *(np.full(s, j) for s, j in self._kinds)])
        self._stream_of = np.repeat(np.arange(len(sizes)), sizes)
        self._first_bet = np.cumsum(sizes) - sizes
        follows, statistics = [np.zeros(0, np.int64)], 0
        for kind in kinds:
            streams, _, some = kind.statistics.shape
            first = statistics + some * np.arange(streams)[:, None]
            follows.append((first + kind.follows).ravel())
            statistics += streams * some
        self._r: Floats = np.zeros(len(self._weights))
        self._suffixes = Suffixes(self._stream_of, np.concatenate(follows)[:, None], statistics)
        self._looks = Looks([kind.log_factors.shape[:2] for kind in kinds])
        self._last_paid: Floats = np.full(len(sizes), paid)
        self._crossings: list[Crossing] = []

    @property
    def evidence(self) -> Floats:
        """Float64 (S,): the mean of R over the bets, times the weight; 1 is an alarm, and so streams rank."""
        mixture: Floats = self._mixture(self._r[None])[0]
        return mixture

    def update_many(self, codes: Sequence[NDArray[Any]], time_us: Ints, paid: float | Floats) -> None:
        """Take a batch of n events in order, at `time_us` int64 (n,) or (S, n).

        `codes` are integers (streams, n) for each kind: bins, negative or ≥ K where missing. `paid` is the
        account's balance at each event, float64 (n,); or one for all, and then the first look that the batch
        completes is paid all that came in, which depends on how events are cut into batches.
        """
        n = codes[0].shape[1]
        if len(self._last_paid) == 0:
            return
        paid = np.broadcast_to(np.asarray(paid, np.float64), n)
        for start in range(0, n, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            self.take_looks(
                self._looks.take([kind[:, chunk] for kind in codes], time_us[..., chunk], paid[chunk])
            )

    def take_looks(self, looks: Taken) -> None:
        """Take whole looks, of events that were counted elsewhere."""
        most, done = len(looks.real), looks.done
        if most == 0:
            return
        # The balance never falls, but a stream that waits to be paid is ahead of it.
        before = np.maximum(np.vstack([self._last_paid, looks.balance[:-1]]), self._last_paid)
        due = np.maximum(looks.balance - before, 0.0) * looks.real
        ended = looks.balance[done - 1, np.arange(len(done))]
        self._last_paid = np.where(done > 0, np.maximum(ended, self._last_paid), self._last_paid)
        logs, statistics = self._sums(looks.counts)
        alike = bool((due == due[:, :1]).all())
        self._advance(logs, statistics, due[:, :1] if alike else due[:, self._stream_of], looks)
        self._crossings.sort(key=lambda crossing: (crossing.kind, crossing.stream))

    def join(self, paid: float) -> None:
        """Streams that wait to be paid are from this balance on."""
        self._last_paid[np.isinf(self._last_paid)] = paid

    def leave(self) -> None:
        """Streams forfeit what comes in until they `join` again; what they hold they keep."""
        self._last_paid[:] = UNPAID

    def take_crossings(self) -> list[Crossing]:
        """Streams that reached 1 since the last call; each has started over."""
        crossings, self._crossings = self._crossings, []
        return crossings

    def to_state(self) -> State:
        """All but the tables, which follow from the baseline."""
        return {
            "r": self._r.copy(),
            "last_paid": self._last_paid.copy(),
            "looks": self._looks.to_state(),
            "suffixes": self._suffixes.to_state(),
            "crossings": [[getattr(c, name) for name in Crossing.__slots__] for c in self._crossings],
        }

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave; the tables must be those of then. Raises ValueError."""
        for name in ("r", "last_paid"):
            mine, theirs = getattr(self, "_" + name), np.array(state[name], np.float64)
            if theirs.shape != mine.shape:
                raise ValueError(f"evidence of another baseline: {name} is {theirs.shape}, not {mine.shape}")
            setattr(self, "_" + name, theirs)
        self._looks.restore(state["looks"])
        self._suffixes.restore(state["suffixes"])
        self._crossings = [Crossing(*fields) for fields in state["crossings"]]

    def adopt(self, other: "EDetector") -> None:
        """The first streams go on from `other`, a detector of fewer streams with the same bets."""
        self._r[: len(other._r)] = other._r
        self._last_paid[: len(other._last_paid)] = other._last_paid
        self._looks.adopt(other._looks)
        self._suffixes.adopt(other._suffixes)
        self._crossings = list(other._crossings)

    def _sums(self, counts: list[Floats]) -> tuple[Floats, Floats]:
        """Log factors (L, bets) and statistics (L, …) that the bins of L looks add up to."""
        logs, statistics = [], []
        for (_, bets), table, of_kind in zip(self._kinds, self._tables, counts, strict=True):
            sums = (of_kind.transpose(1, 0, 2) @ table).transpose(1, 0, 2)
            logs.append(sums[..., :bets].reshape(len(sums), -1))
            statistics.append(sums[..., bets:].reshape(len(sums), -1))
        return np.concatenate(logs, axis=1), np.concatenate(statistics, axis=1)

    def _advance(self, logs: Floats, statistics: Floats, due: Floats, looks: Taken) -> None:
        """The looks in order. Where streams cross they start over, and what follows is computed anew."""
        factors = np.exp(np.minimum(logs, _LOG_LIMIT))
        reached, start, most = np.empty_like(factors), 0, len(factors)
        while start < most:
            r = self._r
            with np.errstate(over="ignore"):
                for look in range(start, most):
                    r = np.multiply(factors[look], r + due[look], out=reached[look])
                alarmed = self._mixture(reached[start:]) >= 1.0
            crossed = np.flatnonzero(alarmed.any(axis=1))
            stop = start + int(crossed[0]) + 1 if len(crossed) else most
            self._r = reached[stop - 1].copy()
            part = slice(start, stop)
            self._suffixes.extend(logs[part], statistics[part], looks.starts_us[part], looks.real[part])
            for stream in np.flatnonzero(alarmed[stop - 1 - start]).tolist():
                self._cross(stream)
            start = stop

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
        onset_us, low_us, high_us, looks, [total] = self._suffixes.of(first + bet)
        n, evidence = looks * LOOK, float(won.sum())
        self._crossings.append(Crossing(kind, within, bet, evidence, onset_us, low_us, high_us, n, total / n))
        self._r[mine] = 0.0
        self._suffixes.forget(mine)
