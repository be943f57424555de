"""`Account`: how much of the false-alarm budget a model has been paid so far.

A model has a share `alpha` of expected false alarms per horizon. Its account grows with event time, and at
each look a stream of weight w stakes w × (what came in since its last look). So expected false alarms by time
t are at most alpha · t / horizon, whatever the number, rates or dependence of the streams (Shin, Ramdas &
Rinaldo 2022, for the mixture Shiryaev–Roberts statistic).
"""

from streamgauge.detectors.estimate import State

#: A step of event time pays for at most this long: what was not watched is not paid for.
MAX_STEP_US = 3_600_000_000


class Account:
    """Pays in alpha · Δt / (horizon · total weight of the live streams).

    `total_weight` may be set at any time; it holds from the next `advance`. Nothing is paid while it is 0.

    >>> account = Account(alpha=0.05, horizon_us=30 * 86_400_000_000, total_weight=10.0)
    >>> account.advance(0), round(account.advance(3_600_000_000) * 30 * 24 * 10, 6)
    (0.0, 0.05)
    """

    __slots__ = ("_now_us", "alpha", "horizon_us", "paid", "total_weight")

    def __init__(self, alpha: float, horizon_us: int, total_weight: float = 0.0) -> None:
        self.alpha = alpha
        self.horizon_us = horizon_us
        self.total_weight = total_weight
        #: Paid in so far, per unit of stream weight.
        self.paid = 0.0
        self._now_us: int | None = None

    def advance(self, now_us: int) -> float:
        """Pays for the event time up to `now_us` and returns `paid`. Time never goes back."""
        if self._now_us is None:
            self._now_us = now_us
        step = min(now_us - self._now_us, MAX_STEP_US)
        if step > 0:
            self._now_us = now_us
            if self.total_weight > 0:
                self.paid += self.alpha * step / (self.horizon_us * self.total_weight)
        return self.paid

    def to_state(self) -> State:
        """What a restored account needs besides its configuration."""
        return {"paid": self.paid, "now_us": self._now_us, "total_weight": self.total_weight}

    @classmethod
    def from_state(cls, state: State, alpha: float, horizon_us: int) -> "Account":
        """What `to_state` gave, with the budget in force now."""
        account = cls(alpha, horizon_us, state["total_weight"])
        account.paid, account._now_us = state["paid"], state["now_us"]
        return account
