"""`RepeatEvidence`: has what used to vary become one value that repeats for ever?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.account import Payee, balances
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.bets import rate_bounds, tail
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.schemas.batch import Bools, Floats, Ints
from streamgauge.schemas.profile_rates import RateProfile

#: Where a value repeats almost always, a run of it says nothing.
_ALMOST_ALWAYS = 0.999
#: What repeats at times may come to repeat so often without being constant: that is a drift.
_AT_TIMES, _OFTEN = 0.1, 0.9
_LOG_LIMIT = 650.0


class RepeatEvidence(Payee):
    """One bet for each of F features: that every value is the one before. All are one stream of the budget.

    `repeats` are how often a value of the reference was the one before it, where that happens most. A look of
    50 rows with one value multiplies the stake by one over the bound of that at every row (.9 at least where
    values repeated at times); any other takes it all. `streams` and `alpha` are those of the whole fleet;
    `paid` the account's balance, `share` the stream's weight in it. What almost always repeats, and what the
    reference says nothing of, is not watched.

    >>> evidence = RepeatEvidence([RateProfile(500, 1_000)], streams=1, alpha=0.05)
    >>> values = np.array([[0.0, 1.0] * 50 + [1.0] * 200])
    >>> evidence.update_many(values, np.arange(300), np.arange(300) * 1e-6)
    >>> [(alarm.aspect, alarm.onset_us, alarm.n, alarm.baseline) for alarm in evidence.take_alarms()]
    [('constant', 100, 100, 0.5), ('constant', 100, 100, 0.5)]
    """

    __slots__ = (
        "_alarms", "_before_us", "_count", "_fresh", "_gain", "_held", "_high", "_low",
        "_previous_us", "_r", "_repeats", "_rows", "_since_us", "_start_us", "_value", "watched", "weight",
    )  # fmt: skip

    def __init__(
        self,
        repeats: Sequence[RateProfile],
        streams: int,
        alpha: float,
        paid: float = 0.0,
        share: float = 1.0,
    ) -> None:
        super().__init__(paid)
        level = tail(alpha, max(len(repeats), 1), streams)
        bounds = [rate_bounds(rate, level)[1] if rate.n else 1.0 for rate in repeats]
        self._repeats = tuple(repeats)
        bounds = [b if b < _AT_TIMES else max(b, _OFTEN) for b in bounds]
        #: What a repeated value adds to the log of the stake; 0 where nothing is bet.
        self._gain = np.array([-np.log(b) if b < _ALMOST_ALWAYS else 0.0 for b in bounds], np.float64)
        #: Bool (F,): the features of which something is bet.
        self.watched: Bools = self._gain > 0
        #: In the budget: of one stream, if there is a feature to watch.
        self.weight = share if self._gain.any() else 0.0
        features = len(repeats)
        self._r = np.zeros(features)
        #: Of the run of looks with one value: that value (inf where there is none), its rows, those since the
        #: last alarm, its start and that of the look before.
        self._value: Floats = np.full(features, np.inf)
        self._rows, self._fresh = np.zeros(features, np.int64), np.zeros(features, np.int64)
        self._since_us, self._before_us = np.zeros(features, np.int64), np.zeros(features, np.int64)
        #: Of the look that is under way: its rows, its least and greatest values, how many are there.
        self._held, self._start_us = 0, 0
        self._previous_us: int | None = None
        self._low, self._high = np.full(features, np.inf), np.full(features, -np.inf)
        self._count: Ints = np.zeros(features, np.int64)
        self._alarms: list[Alarm] = []

    def update_many(self, keys: Floats, time_us: Ints, paid: float | Floats) -> None:
        """Take float64 (F, n) in order: NaN for missing, ±inf for what is no value that could repeat; at
        `time_us` int64 (n,). `paid` is the account's balance at each event, float64 (n,), or one for all."""
        n = len(time_us)
        if not self.weight or n == 0:
            return
        held, paid = self._held, balances(paid, n)
        opens = np.concatenate([[0], np.arange(LOOK - held, n, LOOK)])
        low, high, count = _extremes(keys, opens)
        starts = time_us[opens]
        if held:
            low[:, 0], high[:, 0] = np.fmin(low[:, 0], self._low), np.fmax(high[:, 0], self._high)
            count[:, 0] += self._count
            starts[0] = self._start_us
        flat = (low == high) & np.isfinite(low) & self.watched[:, None]
        is_flat = flat.any(axis=0).tolist()
        for look, due in enumerate(self._due(paid[LOOK - held - 1 :: LOOK].tolist())):
            start_us = int(starts[look])
            if is_flat[look] or self._has_runs:
                self._look(flat[:, look], low[:, look], count[:, look], start_us, self.weight * due)
            self._previous_us = start_us
        rows = self.held_after(n)
        if rows:
            self._under_way(low[:, -1:], high[:, -1:], count[:, -1:], int(starts[-1]), rows)
        else:
            self._none_under_way()

    def pass_by(self, last: Floats, missing: Floats, time_us: Ints, paid: Floats) -> None:
        """As `update_many`, with n rows that complete L ≥ 1 looks, none of which can be of one value in any
        feature. `missing` float64 (F, L) says how many values each look lacks, and `last` float64 (F, m) are
        the rows since the last whole look."""
        ends = (self._held + len(time_us)) // LOOK * LOOK - self._held
        self._due([float(paid[ends - 1])])
        self._previous_us = int(time_us[ends - LOOK]) if ends >= LOOK else self._start_us
        if self._has_runs:
            self._lose(np.any(missing < LOOK, axis=1))
        rows = last.shape[1]
        if rows:
            self._under_way(*_extremes(last, np.zeros(1, np.intp)), int(time_us[ends]), rows)
        else:
            self._none_under_way()

    @property
    def held(self) -> int:
        """How many rows the look has that is under way."""
        return self._held

    def held_after(self, n: int) -> int:
        """How many rows the look will have that is under way after n more."""
        return (self._held + n) % LOOK

    def explains(self, feature: int, n: int) -> bool:
        """Whether half or more of the last `n` rows of a feature, and those at the end, are one value."""
        if not self.weight or not self._gain[feature]:
            return False
        rows = int(self._rows[feature])
        if self._held and self._count[feature]:
            low, value = self._low[feature], self._value[feature]
            if low != self._high[feature] or not np.isfinite(low):
                return False
            rows = int(self._count[feature]) + (rows if low == value else 0)
        return 2 * rows >= n

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call."""
        alarms, self._alarms = self._alarms, []
        return alarms

    def to_state(self) -> State:
        """All but the reference."""
        return {
            **{name: getattr(self, "_" + name).copy() for name in _ARRAYS},
            **{name: getattr(self, "_" + name) for name in _NUMBERS},
            "alarms": [[getattr(alarm, name) for name in Alarm.__slots__] for alarm in self._alarms],
        }

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if the features were others."""
        for name in _ARRAYS:
            mine = getattr(self, "_" + name)
            theirs = np.array(state[name], mine.dtype)
            if theirs.shape != mine.shape:
                raise ValueError(f"evidence of other features: {name} is {theirs.shape}, not {mine.shape}")
            setattr(self, "_" + name, theirs)
        for name in _NUMBERS:
            setattr(self, "_" + name, state[name])
        self._alarms = [Alarm(*fields) for fields in state["alarms"]]

    def _under_way(self, low: Floats, high: Floats, count: Ints, start_us: int, rows: int) -> None:
        """The look that `rows` rows belong to so far, and its extremes: (F, 1) each."""
        self._low, self._high, self._count = low[:, 0].copy(), high[:, 0].copy(), count[:, 0].copy()
        self._start_us, self._held = start_us, rows

    def _none_under_way(self) -> None:
        """As if nothing had been: it must not show where a batch was cut."""
        if self._held:
            self._low, self._high = np.full(len(self._r), np.inf), np.full(len(self._r), -np.inf)
            self._count, self._start_us = np.zeros(len(self._r), np.int64), 0
            self._held = 0

    def _look(self, flat: Bools, value: Floats, count: Ints, start_us: int, due: float) -> None:
        before_us = start_us if self._previous_us is None else min(self._previous_us, start_us)
        new = flat & (value != self._value)
        self._lose(new | (~flat & (count > 0)))
        if not flat.any():
            return
        self._since_us[new], self._before_us[new] = start_us, before_us
        self._value[new] = value[new]
        logs = self._gain * (count - new)
        grown = np.exp(np.minimum(logs, _LOG_LIMIT)) * (self._r + due)
        self._r = np.where(flat, grown, self._r)
        self._rows[flat] += count[flat]
        self._fresh[flat] += count[flat]
        evidence = float(self._r.sum()) / np.count_nonzero(self._gain)
        if evidence < 1:
            return
        most = float(self._r.max())
        for feature in np.flatnonzero(self._r >= most / 10).tolist():
            rate = self._repeats[feature]
            since_us, before_us = int(self._since_us[feature]), int(self._before_us[feature])
            n, self._fresh[feature] = int(self._fresh[feature]), 0
            won = evidence * float(self._r[feature]) / most
            self._alarms.append(
                Alarm(
                    feature, "constant", "up", 1.0 - rate.k / rate.n, won, since_us, before_us,
                    since_us, n, 1.0, rate.k / rate.n,
                )
            )  # fmt: skip
        self._r[:] = 0.0

    def _lose(self, features: Bools) -> None:
        """Their values vary: no run goes on."""
        self._r[features], self._value[features] = 0.0, np.inf
        self._rows[features] = self._fresh[features] = 0

    @property
    def _has_runs(self) -> bool:
        return bool(np.count_nonzero(self._rows))  # there is none, as a rule


def _extremes(keys: Floats, opens: NDArray[np.intp]) -> tuple[Floats, Floats, Ints]:
    """The least and greatest value of each look, (F, looks), and how many there are."""
    low, high = np.fmin.reduceat(keys, opens, axis=1), np.fmax.reduceat(keys, opens, axis=1)
    count = np.tile(np.diff(opens, append=keys.shape[1]), (len(keys), 1))
    absent = np.isnan(keys)
    gappy = np.flatnonzero(absent.any(axis=1))
    count[gappy] -= np.add.reduceat(absent[gappy], opens, axis=1, dtype=np.int64)
    low[count == 0], high[count == 0] = np.inf, -np.inf
    return low, high, count


_ARRAYS = ("r", "value", "rows", "fresh", "since_us", "before_us", "low", "high", "count")
_NUMBERS = ("last_paid", "held", "start_us", "previous_us")
