"""`GapEvidence`: do predictions turn out right less often than was expected before their labels came?"""

import math

import numpy as np
from scipy import special

from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.bets import tail
from streamgauge.detectors.evidence.edetector import Bets, Crossing
from streamgauge.detectors.evidence.kinds import Evidence
from streamgauge.schemas.batch import Bools, Floats, Ints
from streamgauge.schemas.estimator import ResidualProfile

#: Expected outcomes are rounded down to a multiple of 1/256: it costs .002 of a gap, and no false alarm.
_LEVELS = 256
_SIZES = (0.1, 0.2, 0.4, 0.8)
#: No factor is smaller: one look cannot wipe out what a bet has won.
_LEAST_FACTOR = 0.1


class GapEvidence(Evidence):
    """One stream of (outcome, expected outcome), with bets 1 + λ(expected − outcome − tolerance).

    `expected` float64 (cells,) is the probability of a good outcome by cell. The tolerance is z standard
    errors of the reference's cross-fitted residuals, and Bernstein's term for rare outcomes. A reference
    that is not stationary is not watched and not part of the budget. `streams` and `alpha` are those of the
    whole fleet, `paid` the account's balance.

    >>> evidence = GapEvidence(np.array([0.9]), ResidualProfile(5000, 0.3), streams=1, alpha=0.05)
    >>> good = np.random.default_rng(1).random(2000) < 0.8
    >>> evidence.update_many(np.zeros(2000, int), good, np.arange(2000), paid=5e-6)
    >>> [(alarm.aspect, alarm.direction, round(alarm.size, 1)) for alarm in evidence.take_alarms()][:1]
    [('shortfall', 'down', -0.1)]
    """

    __slots__ = ("_levels",)

    def __init__(
        self, expected: Floats, residuals: ResidualProfile, streams: int, alpha: float, paid: float = 0.0
    ) -> None:
        z = -float(special.ndtri(tail(alpha, 1, streams)))
        share = residuals.design_effect / residuals.n
        tolerance = z * residuals.sd * math.sqrt(share) + z * z * share / 6
        self._levels: Ints = np.minimum((expected * _LEVELS).astype(np.int64), _LEVELS - 1)
        known = np.arange(_LEVELS) / _LEVELS
        #: Code 2·level + outcome.
        shortfall = np.stack([known, known - 1], axis=1).ravel()
        sizes = np.minimum(_SIZES, (1 - _LEAST_FACTOR) / (1 + tolerance))
        factors = np.log1p(sizes * (shortfall[:, None] - tolerance)) / residuals.design_effect
        weights = np.full((1, len(sizes)), 1 / len(sizes) if residuals.stationary else 0.0)
        follows = np.zeros(len(sizes), np.intp)
        super().__init__(Bets(factors[None], weights, -shortfall[None, :, None], follows), paid)

    def update_many(self, cells: Ints, good: Bools, time_us: Ints, paid: float | Floats) -> None:
        """Take cells int64 (n,) and outcomes bool (n,) in order, at `time_us` int64 (n,)."""
        codes = 2 * self._levels[cells] + good
        self.update_codes(codes[None], time_us, paid)

    def alarm(self, crossing: Crossing) -> Alarm:
        """How far outcomes fell short; `size` is outcome − expected."""
        c = crossing
        onset = (c.onset_us, c.onset_low_us, c.onset_high_us)
        return Alarm(0, "shortfall", "down", c.statistic, c.evidence, *onset, c.n)
