"""`PairEvidence`: do two features still go together as often as they did? No single one shows that."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.account import Payee, balances
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.bets import odds_bets, rate_bounds, tail
from streamgauge.detectors.evidence.stakes import on_grid
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


class PairEvidence(Payee):
    """All pairs of F features are one stream, and share its stake: bets on each pair are bets of the stream.

    Two features agree where both lie in the same half of theirs (Blomqvist 1950). That is a rate, bet on as
    other rates are: likelihood ratios of odds against exact bounds of the reference's, every 100 rows, of all
    pairs by one matrix product. `streams` and `alpha` are those of the whole fleet; `paid` the account's
    balance, `share` the stream's weight in it. A pair whose features have moved by themselves is not told.

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
        "_alarms", "_by_look", "_by_product", "_by_row", "_held", "_of", "_of_bets", "_r", "_start_us",
        "_suffixes", "_sums", "names", "pairs", "weight",
    )  # fmt: skip

    def __init__(
        self,
        pairs: Sequence[PairProfile],
        streams: int,
        alpha: float,
        paid: float = 0.0,
        share: float = 1.0,
    ) -> None:
        super().__init__(paid)
        self.pairs = pairs = tuple(pair for pair in pairs if pair.agree.stationary)
        #: The features, in the order of the rows that `update_many` takes.
        self.names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
        row = {name: number for number, name in enumerate(self.names)}
        #: The rows of each pair's features, intp (2, pairs).
        self._of = np.array([[row[p.first] for p in pairs], [row[p.second] for p in pairs]], np.intp)
        level = tail(alpha, 2 * max(len(pairs), 1), streams)
        bets = [odds_bets(rate_bounds(p.agree, level), p.agree.design_effect, _ODDS) for p in pairs]
        unlike, like = on_grid(np.array(bets).reshape(-1, 2)).T
        #: What a look adds to the log of each bet: by the sum of products of sides, and by row with both.
        self._by_product, self._by_row = (like - unlike) / 2, (like + unlike) / 2
        self._by_look = ROWS * self._by_row
        self.weight = share if pairs else 0.0  # in the budget: of one stream, if there is a pair to watch
        count, features = len(pairs), len(self.names)
        #: Where in a look's matrix of sums of products those of each pair stand, and each feature's own sum.
        first, second = self._of
        of_pairs, own = first * (features + 1) + second, np.arange(features) * (features + 1) + features
        self._sums, self._of_bets = np.concatenate([of_pairs, own]), np.repeat(of_pairs, _BETS)
        #: Of each suffix: its pair's sum of products and rows with both, its features' own sums and rows.
        sums = count + features
        follows = np.stack(
            [np.arange(count), sums + np.arange(count), *count + self._of, *sums + count + self._of]
        )
        self._suffixes = Suffixes(np.repeat(follows.T, _BETS, axis=0), 2 * sums)
        self._r: Floats = np.zeros(count * _BETS)
        self._held: NDArray[np.int8] = np.zeros((features, 0), np.int8)
        self._start_us = 0
        self._alarms: list[Alarm] = []

    @property
    def evidence(self) -> float:
        """1 is an alarm."""
        return float(self._won().sum())

    def log_factors(self, pair: int) -> tuple[Floats, Floats]:
        """Of a pair's bets, float64 (4,): where its features agree, and where they don't."""
        by_product, by_row = (each.reshape(-1, _BETS)[pair] for each in (self._by_product, self._by_row))
        return by_row + by_product, by_row - by_product

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
        rows = np.concatenate([self._held, sides], axis=1) if held else sides
        looks = rows.shape[1] // ROWS
        self._held = rows[:, looks * ROWS :].copy()
        if held:
            starts = np.concatenate([[self._start_us], time_us[ROWS - held :: ROWS]])
        else:
            starts = time_us[::ROWS].copy()
        self._start_us = int(starts[-1])
        if looks:
            due = [
                self.weight * each for each in self._due(balances(paid, n)[ROWS - held - 1 :: ROWS].tolist())
            ]
            self._look(rows[:, : looks * ROWS], starts[:looks], due)

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call, `stream` being a pair's number; of pairs that came together the first
        has all of the evidence, the others as much as they won of it."""
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

    def _look(self, sides: NDArray[np.int8], starts_us: Ints, due: list[float]) -> None:
        """L looks, (F, 100 · L)."""
        features, looks = len(sides), len(due)
        # Products with a row of ones are sums.
        cut = np.empty((looks, features + 1, ROWS), np.float32)
        cut[:, :features] = sides.reshape(features, looks, ROWS).transpose(1, 0, 2)
        cut[:, features] = 1.0
        of_all = _products(cut)
        #: Whole numbers from −100 to 100.
        statistics = np.full((looks, 2 * len(self._sums)), ROWS, np.int8)
        statistics[:, : len(self._sums)] = of_all.take(self._sums, axis=1)
        logs = of_all.take(self._of_bets, axis=1) * self._by_product
        if np.count_nonzero(sides) == sides.size:
            logs += self._by_look
        else:
            there = _products(np.abs(cut))
            statistics[:, len(self._sums) :] = there.take(self._sums, axis=1)
            logs += there.take(self._of_bets, axis=1) * self._by_row
        factors = np.exp(logs)
        start, reached = 0, np.empty_like(factors)
        while start < looks:
            r = self._r
            for factor, into, a in zip(factors[start:], reached[start:], due[start:], strict=True):
                r = np.multiply(np.add(r, a, into), factor, into)
            alarmed = _first_alarm(reached[start:])
            stop = looks if alarmed is None else start + 1 + alarmed
            self._r = reached[stop - 1].copy()
            part = slice(start, stop)
            self._suffixes.extend(logs[part], statistics[part], starts_us[part])
            if alarmed is not None:
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
        """None where the features' own moves explain it, or the two were never there together."""
        onset_us, low_us, high_us, _, (product, both, *own) = self._suffixes.of(bet)
        profile = self.pairs[pair]
        rate, was = (1 + product / max(both, 1.0)) / 2, profile.agree.k / profile.agree.n
        moves = [
            abs((1 + sides / max(present, 1.0)) / 2 - before / profile.agree.n)
            for sides, present, before in zip(own[:2], own[2:], profile.upper, strict=True)
        ]
        if not both or sum(moves) >= _OWN_SHARE * abs(rate - was):
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
        return self._r.reshape(-1, _BETS) / max(len(self._r), 1)


def _first_alarm(reached: Floats) -> int | None:
    """The first look, of (L, bets), in which the mean of the bets is 1; None where, as a rule, none is."""
    if np.maximum.reduce(reached, axis=None) < 0.999:  # no mean of the bets is above the greatest of all
        return None
    alarmed = np.flatnonzero(reached.sum(axis=1) >= reached.shape[1])
    return int(alarmed[0]) if len(alarmed) else None


def _products(sides: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over a look of the products of all rows with each other, float32 (L, rows²): whole numbers."""
    return (sides @ np.ascontiguousarray(sides.transpose(0, 2, 1))).reshape(len(sides), -1)
