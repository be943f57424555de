"""`Account`: how much of the false-alarm budget a model has been paid so far.

A model has a share `alpha` of expected false alarms per horizon. Its account grows with event time, and at
each look a stream of weight w stakes w × (what came in since its last look). So expected false alarms by time
t are at most alpha · t / horizon, whatever the number, rates or dependence of the streams (docs/adr/0017).
"""

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Bools, Floats, Ints

#: A gap in event time pays for at most this long: what was not watched is not paid for.
MAX_STEP_US = 3_600_000_000
#: Weights are counted, and streams join, only at whole multiples of this on the account's own time: so how
#: events were cut into batches does not show.
ROUND_US = 60_000_000
#: The balance that a stream holds which is to join with the next round: until then nothing is due to it.
UNPAID = math.inf


#: At each event, float64 (n,), or at all of them.
Balance = float | Floats


def paid_of(paid: Balance, rows: Bools | Ints | slice) -> Balance:
    """The balance at some of the events; one number is that of all."""
    return paid[rows] if isinstance(paid, np.ndarray) else paid


def balances(paid: Balance, n: int) -> Floats:
    """The balance at each of n events; one number is that of all."""
    return paid if isinstance(paid, np.ndarray) else np.full(n, paid)


class Paid(Protocol):
    """Streams that are paid from an account, and wait for it at first."""

    def join(self, paid: float) -> None:
        """Those that wait to be paid are from this balance on."""

    def leave(self) -> None:
        """They forfeit what comes in until they `join` again; what they hold they keep."""


class Payee:
    """Streams that stake together what comes in; the base of what holds their evidence.

    `paid` is the account's balance when they begin; if that is `UNPAID`, they wait for `join`.

    >>> streams = Payee(paid=1.0)
    >>> streams._due([1.5, 1.5, 3.0])
    [0.5, 0.0, 1.5]
    >>> streams.leave()
    >>> streams._due([4.0]), streams.join(4.0), streams._due([4.25])
    ([0.0], None, [0.25])
    """

    __slots__ = ("_last_paid",)

    def __init__(self, paid: float) -> None:
        self._last_paid = paid

    def join(self, paid: float) -> None:
        """If they wait to be paid, they are from this balance on."""
        if self.is_waiting:
            self._last_paid = paid

    def leave(self) -> None:
        """They forfeit what comes in until they `join` again; what they hold they keep."""
        self._last_paid = UNPAID

    @property
    def is_waiting(self) -> bool:
        """Whether they are to join with the next round, and see nothing until then."""
        return self._last_paid == UNPAID

    def _due(self, balances: Iterable[float]) -> list[float]:
        """What came in at each look since the one before, for a unit of weight."""
        due, last = [], self._last_paid
        for balance in balances:
            # The balance never falls, but who waits to be paid is ahead of it.
            due.append(balance - last if balance > last else 0.0)
            last = max(balance, last)
        self._last_paid = last
        return due


