"""The bets: tables of log factors by bin, each with mean at most 1 while the reference holds.

A reference is known only so well. So location and spread have a tolerance of z standard errors, and rates are
bet against a confidence bound; z and the bound's level come from a tenth of the budget, shared by all streams
of the fleet. Three standard errors would not do: 12 of 40 fleets of 1,000 streams alarmed.
Dependent events are tempered: factors are raised to one over their design effect.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

from streamgauge.detectors.baseline import rank_scores
from streamgauge.detectors.intervals import clopper_pearson_lower, clopper_pearson_upper
from streamgauge.schemas.batch import Floats
from streamgauge.schemas.profile import NumericProfile, RateProfile

#: Of the budget, the share that covers what references don't know.
_UNSURE = 10
_NUMERIC_SIZES = (0.1, 0.2, 0.4, 0.8)
#: No factor of a numeric bet is smaller: one look cannot wipe out what a bet has won.
_LEAST_FACTOR = 0.1
_MOST_LIKELY = 0.9
#: (statistic, direction, what a size is divided by): location up and down, spread wider and narrower.
_NUMERIC_SIDES = ((0, 1, 1.0), (0, -1, 1.0), (1, 1, 1.2), (1, -1, 2.3))


@dataclass(frozen=True, slots=True)
class Table:
    """Bets of one stream: log factors (K, J), weights (J,), statistics (K, M) by bin, `follows` (J,).

    Bet j's winnings go with statistic number `follows[j]`, in direction `signs[j]`.
    """

    log_factors: Floats
    weights: Floats
    statistics: Floats
    follows: NDArray[np.intp]
    signs: NDArray[np.intp]


def tail(alpha: float, bounds: int, streams: int) -> float:
    """The chance that one bound of one stream may be wrong with: alpha / (10 · bounds · streams), at most ½.

    >>> round(-float(special.ndtri(tail(0.05, 4, 1000))), 1)
    4.7
    """
    return min(alpha / (_UNSURE * bounds * streams), 0.5)


def numeric_table(profile: NumericProfile, alpha: float, streams: int) -> Table:
    """Location and spread of a number, both ways; 16 bets. Statistics: 2u − 1 and its square."""
    counts = np.array(profile.counts)
    masses = counts / profile.n
    z = -float(special.ndtri(tail(alpha, len(_NUMERIC_SIDES), streams)))
    scores = rank_scores(counts)
    bets, signs, follows = [], [], []
    for statistic, sign, divisor in _NUMERIC_SIDES:
        score, effect = scores[statistic], profile.design_effects[statistic]
        tolerance = z * sqrt(float(masses @ score**2) * effect / profile.n)
        gain = sign * score - tolerance
        worst = max(-float(gain.min()), 1e-9)
        for size in _NUMERIC_SIZES:
            bets.append(np.log1p(min(size / divisor, (1 - _LEAST_FACTOR) / worst) * gain) / effect)
            signs.append(sign)
            follows.append(statistic)
    return Table(
        np.stack(bets, axis=1),
        np.full(len(bets), 1 / len(bets)),
        np.stack([scores[0], scores[0] ** 2], axis=1),
        np.array(follows),
        np.array(signs),
    )


def rate_bounds(profile: RateProfile, level: float) -> tuple[float, float]:
    """One-sided lower and upper bound of a reference's rate, each wrong at most `level` often.

    >>> [round(bound, 3) for bound in rate_bounds(RateProfile(500, 5000), 2.5e-5)]
    [0.084, 0.118]
    """
    k, n = profile.k / profile.design_effect, profile.n / profile.design_effect
    return clopper_pearson_lower(k, n, level), clopper_pearson_upper(k, n, level)


def rate_bets(
    bounds: tuple[float, float], effect: float, up: tuple[float, ...], down: tuple[float, ...]
) -> list[tuple[float, float, int]]:
    """(log factor if not so, if so, sign) of each bet: likelihood ratios of multiples of the bounds.

    `up` multiplies the upper bound (to at most .9), `down` the lower one; (0, 0, sign) is no bet.
    """
    lower, upper = bounds
    bets = [_likelihood_ratio(upper, min(upper * factor, _MOST_LIKELY), effect, 1) for factor in up]
    return bets + [_likelihood_ratio(lower, lower * factor, effect, -1) for factor in down]


def odds_bets(bounds: tuple[float, float], effect: float, steps: tuple[float, ...]) -> Floats:
    """Log factors (2 · steps, 2), if not so and if so: likelihood ratios of multiples of the bounds' odds.

    Steps upwards multiply those of the upper bound, steps downwards divide those of the lower one.

    >>> odds_bets((0.5, 0.5), 1.0, (3.0,)).round(2).tolist()
    [[-0.69, 0.41], [0.41, -0.69]]
    """
    lower, upper = bounds
    ups = [_likelihood_ratio(upper, _times(upper, step), effect, 1) for step in steps]
    downs = [_likelihood_ratio(lower, _times(lower, 1 / step), effect, -1) for step in steps]
    return np.array([bet[:2] for bet in ups + downs])


def _times(rate: float, step: float) -> float:
    return step * rate / (step * rate + 1.0 - rate)


def _likelihood_ratio(null: float, alternative: float, effect: float, sign: int) -> tuple[float, float, int]:
    if null <= 0 or null >= 1 or (alternative - null) * sign <= 0:
        return 0.0, 0.0, sign
    unlike, like = np.log1p(-alternative) - np.log1p(-null), np.log(alternative / null)
    return float(unlike) / effect, float(like) / effect, sign
