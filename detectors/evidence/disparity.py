"""`DisparityEvidence`: are groups treated more differently than is tolerated?"""

from operator import attrgetter
from typing import NamedTuple

import numpy as np

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.account import Payee, balances
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.stakes import on_grid
from streamgauge.detectors.evidence.suffixes import Suffixes
from streamgauge.schemas.batch import Floats, Ints

#: Groups beyond these (in the order of their codes) are not compared.
MAX_GROUPS = 16
#: Rows of a look, counted from the first, so that where a batch is cut doesn't matter.
BLOCK = 128
#: What is bet on next is what was seen in about so many rows before, and how much of it.
_MEMORIES, _SIZES = (1_000, 4_000, 16_000), (0.5, 1.0)
#: Rows by which a group's rate is drawn to the rate of all, and the least and greatest that is bet on.
_PRIOR, _RARE = 4.0, 0.01
#: No factor is smaller: one row cannot wipe out what a bet has won.
_LEAST_FACTOR = 0.1
#: Fewer rows of a group since the onset don't make it the highest or the lowest one.
_FEW = 20


class Band(NamedTuple):
    """From any rate to `scale` times that plus `width`: where all rates of an attribute may lie."""

    scale: float
    width: float


class DisparityEvidence(Payee):
    """Bets on all groups of an attribute at once: those whose rates were high stay too high above the others.

    There is no reference: that all rates lie within a band is what is held against the groups. It is as wide
    as `tolerance`, or with `ratio` its lower edge is `tolerance` of its upper one (.8: the four-fifths rule).
    Before each look of 128 rows the band is laid where it is nearest to the rates seen so far, and
    who lay above it is bet to do so again, and who lay below. A row's factor is 1 + κ(x − band's edge); the
    κ of a look's rows are such that what groups gain or lose by a band elsewhere cancels out, and no bet
    has a mean above 1 (after Turner, Ly & Grünwald 2024). The whole attribute is one stream and weighs
    `weight` in the budget; `paid` is the account's balance.

    >>> rng = np.random.default_rng(1)
    >>> group, evidence = rng.integers(0, 2, 2000), DisparityEvidence(tolerance=0.1)
    >>> selected = (rng.random(2000) < np.where(group == 0, 0.3, 0.8)).astype(np.int64)
    >>> evidence.update_many(group, selected, np.arange(2000), paid=5e-6)
    >>> [(alarm.groups, alarm.size > 0.4) for alarm in evidence.take_alarms()][:1]
    [((1, 0), True)]
    """

    __slots__ = (
        "_alarms", "_block", "_r", "_seen", "_suffixes", "band", "ratio", "weight",
    )  # fmt: skip

    def __init__(
        self, tolerance: float, paid: float = 0.0, weight: float = 1.0, *, ratio: bool = False
    ) -> None:
        super().__init__(paid)
        self.ratio, self.weight = ratio, weight
        self.band = (
            Band(1 / max(tolerance, _RARE), 0.0) if ratio else Band(1.0, min(tolerance, 1 - 2 * _RARE))
        )
        bets = len(_MEMORIES) * len(_SIZES)
        self._r: Floats = np.zeros(bets)
        #: By memory, how many rows each group had and how many of them were selected: (2, memories, groups).
        self._seen: Floats = np.zeros((2, len(_MEMORIES), MAX_GROUPS))
        everything = np.broadcast_to(np.arange(2 * MAX_GROUPS), (bets, 2 * MAX_GROUPS))
        self._suffixes = Suffixes(everything, 2 * MAX_GROUPS)
        #: The look that is under way: groups, outcomes and times, int64 (3, < 128).
        self._block: Ints = np.zeros((3, 0), np.int64)
        self._alarms: list[Alarm] = []

    @property
    def evidence(self) -> float:
        """1 is an alarm."""
        return self.weight * float(self._r.mean())

    @property
    def rates(self) -> tuple[Floats, Floats]:
        """Of the last rows, some 16,000, the share of each group and its rate, float64 (16,)."""
        n, hits = self._seen[:, -1]
        return n / max(n.sum(), 1.0), hits / np.maximum(n, 1.0)

    def reached(self, shares: Floats, before: Floats, after: Floats, paid: float, events: int) -> float:
        """The evidence when rates have changed for so many events, if none fluctuated; float64 (16,) each.
        `paid` is what the account pays in by event, for a unit of weight."""
        rows = np.array(_MEMORIES)[:, None] * shares
        seen, r = np.stack([rows, rows * before]), np.zeros(len(self._r))
        for _ in range(events // BLOCK):
            n = BLOCK * shares
            logs = self._logs(seen, n, n * after)
            r = np.exp(logs) * (r + paid * BLOCK)
            seen = _DECAYS * seen + np.stack([n, n * after])[:, None]
        return self.weight * float(r.mean())

    def update_many(self, group_codes: Ints, outcomes: Ints, time_us: Ints, paid: float | Floats) -> None:
        """Take rows in order, int64 (n,) each: group (negative: missing), 0 or 1, and time."""
        known = np.flatnonzero((group_codes >= 0) & (group_codes < MAX_GROUPS) & (outcomes >= 0))
        balance = balances(paid, len(group_codes))[known]
        rows = np.stack([group_codes, outcomes, time_us]).astype(np.int64)[:, known]
        held = self._block.shape[1]
        rows = np.concatenate([self._block, rows], axis=1)
        whole = rows.shape[1] - rows.shape[1] % BLOCK
        for start in range(0, whole, BLOCK):
            self._look(rows[:, start : start + BLOCK], float(balance[start + BLOCK - 1 - held]))
        self._block = rows[:, whole:]

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call; after each, evidence has started over."""
        alarms, self._alarms = self._alarms, []
        return alarms

    def to_state(self) -> State:
        """All but the tolerance."""
        return {
            "r": self._r.copy(),
            "last_paid": self._last_paid,
            "seen": self._seen.copy(),
            "suffixes": self._suffixes.to_state(),
            "block": self._block.copy(),
            "alarms": [[*_FIELDS(alarm), *(alarm.groups or ())] for alarm in self._alarms],
        }

    @classmethod
    def from_state(
        cls, state: State, tolerance: float, weight: float = 1.0, *, ratio: bool = False
    ) -> "DisparityEvidence":
        """What `to_state` gave, with the tolerance and weight in force now."""
        evidence = cls(tolerance, state["last_paid"], weight, ratio=ratio)
        evidence._r = np.array(state["r"], np.float64)
        evidence._seen = np.array(state["seen"], np.float64)
        evidence._suffixes.restore(state["suffixes"])
        evidence._block = np.array(state["block"], np.int64)
        evidence._alarms = [_told(*fields) for fields in state["alarms"]]
        return evidence

    def _look(self, block: Ints, paid: float) -> None:
        """What was bet, by what had been seen before, and what became of it."""
        counts = (
            np.bincount(2 * block[0] + block[1], minlength=2 * MAX_GROUPS).reshape(-1, 2).astype(np.float64)
        )
        n, hits = counts.sum(axis=1), counts[:, 1]
        logs = on_grid(self._logs(self._seen, n, hits), BLOCK)
        [due] = self._due([paid])
        self._r = np.exp(logs) * (self._r + due)
        statistics = np.concatenate([n, hits])
        self._suffixes.extend(logs[None], statistics[None], block[2, :1].copy())
        self._seen *= _DECAYS
        self._seen += np.stack([n, hits])[:, None]
        if self.evidence >= 1:
            self._alarm()

    def _logs(self, seen: Floats, n: Floats, hits: Floats) -> Floats:
        """What bets on `n` rows of each group win, as logs, if `hits` of those are selected."""
        edges, kappa = bets_on(seen, n, self.band)
        logs: Floats = np.log1p((1 - edges) * kappa) @ hits + np.log1p(-edges * kappa) @ (n - hits)
        return logs

    def _alarm(self) -> None:
        evidence = self.evidence
        onset_us, low_us, high_us, _, totals = self._suffixes.of(int(np.argmax(self._r)))
        n, hits = np.array(totals).reshape(2, MAX_GROUPS)
        self._r[:] = 0.0
        self._suffixes.forget(slice(None))
        if np.count_nonzero(n) < 2:  # one group alone never loses what is paid in, and is treated as itself
            return
        rates = hits / np.maximum(n, 1.0)
        many = n >= min(_FEW, np.sort(n)[-2])
        high, low = int(np.argmax(np.where(many, rates, -1.0))), int(np.argmin(np.where(many, rates, 2.0)))
        gap, rows = float(rates[low] / rates[high] if self.ratio else rates[high] - rates[low]), int(n.sum())
        self._alarms.append(_told(gap, evidence, onset_us, low_us, high_us, rows, high, low))


#: What an alarm has of its own, beside the two groups.
_FIELDS = attrgetter("size", "evidence", "onset_us", "onset_low_us", "onset_high_us", "n")


def _told(
    gap: float, evidence: float, onset_us: int, low_us: int, high_us: int, n: int, high: int, low: int
) -> Alarm:
    return Alarm(0, "gap", "up", gap, evidence, onset_us, low_us, high_us, n, groups=(high, low))


def bets_on(seen: Floats, n: Floats, band: Band) -> tuple[Floats, Floats]:
    """The band's edge next to each group, and κ, float64 (bets, groups); `seen` (2, memories, groups) are
    rows and hits before a look, in which the groups have `n` rows, (groups,)."""
    rows, hits = seen
    pooled = hits.sum(axis=1, keepdims=True) / np.maximum(rows.sum(axis=1, keepdims=True), 1.0)
    rates = _within((hits + _PRIOR * pooled) / (rows + _PRIOR), _RARE, 1 - _RARE)
    edges, kappa = _laid(rates, n, band)
    # A factor is least where a group that was high is not selected, or one that was low is.
    worst = np.maximum(edges * kappa, (edges - 1) * kappa).max(axis=1)
    most = np.minimum(1.0, (1 - _LEAST_FACTOR) / np.maximum(worst, 1e-9))
    sizes = most[:, None] * np.array(_SIZES)
    scaled = sizes[..., None] * kappa[:, None]
    return np.repeat(edges, len(_SIZES), axis=0), scaled.reshape(-1, scaled.shape[2])


def _laid(rates: Floats, n: Floats, band: Band) -> tuple[Floats, Floats]:
    """The band is where squared distances of the rates to it, over their variances, are least: there the
    pull of those below is that of those above times the scale. Pulls change linearly between the knots."""
    scale, width = band
    variances = rates * (1 - rates)
    weights = n / variances
    knots = np.sort(np.concatenate([rates, (rates - width) / scale], axis=1), axis=1)
    above, below = rates[:, None] - width - scale * knots[..., None], knots[..., None] - rates[:, None]
    pulls = weights[:, None] * (np.maximum(below, 0.0) - scale * np.maximum(above, 0.0))
    pulls = pulls.sum(axis=2)
    row = np.arange(len(rates))
    at = np.maximum((pulls >= 0).argmax(axis=1), 1)
    left, right = pulls[row, at - 1], pulls[row, at]
    share = _within(-left / np.maximum(right - left, 1e-12), 0.0, 1.0)
    start = knots[row, at - 1]
    low = (start + share * (knots[row, at] - start))[:, None]
    edges = _within(rates, low, scale * low + width)
    return edges, (rates - edges) / variances


def _within(numbers: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """As `np.clip`, which takes thrice as long for so few."""
    return np.minimum(np.maximum(numbers, low), high)


_DECAYS = np.exp(-BLOCK / np.array(_MEMORIES))[:, None]
