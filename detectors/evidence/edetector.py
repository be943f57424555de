"""`EDetector`: mixture Shiryaev–Roberts over many streams at once (Shin, Ramdas & Rinaldo 2022).

Each stream is a sequence of bins, each bet of a stream a factor by bin whose mean is at most 1 while nothing
changed. At every look (50 events of that stream, however messages were cut) R ← E·(R + a), E the product of
the factors and a what the budget paid in since the stream's last look; the mean of R over the bets reaching 1
is an alarm. The evidence of all bets at all looks of a batch is one matrix product of bin counts and log
factors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.suffixes import Suffixes
from streamgauge.schemas.batch import Floats, Ints

LOOK = 50
#: Log factors are whole multiples of this, rounded down: then float64 adds them exactly in any order, and
#: where a batch is cut changes no bit.
_GRID = 2.0**-36
#: Of one look, at least: ln of the least float64 that is not subnormal.
_LOG_LIMIT = 650.0
#: Events that are taken at a time, so that sums of log factors stay exact.
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Crossing:
    """A stream's evidence reached 1: at the end of a look, through this bet more than any other.

    `onset_us` is the start of that bet's best suffix, `n` the stream's events since, and `statistic` the
    mean of the bet's statistic over them.
    """

    stream: int
    bet: int
    evidence: float
    onset_us: int
    n: int
    statistic: float


class EDetector:
    """S streams of K bins with J bets each.

    `log_factors` float64 (S, K, J) per event; `weights` (S, J), rows sum to 1, or to 0 for a stream that is
    not watched; `statistics` (S, K, M) by bin, of which bet j follows number `follows[j]`. `paid` is the
    account's balance when the streams join.

    >>> factors = np.log([[[0.5], [1.5]]])
    >>> detector = EDetector(factors, np.ones((1, 1)), np.array([[[0.0], [1.0]]]), np.zeros(1, int), 0.0)
    >>> detector.update_many(np.ones((1, 100), int), np.arange(100), 1e-6)
    >>> [(c.stream, c.onset_us, c.n, c.statistic) for c in detector.take_crossings()]
    [(0, 0, 50, 1.0)]
    """

    __slots__ = (
        "_bets", "_crossings", "_last_paid", "_look_start", "_partial", "_r", "_suffixes", "_table",
        "follows", "weights",
    )  # fmt: skip

    def __init__(
        self, log_factors: Floats, weights: Floats, statistics: Floats, follows: NDArray[np.intp], paid: float
    ) -> None:
        streams, bins, self._bets = log_factors.shape
        # Where there is no weight nothing grows, or what isn't watched would overflow one day.
        gridded = np.floor(np.clip(log_factors, -12.0, 12.0) / _GRID) * _GRID * (weights[:, None] > 0)
        self._table = np.concatenate([gridded, np.rint(statistics / _GRID) * _GRID], axis=2)
        self.weights = weights
        self.follows = follows
        shape = (streams, self._bets)
        self._r: Floats = np.zeros(shape)
        self._suffixes = Suffixes(streams, statistics.shape[2], follows)
        #: The look that is under way.
        self._partial: Ints = np.zeros((streams, bins), np.int64)
        self._look_start: Ints = np.zeros(streams, np.int64)
        self._last_paid: Floats = np.full(streams, paid)
        self._crossings: list[Crossing] = []

    @property
    def evidence(self) -> Floats:
        """Float64 (S,): the mean of R over the bets; 1 is an alarm. Streams are ranked by it."""
        mixture: Floats = (self._r * self.weights).sum(axis=1)
        return mixture

    def update_many(self, codes: Ints, time_us: Ints, paid: float | Floats) -> None:
        """Take int64 (S, n) bins in order (negative or ≥ K: missing), at `time_us` int64 (n,) or (S, n).

        `paid` is the account's balance at each event, float64 (n,); or one for all, and then the first look
        that the batch completes is paid all that came in, which depends on how events are cut into batches.
        """
        paid = np.broadcast_to(np.asarray(paid, np.float64), codes.shape[1:])
        for start in range(0, codes.shape[1], _CHUNK):
            chunk = slice(start, start + _CHUNK)
            self._take(codes[:, chunk], time_us[..., chunk], paid[chunk])

    def take_crossings(self) -> list[Crossing]:
        """Streams that reached 1 since the last call; each has started over."""
        crossings, self._crossings = self._crossings, []
        return crossings

    def to_state(self) -> State:
        """All but the tables, which follow from the baseline."""
        state: dict[str, State] = {name: getattr(self, "_" + name).copy() for name in _ARRAYS}
        state["suffixes"] = self._suffixes.to_state()
        state["crossings"] = [
            [c.stream, c.bet, c.evidence, c.onset_us, c.n, c.statistic] for c in self._crossings
        ]
        return state

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave; the tables must be those of then. Raises ValueError."""
        for name in _ARRAYS:
            mine = getattr(self, "_" + name)
            theirs = np.array(state[name], dtype=mine.dtype)
            if theirs.shape != mine.shape:
                raise ValueError(f"evidence of another baseline: {name} is {theirs.shape}, not {mine.shape}")
            setattr(self, "_" + name, theirs)
        self._suffixes = Suffixes.from_state(state["suffixes"], self.follows)
        self._crossings = [Crossing(*fields) for fields in state["crossings"]]

    def adopt(self, other: "EDetector") -> None:
        """The first streams go on from `other`, a detector of fewer streams with the same bets."""
        for name in _ARRAYS:
            getattr(self, "_" + name)[: len(other.weights)] = getattr(other, "_" + name)
        self._suffixes.adopt(other._suffixes)
        self._crossings = list(other._crossings)

    def _take(self, codes: Ints, time_us: Ints, paid: Floats) -> None:
        streams, bins = self._partial.shape
        if streams == 0:
            return
        present = (codes >= 0) & (codes < bins)
        filled = self._partial.sum(axis=1)
        # Without gaps all streams are at the same place, and one row of places does for all.
        complete = bool(present.all() and (filled == filled[0]).all())
        if complete:
            place = filled[:1, None] + np.arange(codes.shape[1])
            done = (filled + codes.shape[1]) // LOOK
        else:
            place = np.cumsum(present, axis=1) - 1 + filled[:, None]
            done = (filled + present.sum(axis=1)) // LOOK
        look = place // LOOK
        most = int(done.max(initial=0))
        cells = look * bins + np.arange(0, streams * (most + 1) * bins, (most + 1) * bins)[:, None] + codes
        cells = cells.ravel() if complete else cells[present]
        counts = np.bincount(cells, minlength=streams * (most + 1) * bins)
        counts = counts.reshape(streams, most + 1, bins)
        counts[:, 0] += self._partial
        starts = np.zeros((streams, most + 1), np.int64)
        starts[:, 0] = self._look_start
        balance = np.zeros((streams, most))
        if complete:
            opening, closing = (np.flatnonzero(place[0] % LOOK == at) for at in (0, LOOK - 1))
            starts[:, look[0, opening]] = time_us[..., opening]
            balance[:, look[0, closing]] = paid[closing]
        else:
            rows, columns = np.nonzero((place % LOOK == 0) & present)
            starts[rows, look[rows, columns]] = np.broadcast_to(time_us, codes.shape)[rows, columns]
            rows, columns = np.nonzero((place % LOOK == LOOK - 1) & present)
            balance[rows, look[rows, columns]] = paid[columns]
        everyone = np.arange(streams)
        self._partial, self._look_start = counts[everyone, done], starts[everyone, done]
        if most:
            sums = counts[:, :most].astype(np.float64) @ self._table
            due = np.maximum(np.diff(balance, axis=1, prepend=self._last_paid[:, None]), 0.0)
            self._last_paid = np.where(done > 0, balance[everyone, done - 1], self._last_paid)
            self._advance(slice(None), sums, due, starts, done)
            self._crossings.sort(key=lambda crossing: crossing.stream)

    def _advance(self, rows: slice, sums: Floats, due: Floats, starts: Ints, done: Ints) -> None:
        """`done` (r,) looks of the streams `rows`: of `sums` (r, L, J + M), `due` and start times (r, L)."""
        factors = np.exp(np.minimum(sums[..., : self._bets], _LOG_LIMIT))
        reached, r = np.empty_like(factors), self._r[rows]
        with np.errstate(over="ignore"):  # after a crossing; it is computed anew from there
            for look, owed in enumerate(np.any(due, axis=0).tolist()):
                held = r + due[:, look, None] if owed else r
                r = np.multiply(factors[:, look], held, out=reached[:, look])
            alarmed = (reached * self.weights[rows, None]).sum(axis=2) >= 1.0
        alarmed &= np.arange(factors.shape[1]) < done[:, None]
        crossed = np.flatnonzero(alarmed.any(axis=1))
        stop = done
        if len(crossed):
            stop = done.copy()
            stop[crossed] = np.argmax(alarmed[crossed], axis=1) + 1
        if len(crossed) == 0 and rows == slice(None) and (done == factors.shape[1]).all():
            self._suffixes.extend(sums, starts[:, :-1])
        else:
            self._suffixes.extend_some(rows, sums, starts, stop)
        ended = reached[np.arange(len(done)), stop - 1]
        self._r[rows] = np.where((stop > 0)[:, None], ended, self._r[rows])
        for i in crossed.tolist():
            row = (rows.start or 0) + i
            self._cross(row)
            if stop[i] < done[i]:
                one, rest = slice(i, i + 1), slice(int(stop[i]), None)
                left = (done - stop)[one]
                self._advance(slice(row, row + 1), sums[one, rest], due[one, rest], starts[one, rest], left)

    def _cross(self, row: int) -> None:
        """Notes the alarm of a stream and starts it over."""
        won = self._r[row] * self.weights[row]
        bet = int(np.argmax(won))
        onset_us, looks, total = self._suffixes.of(row, bet)
        n = looks * LOOK
        self._crossings.append(Crossing(row, bet, float(won.sum()), onset_us, n, total / n))
        self._r[row] = 0.0
        self._suffixes.forget(row)


_ARRAYS = ("r", "partial", "look_start", "last_paid")