class Account:
    """Pays in alpha · Δt / (horizon · total weight of the live streams), per unit of stream weight.

    `alpha` and `horizon_us` may be set at any time and hold from then on; what was paid in stays. The weight
    holds from the next round on. Nothing is paid while it is 0.

    >>> account = Account(alpha=0.05, horizon_us=30 * 86_400_000_000, total_weight=10.0)
    >>> account.advance(0), round(account.advance(3_600_000_000) * 30 * 24 * 10, 6)
    (0.0, 0.05)
    """

    __slots__ = ("_base", "_elapsed_us", "_now_us", "_terms")

    def __init__(self, alpha: float, horizon_us: int, total_weight: float = 0.0) -> None:
        self._terms = (alpha, horizon_us, total_weight)
        #: The latest event time, and the time that was paid for: whole microseconds, so that the balance at
        #: an event doesn't depend on how events were cut into batches.
        self._now_us: int | None = None
        self._elapsed_us = 0
        #: When the terms in force began, on the account's own time, what one unit of weight had been paid by
        #: then, and what all streams had.
        self._base: tuple[int, float, float] = (0, 0.0, 0.0)

    @property
    def paid(self) -> float:
        """The balance: all that was paid in so far for one unit of weight."""
        return self._base[1] + (self._elapsed_us - self._base[0]) * self._rate

    @property
    def paid_in_all(self) -> float:
        """The false alarms that all streams together were paid for: no more are to be expected so far."""
        return self._base[2] + (self._elapsed_us - self._base[0]) * self._rate * self._terms[2]

    @property
    def elapsed_us(self) -> int:
        """The event time that was paid for."""
        return self._elapsed_us

    @property
    def next_round_us(self) -> int | None:
        """The event time at which the next round begins, if there is no gap; None before the first event."""
        return None if self._now_us is None else self._now_us + ROUND_US - self._elapsed_us % ROUND_US

    @property
    def alpha(self) -> float:
        """Expected false alarms per horizon."""
        return self._terms[0]

    @property
    def horizon_us(self) -> int:
        """The horizon, in microseconds."""
        return self._terms[1]

    @property
    def total_weight(self) -> float:
        """Of the streams that live in this round."""
        return self._terms[2]

    def agree(self, alpha: float, horizon_us: int) -> None:
        """Other terms from now on."""
        self._change((alpha, horizon_us, self._terms[2]), self._elapsed_us)

    def clock(self, time_us: Ints) -> Ints:
        """The account's own time at each event, int64 (n,); nothing is paid yet. Time never goes back."""
        if len(time_us) == 0:
            return np.zeros(0, np.int64)
        start = int(time_us[0]) if self._now_us is None else self._now_us
        now = np.maximum(np.maximum.accumulate(time_us), start)
        elapsed: Ints = now + (self._elapsed_us - start)
        if now[-1] - start > MAX_STEP_US:  # then one of the steps may be too long to be paid for
            steps = np.diff(now, prepend=start)
            elapsed = self._elapsed_us + np.cumsum(np.minimum(steps, MAX_STEP_US))
        return elapsed

    def rounds(self, elapsed_us: Ints) -> Ints:
        """Which of the events at these own times, int64 (n,), are the first of a round; int64 (k,)."""
        before = self._elapsed_us // ROUND_US
        if len(elapsed_us) == 0 or elapsed_us[-1] // ROUND_US == before:
            return np.zeros(0, np.int64)
        first: Ints = np.flatnonzero(np.diff(elapsed_us // ROUND_US, prepend=before))
        return first

    def begin_round(self, total_weight: float) -> float:
        """The streams that live have this weight from the next round on; gives the balance at its begin.

        To be called before the account advances into that round: streams that join do so at this balance.
        """
        begin_us = (self._elapsed_us // ROUND_US + 1) * ROUND_US
        self._change((*self._terms[:2], total_weight), begin_us)
        return self._base[1] + (begin_us - self._base[0]) * self._rate

    def advance(self, now_us: int) -> float:
        """Pays for the event time up to `now_us` and returns the balance. Time never goes back."""
        before = now_us if self._now_us is None else self._now_us
        self._now_us = max(before, now_us)
        self._elapsed_us += min(self._now_us - before, MAX_STEP_US)
        return self.paid

    def reaches_a_round(self, now_us: int) -> bool:
        """Whether to advance up to `now_us` begins another round."""
        before = now_us if self._now_us is None else self._now_us
        elapsed_us = self._elapsed_us + min(max(now_us - before, 0), MAX_STEP_US)
        return elapsed_us // ROUND_US > self._elapsed_us // ROUND_US

    def advance_many(self, time_us: Ints) -> Floats:
        """Pays for the time up to each event, int64 (n,), and returns the balance at each, float64 (n,)."""
        elapsed = self.clock(time_us)
        if len(time_us):
            latest = int(time_us.max())
            self._now_us = latest if self._now_us is None else max(self._now_us, latest)
            self._elapsed_us = int(elapsed[-1])
        since: Floats = (elapsed - self._base[0]).astype(np.float64)
        since *= self._rate
        since += self._base[1]
        return since

    def to_state(self) -> State:
        """All of it, the terms in force too."""
        return {
            "terms": list(self._terms),
            "base": list(self._base),
            "elapsed_us": self._elapsed_us,
            "now_us": self._now_us,
        }

    @classmethod
    def from_state(cls, state: State, alpha: float, horizon_us: int) -> "Account":
        """What `to_state` gave; `alpha` and `horizon_us` hold from now on."""
        account = cls(*state["terms"])
        begun_us, paid, in_all = state["base"]
        account._base = (begun_us, paid, in_all)
        account._elapsed_us, account._now_us = state["elapsed_us"], state["now_us"]
        account.agree(alpha, horizon_us)
        return account

    def _change(self, terms: tuple[float, int, float], begin_us: int) -> None:
        """Other terms from `begin_us` on, on the account's own time."""
        if terms != self._terms:
            gone, rate = begin_us - self._base[0], self._rate
            paid, in_all = self._base[1] + gone * rate, self._base[2] + gone * rate * self._terms[2]
            self._base, self._terms = (begin_us, paid, in_all), terms

    @property
    def _rate(self) -> float:
        alpha, horizon_us, weight = self._terms
        return alpha / (horizon_us * weight) if weight > 0 else 0.0
