"""How small a change evidence will see within so many events: computed from its bets, before it happens.

A change makes events fall into other bins, so a bet's log wealth grows by a known mean at every event. A
stream is said to see what lets its evidence reach 1 if every bet grows at just that pace from the change on.
"""

from collections.abc import Callable

import numpy as np
from scipy import special

from streamgauge.detectors.evidence.edetector import Bets
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.schemas.batch import Floats
from streamgauge.schemas.profile import NumericProfile, RateProfile

#: Sizes that are looked for: shifts in standard deviations, ratios of them, rates.
_MOST_SHIFT, _MOST_RATIO, _MOST_RATE = 6.0, 20.0, 1.0
_STEPS = 30
#: No evidence is larger: far beyond an alarm, and far from overflowing.
_MOST_LOG = 600.0


def reached(bets: Bets, stream: int, masses: Floats, paid: float, events: int = 1_000) -> float:
    """The evidence after `events` that fall into bins with `masses`, float64 (K,); 1 is an alarm.

    `paid` is what the account pays in by event, for a unit of weight.

    >>> bets = Bets(np.log([[[0.5], [1.5]]]), np.ones((1, 1)), np.zeros((1, 2, 1)), np.zeros(1, int))
    >>> [reached(bets, 0, np.array([1 - p, p]), paid=1e-6) > 1 for p in (0.5, 0.6, 0.9)]
    [False, False, True]
    """
    growth = LOOK * (masses @ np.clip(bets.log_factors[stream, : len(masses)], -12.0, 12.0))
    looks = np.arange(1, events // LOOK + 1)
    wealth = np.exp(np.minimum(growth * looks[:, None], _MOST_LOG)).sum(axis=0)
    return float(bets.weights[stream] @ wealth) * paid * LOOK


def least_shift(profile: NumericProfile, bets: Bets, stream: int, paid: float) -> float | None:
    """The smallest shift seen in both directions, in reference standard deviations; of a normal variable."""

    def towards(sign: int) -> float | None:
        return _least(
            lambda s: reached(bets, stream, _normal(profile, sign * s, 1.0), paid), 0.0, _MOST_SHIFT
        )

    up, down = towards(1), towards(-1)
    return None if up is None or down is None else max(up, down)


def least_ratio(profile: NumericProfile, bets: Bets, stream: int, paid: float) -> float | None:
    """The smallest factor on the standard deviation that is seen, above 1; of a normal variable."""
    return _least(lambda r: reached(bets, stream, _normal(profile, 0.0, r), paid), 1, _MOST_RATIO)


def least_rate(profile: RateProfile, bets: Bets, stream: int, paid: float) -> float | None:
    """The smallest rate above the reference's that is seen."""
    low = profile.k / profile.n
    return _least(lambda p: reached(bets, stream, np.array([1 - p, p]), paid), low, _MOST_RATE)


def least_share(shares: Floats, place: int, bets: Bets, stream: int, paid: float) -> float | None:
    """The smallest share of category `place` above its own that is seen; the others shrink alike.

    `shares` float64 (K,) are those of the bins.
    """
    rest = shares.copy()
    rest[place] = 0.0

    def of(share: float) -> float:
        masses = rest * (1 - share) / max(rest.sum(), 1e-12)
        masses[place] = share
        return reached(bets, stream, masses, paid)

    return _least(of, float(shares[place]), _MOST_RATE)


def _normal(profile: NumericProfile, shift: float, ratio: float) -> Floats:
    """The masses of the bins when a normal variable has moved and widened."""
    cuts = special.ndtri(np.cumsum(profile.counts)[:-1] / profile.n)
    return np.diff(special.ndtr((cuts - shift) / ratio), prepend=0.0, append=1.0)


def _least(evidence: Callable[[float], float], low: float, high: float) -> float | None:
    """Where evidence reaches 1, by bisection; None if it doesn't."""
    if evidence(high) < 1:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if evidence(middle) >= 1 else (middle, high)
    return high
