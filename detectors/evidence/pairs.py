"""`PairEvidence`: do two features still go together as often as they did? No single one shows that."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.account import UNPAID
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.bets import odds_bets, rate_bounds, tail
from streamgauge.detectors.evidence.edetector import on_grid
from streamgauge.detectors.evidence.suffixes import Suffixes
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile_rates import PairProfile

#: Of a look: twice those of other evidence, as there are many more bets.
ROWS = 100
#: Multiples of the odds that two features agree, upwards and downwards.
_ODDS = (1.3, 2.5)
_BETS = 2 * len(_ODDS)
#: Where both features' own moves make up so much of a pair's, it is theirs.
_OWN_SHARE = 0.5
#: An alarm names pairs that won at least so much of what the first one did, and no more than this many.
_NAMED_SHARE, _MOST_NAMED = 0.1, 5


class PairEvidence:
    """All pairs of F features are one stream, and share its stake: bets on each pair are bets of the stream.

    Two features agree where both lie in the same half of theirs (Blomqvist 1950). That is a rate, bet on as
    other rates are: likelihood ratios of odds against exact bounds of the reference's, looked at every 100
    rows. The agreements of all pairs in a look are one matrix product. `streams` and `alpha` are those of the
    whole fleet; `paid` the account's balance, `share` the stream's weight in it. A pair whose features have
    moved by themselves is not told: that is the features' drift.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> rng = np.random.default_rng(1)
    >>> x, noise = rng.normal(size=(2, 5000))
    >>> evidence = PairEvidence(build_profile({"x": x, "y": x + noise}).pairs, streams=1, alpha=0.05)
    >>> sides = np.sign(rng.normal(size=(2, 500))).astype(np.int8)
    >>> evidence.update_many(sides, np.arange(500), np.arange(500) * 1e-6)
    >>> [(evidence.pairs[a.stream].second, a.direction, round(a.baseline, 2)) for a in evidence.take_alarms()]
    [('y', 'down', 0.74), ('y', 'down', 0.74)]
    """

    __slots__ = (
        "_alarms", "_factors", "_held", "_last_paid", "_like", "_logs", "_of", "_r", "_start_us", "_suffixes",
        "_unlike", "names", "pairs", "weight",
    )  # fmt: skip

    def __init__(
        self,
        pairs: Sequence[PairProfile],
        streams: int,
        alpha: float,
        paid: float = 0.0,
        share: float = 1.0,
    ) -> None:
        self.pairs = pairs = tuple(pair for pair in pairs if pair.agree.stationary)
        #: The features, in the order of the rows that `update_many` takes.
        self.names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
        row = {name: number for number, name in enumerate(self.names)}
        #: The rows of each pair's features, intp (2, pairs).
        self._of = np.array([[row[p.first] for p in pairs], [row[p.second] for p in pairs]], np.intp)
        level = tail(alpha, 2 * max(len(pairs), 1), streams)
        bets = [odds_bets(rate_bounds(p.agree, level), p.agree.design_effect, _ODDS) for p in pairs]
        self._unlike, self._like = on_grid(np.array(bets).reshape(len(pairs), _BETS, 2)).transpose(2, 0, 1)
        #: What a look adds to the log of each bet, by how many of its rows agree: (pairs, 101, bets).
        hits = np.arange(ROWS + 1)[:, None]
        self._logs = hits * self._like[:, None] + (ROWS - hits) * self._unlike[:, None]
        self._factors = np.exp(self._logs)
        #: In the budget: of one stream, if there is a pair to watch.
        self.weight = share if pairs else 0.0
        count, features = len(pairs), len(self.names)
        #: Of each bet's suffix: how often its pair agreed, of how many rows; its features in the upper half,
        #: and present.
        own = self._of + 2 * count
        follows = np.concatenate([[np.arange(count), np.arange(count) + count], own, own + features])
        self._suffixes = Suffixes(
            np.zeros(count * _BETS, np.intp), np.repeat(follows.T, _BETS, axis=0), 2 * (count + features)
        )
        self._r: Floats = np.zeros(count * _BETS)
        self._last_paid = paid
        self._held: NDArray[np.int8] = np.zeros((features, 0), np.int8)
        self._start_us = 0
        self._alarms: list[Alarm] = []

    @property
    def evidence(self) -> float:
        """1 is an alarm."""
        return float(self._r.sum()) / max(len(self._r), 1)

    @property
    def strongest(self) -> PairProfile:
        """The pair with the most evidence."""
        return self.pairs[int(np.argmax(self._won().sum(axis=1)))]

    def update_many(self, sides: NDArray[np.int8], time_us: Ints, paid: float | Floats) -> None:
        """Take int8 (F, n) in order: 1 in the upper half, −1 in the lower, 0 where missing; at `time_us`
        int64 (n,). `paid` is the account's balance at each event, float64 (n,), or one for all."""
        n = len(time_us)
        if not self.weight or n == 0:
            return
        held = self._held.shape[1]
        rows = np.concatenate([self._held, sides], axis=1)
        looks = rows.shape[1] // ROWS
        self._held = rows[:, looks * ROWS :].copy()
        opens = np.arange(looks + 1) * ROWS - held
        starts = np.where(opens < 0, self._start_us, time_us[np.clip(opens, 0, n - 1)])
        self._start_us = int(starts[-1])
        if looks:
            balance = np.broadcast_to(np.asarray(paid, np.float64), n)[opens[1:] - 1]
            before = np.maximum(np.concatenate([[self._last_paid], balance[:-1]]), self._last_paid)
            self._last_paid = max(float(balance[-1]), self._last_paid)
            due = self.weight * np.maximum(balance - before, 0.0)
            cut = rows[:, : looks * ROWS].reshape(len(rows), looks, ROWS).transpose(1, 0, 2)
            self._look(np.ascontiguousarray(cut, np.float32), starts[:-1], due)

    def join(self, paid: float) -> None:
        """If it waits to be paid, it is from this balance on."""
        if math.isinf(self._last_paid):
            self._last_paid = paid

    def leave(self) -> None:
        """It forfeits what comes in until it joins again."""
        self._last_paid = UNPAID

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call, `stream` being the number of a pair; pairs that came together follow
        each other, the first with all of the evidence and the others with as much as they won of it."""
        alarms, self._alarms = self._alarms, []
        return alarms

    def to_state(self) -> State:
        """All but the reference."""
        return {
            "r": self._r.copy(),
            "last_paid": self._last_paid,
            "held": self._held.copy(),
            "start_us": self._start_us,
            "suffixes": self._suffixes.to_state(),
            "alarms": [[getattr(alarm, name) for name in Alarm.__slots__] for alarm in self._alarms],
        }

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if the pairs were others."""
        r, held = np.array(state["r"], np.float64), np.array(state["held"], np.int8)
        if r.shape != self._r.shape or len(held) != len(self.names):
            raise ValueError("evidence of other pairs")
        self._r, self._held = r, held
        self._last_paid, self._start_us = state["last_paid"], state["start_us"]
        self._suffixes.restore(state["suffixes"])
        self._alarms = [Alarm(*fields) for fields in state["alarms"]]

    def _look(self, sides: Floats, starts_us: Ints, due: Floats) -> None:
        """L looks, (L, F, 100)."""
        looks = len(sides)
        product, present = _products(sides, self._of), np.full((looks, len(self.names)), float(ROWS))
        both = np.full_like(product, ROWS)
        if not sides.all():
            there = np.abs(sides)
            both, present = _products(there, self._of), there.sum(axis=2)
        agree = (product + both) / 2
        if both.min() == ROWS:
            at = np.arange(len(self.pairs)), agree.astype(np.intp)
            logs, factors = self._logs[at], self._factors[at]
        else:
            logs = agree[..., None] * self._like + (both - agree)[..., None] * self._unlike
            factors = np.exp(logs)
        logs, factors = logs.reshape(looks, -1), factors.reshape(looks, -1)
        upper = (sides.sum(axis=2) + present) / 2
        statistics = np.concatenate([agree, both, upper, present], axis=1, dtype=np.float64)
        real = np.ones((looks, 1), np.bool_)
        start = 0
        while start < looks:
            r, reached = self._r, np.empty_like(factors[start:])
            for look in range(start, looks):
                r = np.multiply(factors[look], r + due[look], out=reached[look - start])
            crossed = np.flatnonzero(reached.sum(axis=1) >= reached.shape[1])
            stop = start + int(crossed[0]) + 1 if len(crossed) else looks
            self._r = reached[stop - 1 - start].copy()
            part = slice(start, stop)
            self._suffixes.extend(logs[part], statistics[part], starts_us[part, None], real[part])
            if len(crossed):
                self._cross()
            start = stop

    def _cross(self) -> None:
        """Pairs whose features moved by themselves forfeit; what then still crosses is told of."""
        won, told = self._won(), list[tuple[float, Alarm]]()
        total = float(won.sum())
        for pair in np.argsort(-won.sum(axis=1), kind="stable").tolist():
            mine = slice(pair * _BETS, (pair + 1) * _BETS)
            strength = float(won[pair].sum())
            if total < 1.0 or (told and (strength < _NAMED_SHARE * told[0][0] or len(told) == _MOST_NAMED)):
                break
            alarm = self._alarm(pair, mine.start + int(np.argmax(won[pair])), total)
            if alarm is not None:
                told.append((strength, alarm))
            elif not told:
                total -= strength
                self._r[mine] = 0.0
                self._suffixes.forget(mine)
        if told and total >= 1.0:
            self._alarms += [
                replace(alarm, evidence=total * strength / told[0][0]) for strength, alarm in told
            ]
            self._r[:] = 0.0
            self._suffixes.forget(slice(None))

    def _alarm(self, pair: int, bet: int, evidence: float) -> Alarm | None:
        """None where the features' own moves explain it."""
        onset_us, low_us, high_us, _, (agree, both, *own) = self._suffixes.of(bet)
        profile = self.pairs[pair]
        rate, was = agree / both, profile.agree.k / profile.agree.n
        moves = [
            abs(upper / present - before / profile.agree.n)
            for upper, present, before in zip(own[:2], own[2:], profile.upper, strict=True)
        ]
        if sum(moves) >= _OWN_SHARE * abs(rate - was):
            return None
        return Alarm(
            stream=pair,
            aspect="agreement",
            direction="up" if rate > was else "down",
            size=rate - was,
            evidence=evidence,
            onset_us=onset_us,
            onset_low_us=low_us,
            onset_high_us=high_us,
            n=int(both),
            value=rate,
            baseline=was,
        )

    def _won(self) -> Floats:
        return self._r.reshape(-1, _BETS) / len(self._r)


def _products(sides: Floats, of: NDArray[np.intp]) -> Floats:
    """Sums over a look of the products of both features of each pair, float32 (L, pairs): whole numbers."""
    return (sides @ sides.transpose(0, 2, 1))[:, of[0], of[1]]
