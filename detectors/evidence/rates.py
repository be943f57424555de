"""`RateEvidence`: has something become more (or less) frequent than its reference allows?"""

from collections.abc import Sequence

import numpy as np

from streamgauge.detectors.evidence.alarm import Alarm, Aspect
from streamgauge.detectors.evidence.bets import rate_bets, rate_bounds, tail
from streamgauge.detectors.evidence.edetector import Crossing
from streamgauge.detectors.evidence.kinds import Evidence
from streamgauge.detectors.evidence.stakes import Bets
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile import RateProfile

#: Multiples of the bound that are bet on, and how much of the stake: small ones take long anyway.
_STEPS, _SHARES = (1.25, 1.5, 2.0, 3.0, 5.0), (0.1, 0.1, 0.2, 0.3, 0.3)


class RateEvidence(Evidence):
    """One 0 / 1 stream a profile: errors, missing values, … `up` and `down` say which changes count.

    `streams` and `alpha` are those of the whole fleet; `paid` the account's balance. Profiles that are not
    stationary, or hold no event, are not watched and not part of the budget.

    >>> evidence = RateEvidence([RateProfile(500, 5000)], streams=1, alpha=0.05)
    >>> evidence.update_many(np.array([[0, 0, 0, 1, 1] * 100]), np.arange(500), paid=5e-6)
    >>> [(a.direction, round(a.value, 2), a.baseline) for a in evidence.take_alarms()]
    [('up', 0.4, 0.1)]
    """

    __slots__ = ("_aspect", "_signs", "profiles")

    def __init__(
        self,
        profiles: Sequence[RateProfile],
        streams: int,
        alpha: float,
        up: bool = True,
        down: bool = False,
        paid: float = 0.0,
        aspect: Aspect = "rate",
        share: float | Floats = 1.0,
    ) -> None:
        level = tail(alpha, up + down, streams)
        ups = _STEPS if up else ()
        downs = tuple(1 / step for step in _STEPS) if down else ()
        bets = [rate_bets(rate_bounds(p, level), p.design_effect, ups, downs) for p in profiles]
        count = len(ups) + len(downs)
        log_factors = np.zeros((len(profiles), 2, count))
        weights = np.zeros((len(profiles), count))
        for row, (profile, of_profile) in enumerate(zip(profiles, bets, strict=True)):
            log_factors[row] = np.array([[bet[0] for bet in of_profile], [bet[1] for bet in of_profile]])
            if profile.stationary and log_factors[row].any():
                weights[row] = np.tile(_SHARES, up + down) / (up + down)
        self._signs = np.array([1] * len(ups) + [-1] * len(downs))
        self.profiles = tuple(profiles)
        self._aspect: Aspect = aspect
        statistics = np.broadcast_to(np.array([[0.0], [1.0]]), (len(profiles), 2, 1))
        super().__init__(Bets(log_factors, weights, statistics, np.zeros(count, np.intp)), paid, share)

    def update_many(self, outcomes: Ints, time_us: Ints, paid: float | Floats) -> None:
        """Take int64 (S, n) of 0 and 1 in order, −1 for missing, at `time_us` int64 (n,)."""
        self.update_codes(outcomes, time_us, paid)

    def alarm(self, crossing: Crossing) -> Alarm:
        """The rate since the onset, and the reference's."""
        profile = self.profiles[crossing.stream]
        baseline = profile.k / profile.n
        return Alarm(
            stream=crossing.stream,
            aspect=self._aspect,
            direction="up" if self._signs[crossing.bet] > 0 else "down",
            size=crossing.statistic - baseline,
            evidence=crossing.evidence,
            onset_us=crossing.onset_us,
            onset_low_us=crossing.onset_low_us,
            onset_high_us=crossing.onset_high_us,
            n=crossing.n,
            value=crossing.statistic,
            baseline=baseline,
        )
