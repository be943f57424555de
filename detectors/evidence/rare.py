"""`RareEvidence`: does what hardly ever happened happen more often? It costs nothing while it doesn't."""

import numpy as np

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.alarm import Alarm, Aspect
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile import RateProfile

#: Events without a hit after which the stream closes.
QUIET = 1_000


class RareEvidence:
    """A stream of 0 / 1 outcomes that opens after a first hit, and closes after 1,000 events without one.

    When it closes it forfeits what it held. That keeps the promise: a stream may join at any time that does
    not depend on what comes after it, at the account's balance. `share` is its weight in the budget, which
    must count whether it is open or not.

    >>> evidence = RareEvidence(RateProfile(0, 5_000), streams=1, alpha=0.05, aspect="wrong_type")
    >>> evidence.update_many(np.zeros(5_000, int), np.arange(5_000), 0.0)
    >>> evidence.is_open
    False
    >>> evidence.update_many(np.tile([0, 0, 0, 1], 100), np.arange(400), np.arange(400) * 1e-6)
    >>> [(alarm.direction, round(alarm.value, 2)) for alarm in evidence.take_alarms()][:1], evidence.is_open
    ([('up', 0.24)], True)
    """

    __slots__ = ("_alarms", "_aspect", "_evidence", "_fleet", "_profile", "_quiet", "_share")

    def __init__(
        self, profile: RateProfile, streams: int, alpha: float, aspect: Aspect, share: float = 1.0
    ) -> None:
        self._profile = profile
        self._fleet = streams, alpha
        self._aspect: Aspect = aspect
        self._share = share
        self._evidence: RateEvidence | None = None
        self._quiet = 0
        self._alarms: list[Alarm] = []

    @property
    def is_open(self) -> bool:
        """Whether it waits for more hits."""
        return self._evidence is not None

    def update_many(self, outcomes: Ints, time_us: Ints, paid: float | Floats) -> None:
        """Take 0 and 1 in order, int64 (n,), at `time_us` int64 (n,); the account's balance at each."""
        balance = np.broadcast_to(np.asarray(paid, np.float64), outcomes.shape)
        hits, n, at = np.flatnonzero(outcomes > 0), len(outcomes), 0
        while at < n:
            coming = hits[np.searchsorted(hits, at) :]
            if self._evidence is None:
                if len(coming) == 0:
                    return
                at = int(coming[0]) + 1
                self._evidence = self._opened(float(balance[at - 1]))
                self._quiet = 0
                continue
            last = np.concatenate([[at - 1 - self._quiet], coming])
            ends = last + QUIET + 1
            over = np.flatnonzero(ends <= np.append(coming, n))
            stop = int(ends[over[0]]) if len(over) else n
            part = slice(at, stop)
            self._evidence.update_many(outcomes[None, part], time_us[part], balance[part])
            self._alarms += self._evidence.take_alarms()
            if len(over):
                self._evidence = None
            self._quiet = 0 if len(over) else n - 1 - int(last[-1])
            at = stop

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call."""
        alarms, self._alarms = self._alarms, []
        return alarms

    def to_state(self) -> State:
        """All but the reference."""
        return {
            "evidence": None if self._evidence is None else self._evidence.to_state(),
            "quiet": self._quiet,
            "alarms": [[getattr(alarm, name) for name in Alarm.__slots__] for alarm in self._alarms],
        }

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave."""
        if state["evidence"] is not None:
            self._evidence = self._opened(0.0)
            self._evidence.restore(state["evidence"])
        self._quiet = state["quiet"]
        self._alarms = [Alarm(*fields) for fields in state["alarms"]]

    def _opened(self, paid: float) -> RateEvidence:
        streams, alpha = self._fleet
        return RateEvidence(
            [self._profile], streams, alpha, paid=paid, aspect=self._aspect, share=self._share
        )
