"""`TrafficEvidence`: has traffic stopped, or jumped, against what is normal at this hour of the week?

Counts a minute are held against a band, not against a rate: real traffic differs by some 15 % from day to day
and 10 % from hour to hour, so that a Poisson reference alarmed on every one of such streams within a week.
Within the band nothing is bet; half of the least and twice the most that was normal are its edges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Literal

import numpy as np

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Floats, Ints

HOUR, DAY, WEEK = 60, 24, 168
#: Hours that are remembered: two of each hour of the week.
_REMEMBERED = 2 * WEEK
#: What is bet: multiples of the upper edge, and of the lower one.
_UP, _DOWN = (1.5, 2.0, 4.0, 8.0), (0.67, 0.5, 0.25, 0.02)
_BETS = (*_UP, *_DOWN)
#: An hour without events says little of what is too many: so many events an hour more are still normal.
_SLACK = 10
_LOG_LIMIT = 600.0
#: Events a minute; more are not told apart, so that their squares are whole numbers of 64 bits.
_MOST = 10**8
_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class TrafficAlarm:
    """Since minute `onset` of the epoch `n` events came in `minutes`; `normal` is so many a minute."""

    direction: Literal["up", "down"]
    onset: int
    minutes: int
    n: int
    normal: float
    evidence: float


class TrafficEvidence:
    """One stream of counts a minute, from minute number `start` since the epoch, UTC; `share` is its weight.

    No verdict in the first 24 whole hours; then the band is half the least to twice the greatest of their
    means; after two weeks, of the last two means of the same hour of the week. A count's likelihood ratio is
    Poisson's, tempered by how much the minutes within an hour scatter (the median of variance over mean).

    >>> evidence = TrafficEvidence(0)
    >>> evidence.update_many(np.full(25 * 60, 10), 0.0)
    >>> evidence.update_many(np.zeros(10, int), 1e-6)
    >>> [(alarm.direction, alarm.onset - 25 * 60, alarm.minutes, alarm.n) for alarm in evidence.take_alarms()]
    [('down', 0, 4, 0)]
    """

    __slots__ = (
        "_alarms", "_band", "_cusum", "_hour", "_paid", "_r", "_since", "_spreads", "_terms", "_total",
        "_totals", "hours", "minute", "share",
    )  # fmt: skip

    def __init__(self, start: int, share: float = 1.0) -> None:
        #: The next minute.
        self.minute = start
        self.share = share
        self._paid = 0.0
        #: Events of the hour that is under way: minutes, sum, sum of squares.
        self._hour = [0, 0, 0]
        #: Whole hours so far; by their number, modulo two weeks, their events and their scatter.
        self.hours = 0
        self._totals: Ints = np.full(_REMEMBERED, _UNKNOWN, np.int64)
        self._spreads: Floats = np.full(_REMEMBERED, float(_UNKNOWN))
        #: Least and greatest events an hour of the first day, and their mean.
        self._band: tuple[float, float, float] | None = None
        self._r = [0.0] * len(_BETS)
        #: Of each bet's best suffix: its log evidence, its first minute, the events before it.
        self._cusum = [0.0] * len(_BETS)
        self._since = [(start, 0)] * len(_BETS)
        self._total = 0
        self._terms: tuple[list[float], float] | None = None
        self._alarms: list[TrafficAlarm] = []

    @property
    def has_band(self) -> bool:
        """Whether it is known what is normal."""
        return self._band is not None

    @property
    def evidence(self) -> float:
        """1 is an alarm."""
        return sum(self._r) / len(_BETS)

    @property
    def normal(self) -> tuple[float, float, float]:
        """Least, greatest and mean events a minute that are normal in the hour that is under way."""
        low, high, mean = self._normal()
        return low / HOUR, high / HOUR, mean / HOUR

    def reached(self, rate: float, paid: float, minutes: int) -> float:
        """The evidence after so many minutes of `rate` events each, if none fluctuated; 1 is an alarm. `paid`
        is what the account pays in by minute, for a unit of weight."""
        base, scatter = self._factors()
        gains = [(rate * log(multiple) - lost) / scatter for multiple, lost in zip(_BETS, base, strict=True)]
        wealth = sum(exp(min(gain * n, _LOG_LIMIT)) for gain in gains for n in range(1, minutes + 1))
        return self.share * paid * wealth / len(_BETS)

    def update_many(self, counts: Ints, paid: float) -> None:
        """The events of each of the next minutes, int64 (n,); the account's balance."""
        for count in np.minimum(counts, _MOST).tolist():
            if self._band is not None:
                self._look(count, self.share * (paid - self._paid))
            self._paid = paid
            self._learn(count)

    def skip(self, minutes: int) -> None:
        """Time that is not watched."""
        if minutes > 0:
            self.minute += minutes
            self._hour, self._terms = [0, 0, 0], None

    def take_alarms(self) -> list[TrafficAlarm]:
        """Alarms since the last call; after each the evidence has started over."""
        alarms, self._alarms = self._alarms, []
        return alarms

    def to_state(self) -> State:
        """All of it."""
        return {
            "minute": self.minute,
            "share": self.share,
            "paid": self._paid,
            "hour": list(self._hour),
            "hours": self.hours,
            "totals": self._totals.copy(),
            "spreads": self._spreads.copy(),
            "band": None if self._band is None else list(self._band),
            "r": list(self._r),
            "cusum": list(self._cusum),
            "since": [list(since) for since in self._since],
            "total": self._total,
            "alarms": [[getattr(alarm, name) for name in TrafficAlarm.__slots__] for alarm in self._alarms],
        }

    @classmethod
    def from_state(cls, state: State) -> "TrafficEvidence":
        """What `to_state` gave."""
        one = cls(state["minute"], state["share"])
        one._paid, one._hour, one.hours = state["paid"], list(state["hour"]), state["hours"]
        one._totals = np.array(state["totals"], np.int64)
        one._spreads = np.array(state["spreads"], np.float64)
        if state["band"] is not None:
            low, high, mean = state["band"]
            one._band = low, high, mean
        one._r, one._cusum, one._total = list(state["r"]), list(state["cusum"]), state["total"]
        one._since = [(minute, total) for minute, total in state["since"]]
        one._alarms = [TrafficAlarm(*fields) for fields in state["alarms"]]
        return one

    def _look(self, count: int, due: float) -> None:
        if self._terms is None:
            self._terms = self._factors()
        base, scatter = self._terms
        for bet, multiple in enumerate(_BETS):
            gain = min((count * log(multiple) - base[bet]) / scatter, _LOG_LIMIT)
            self._r[bet] = exp(gain) * (self._r[bet] + max(due, 0.0))
            if self._cusum[bet] <= 0:
                self._cusum[bet], self._since[bet] = 0.0, (self.minute, self._total)
            self._cusum[bet] += gain
        if self.evidence < 1:
            return
        bet = max(range(len(_BETS)), key=self._r.__getitem__)
        onset, before = self._since[bet]
        self._alarms.append(
            TrafficAlarm(
                "up" if bet < len(_UP) else "down",
                onset,
                self.minute - onset + 1,
                self._total + count - before,
                self._normal()[2] / HOUR,
                self.evidence,
            )
        )
        self._r, self._cusum = [0.0] * len(_BETS), [0.0] * len(_BETS)

    def _factors(self) -> tuple[list[float], float]:
        """What each bet loses in a minute without events, and by how much all are tempered, in this hour."""
        low, high, _ = self._normal()
        least, most = low / 2 / HOUR, (2 * high + _SLACK) / HOUR
        known = self._spreads[self._spreads >= 0]
        scatter = max(1.0, float(np.median(known))) if len(known) else 1.0
        edges = [most] * len(_UP) + [least] * len(_DOWN)
        return [edge * (multiple - 1) for edge, multiple in zip(edges, _BETS, strict=True)], scatter

    def _normal(self) -> tuple[float, float, float]:
        """Least, greatest and mean events an hour that are normal in the hour that is under way."""
        assert self._band is not None
        number = self.minute // HOUR
        same = [int(self._totals[(number - ago) % _REMEMBERED]) for ago in (0, WEEK)]
        if self.hours < _REMEMBERED or _UNKNOWN in same:
            return self._band
        return _band(same)

    def _learn(self, count: int) -> None:
        """The minute is over; with the last of a whole hour, so is the hour."""
        number, minute = divmod(self.minute, HOUR)
        self.minute += 1
        self._total += count
        if minute == self._hour[0]:
            minutes, total, squares = self._hour
            self._hour = [minutes + 1, total + count, squares + count * count]
        if minute < HOUR - 1:
            return
        minutes, total, squares = self._hour
        self._hour, self._terms = [0, 0, 0], None
        if minutes < HOUR:
            return
        place = number % _REMEMBERED
        self._totals[place] = total
        self._spreads[place] = (
            (squares - total * total / HOUR) / (HOUR - 1) / (total / HOUR) if total else -1.0
        )
        self.hours += 1
        if self.hours == DAY:
            self._band = _band(self._totals[self._totals >= 0].tolist())


def _band(totals: Sequence[int]) -> tuple[float, float, float]:
    """Least, greatest and mean. Where an hour had no event, nothing is too few."""
    return float(min(totals)), float(max(totals)), sum(totals) / len(totals)
