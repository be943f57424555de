"""`Account`: how much of the false-alarm budget a model has been paid so far.

A model has a share `alpha` of expected false alarms per horizon. Its account grows with event time, and at
each look a stream of weight w stakes w × (what came in since its last look). So expected false alarms by time
t are at most alpha · t / horizon, whatever the number, rates or dependence of the streams (Shin, Ramdas &
Rinaldo 2022, for the mixture Shiryaev–Roberts statistic).
"""

import numpy as np

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Floats, Ints

#: A step of event time pays for at most this long: what was not watched is not paid for.
MAX_STEP_US = 3_600_000_000


class Account:
    """Pays in alpha · Δt / (horizon · total weight of the live streams), per unit of stream weight.

    `alpha`, `horizon_us` and `total_weight` may be set at any time and hold from then on; what was paid in
    stays. Nothing is paid while the weight is 0.

    >>> account = Account(alpha=0.05, horizon_us=30 * 86_400_000_000, total_weight=10.0)
    >>> account.advance(0), round(account.advance(3_600_000_000) * 30 * 24 * 10, 6)
    (0.0, 0.05)
    """

    __slots__ = ("_before", "_elapsed_us", "_now_us", "_terms")

    def __init__(self, alpha: float, horizon_us: int, total_weight: float = 0.0) -> None:
        self._terms = (alpha, horizon_us, total_weight)
        self._now_us: int | None = None
        #: Paid in under earlier terms, and the time to pay for since: whole microseconds, so that the balance
        #: at an event doesn't depend on how events were cut into batches.
        self._before = 0.0
        self._elapsed_us = 0

    @property
    def paid(self) -> float:
        """The balance: all that was paid in so far."""
        return self._before + self._elapsed_us * self._rate

    @property
    def alpha(self) -> float:
        """Expected false alarms per horizon."""
        return self._terms[0]

    @alpha.setter
    def alpha(self, alpha: float) -> None:
        self._agree((alpha, *self._terms[1:]))

    @property
    def horizon_us(self) -> int:
        """The horizon, in microseconds."""
        return self._terms[1]

    @horizon_us.setter
    def horizon_us(self, horizon_us: int) -> None:
        self._agree((self._terms[0], horizon_us, self._terms[2]))

    @property
    def total_weight(self) -> float:
        """Of the streams that live now."""
        return self._terms[2]

    @total_weight.setter
    def total_weight(self, weight: float) -> None:
        self._agree((*self._terms[:2], weight))

    def advance(self, now_us: int) -> float:
        """Pays for the event time up to `now_us` and returns the balance. Time never goes back."""
        before = now_us if self._now_us is None else self._now_us
        self._now_us = max(before, now_us)
        self._elapsed_us += min(self._now_us - before, MAX_STEP_US)
        return self.paid

    def advance_many(self, time_us: Ints) -> Floats:
        """Pays for the time up to each event, int64 (n,), and returns the balance at each, float64 (n,)."""
        if len(time_us) == 0:
            return np.zeros(0)
        start = int(time_us[0]) if self._now_us is None else self._now_us
        now = np.maximum.accumulate(np.concatenate([[start], time_us]))
        elapsed = self._elapsed_us + np.cumsum(np.minimum(now[1:] - now[:-1], MAX_STEP_US))
        self._now_us, self._elapsed_us = int(now[-1]), int(elapsed[-1])
        balance: Floats = self._before + elapsed * self._rate
        return balance

    def to_state(self) -> State:
        """All of it, the terms in force too."""
        return {
            "terms": list(self._terms),
            "before": self._before,
            "elapsed_us": self._elapsed_us,
            "now_us": self._now_us,
        }

    @classmethod
    def from_state(cls, state: State, alpha: float, horizon_us: int) -> "Account":
        """What `to_state` gave; `alpha` and `horizon_us` hold from now on."""
        account = cls(*state["terms"])
        account._before, account._elapsed_us = state["before"], state["elapsed_us"]
        account._now_us = state["now_us"]
        account._agree((alpha, horizon_us, account.total_weight))
        return account

    def _agree(self, terms: tuple[float, int, float]) -> None:
        if terms != self._terms:
            self._before, self._elapsed_us, self._terms = self.paid, 0, terms

    @property
    def _rate(self) -> float:
        alpha, horizon_us, weight = self._terms
        return alpha / (horizon_us * weight) if weight > 0 else 0.0
