"""`GapEvidence`: do predictions turn out right less often than was expected before their labels came?"""

import math

import numpy as np
from scipy import special

from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.bets import tail
from streamgauge.detectors.evidence.edetector import Crossing
from streamgauge.detectors.evidence.kinds import Evidence
from streamgauge.detectors.evidence.stakes import Bets
from streamgauge.detectors.residuals import sureness
from streamgauge.schemas.batch import Bools, Floats, Ints
from streamgauge.schemas.estimator import ResidualProfile

#: Expected outcomes are rounded down to a multiple of 1/256: it costs .002 of a gap, and no false alarm.
LEVELS = 256
#: Of bets on all predictions alike, and on the surer the more: these can lose less, and so may stake more.
_SIZES, _SURE_SIZES = (0.1, 0.2, 0.4, 0.8), (0.25, 0.5, 1.0, 2.0)
#: No factor is smaller: one look cannot wipe out what a bet has won.
_LEAST_FACTOR = 0.1


class GapEvidence(Evidence):
    """One stream of (outcome, expected outcome), with bets 1 + λ(w · (expected − outcome) − tolerance).

    `expected` float64 (cells,) is the probability of a good outcome by cell. Half of the bets weigh all
    predictions alike, w = 1; half the surer the more: where labels turn at random, sure predictions turn out
    wrong, which tells more than unsure ones that do. The tolerance of each half is z standard errors of the
    reference's cross-fitted residuals, weighted so, by how much these fell short themselves, and Bernstein's
    term for rare outcomes. A reference that is not stationary is not watched and not part of the budget.
    `streams` and `alpha` are those of the whole fleet, `paid` the account's balance.

    >>> residuals = ResidualProfile(5000, mean=0.0, sd=0.3, sure_mean=0.0, sure_sd=0.16)
    >>> evidence = GapEvidence(np.array([0.9]), residuals, streams=1, alpha=0.05)
    >>> good = np.random.default_rng(1).random(2000) < 0.8
    >>> evidence.update_many(np.zeros(2000, int), good, np.arange(2000), paid=5e-6)
    >>> [(alarm.aspect, alarm.direction, round(alarm.size, 1)) for alarm in evidence.take_alarms()][:1]
    [('shortfall', 'down', -0.1)]
    """

    __slots__ = ("_levels", "usual_level")

    def __init__(
        self,
        expected: Floats,
        residuals: ResidualProfile,
        streams: int,
        alpha: float,
        paid: float = 0.0,
        share: float = 1.0,
    ) -> None:
        z = -float(special.ndtri(tail(alpha, 2, streams)))
        #: How sure predictions are that scatter as much as those of the reference, all alike.
        sure = 0.5 + math.sqrt(max(0.25 - residuals.sd**2, 0.0))
        self.usual_level = min(round(sure * LEVELS), LEVELS - 1)
        unsure = residuals.design_effect / residuals.n
        self._levels: Ints = np.minimum((expected * LEVELS).astype(np.int64), LEVELS - 1)
        known = np.arange(LEVELS) / LEVELS
        #: Code 2·level + outcome.
        shortfall = np.stack([known, known - 1], axis=1).ravel()
        of_all = (_SIZES, residuals.mean, residuals.sd, np.ones(LEVELS))
        of_sure = (_SURE_SIZES, residuals.sure_mean, residuals.sure_sd, sureness(known))
        factors = []
        for sizes, mean, sd, weight in (of_all, of_sure):
            tolerance = max(-mean, 0.0) + z * sd * math.sqrt(unsure) + z * z * unsure / 6
            gain = np.repeat(weight, 2) * shortfall - tolerance
            most = (1 - _LEAST_FACTOR) / -float(gain.min())
            factors += [np.log1p(min(size, most) * gain) / residuals.design_effect for size in sizes]
        weights = np.full((1, len(factors)), 1 / len(factors) if residuals.stationary else 0.0)
        follows = np.zeros(len(factors), np.intp)
        bets = Bets(np.stack(factors, axis=1)[None], weights, -shortfall[None, :, None], follows)
        super().__init__(bets, paid, share)

    def update_many(self, cells: Ints, good: Bools, time_us: Ints, paid: float | Floats) -> None:
        """Take cells int64 (n,) and outcomes bool (n,) in order, at `time_us` int64 (n,)."""
        codes = 2 * self._levels[cells] + good
        self.update_codes(codes[None], time_us, paid)

    def alarm(self, crossing: Crossing) -> Alarm:
        """How far outcomes fell short; `size` is outcome − expected."""
        c = crossing
        onset = (c.onset_us, c.onset_low_us, c.onset_high_us)
        return Alarm(0, "shortfall", "down", c.statistic, c.evidence, *onset, c.n)
