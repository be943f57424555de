"""How small a change evidence will see within so many events: computed from its bets, before it happens.

A change makes events fall into other bins, so a bet's log wealth grows by a known mean at every event. A
stream is said to see what lets its evidence reach 1 if every bet grows at just that pace from the change on.
"""

from collections.abc import Callable

import numpy as np

from streamgauge.detectors.evidence.disparity import DisparityEvidence
from streamgauge.detectors.evidence.gap import LEVELS, GapEvidence
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.detectors.evidence.pairs import ROWS as PAIR_ROWS
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.evidence.sizes import Sizes
from streamgauge.detectors.evidence.stakes import Bets
from streamgauge.detectors.evidence.traffic import HOUR, TrafficEvidence
from streamgauge.schemas.batch import Floats
from streamgauge.schemas.profile import NumericProfile, RateProfile

#: Sizes that are looked for: shifts in standard deviations, ratios of them, rates.
_MOST_SHIFT, _MOST_RATIO, _MOST_RATE = 6.0, 20.0, 1.0
_STEPS = 30
#: Within which a change is to be seen.
EVENTS = 1_000
#: No evidence is larger: far beyond an alarm, and far from overflowing.
_MOST_LOG = 600.0


def reached(bets: Bets, stream: int, masses: Floats, paid: float, events: int = EVENTS) -> float:
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
    sizes = Sizes(profile)

    def towards(sign: int) -> float | None:
        return _least(lambda s: reached(bets, stream, sizes.masses(sign * s, 1.0)[0], paid), 0.0, _MOST_SHIFT)

    up, down = towards(1), towards(-1)
    return None if up is None or down is None else max(up, down)


def least_ratio(profile: NumericProfile, bets: Bets, stream: int, paid: float) -> float | None:
    """The smallest factor on the standard deviation that is seen, above 1; of a normal variable."""
    sizes = Sizes(profile)
    return _least(lambda r: reached(bets, stream, sizes.masses(0.0, r)[0], paid), 1, _MOST_RATIO)


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


def least_agreement(evidence: PairEvidence, pair: int, paid: float) -> float | None:
    """The smallest change of how often a pair of features agrees that is seen upwards and downwards."""
    like, unlike = evidence.log_factors(pair)
    bets = len(like) * len(evidence.pairs)
    was = evidence.pairs[pair].agree.k / evidence.pairs[pair].agree.n

    def of(rate: float) -> float:
        growth = PAIR_ROWS * (rate * like + (1 - rate) * unlike)
        return evidence.weight * _sum(growth, EVENTS // PAIR_ROWS) * paid * PAIR_ROWS / bets

    up, down = _least(lambda c: of(was + c), 0.0, 1 - was), _least(lambda c: of(was - c), 0.0, was)
    return None if up is None or down is None else max(up, down)


def least_shortfall(evidence: GapEvidence, paid: float) -> float | None:
    """By how much fewer predictions than expected turn out right, if all are as sure as the usual one."""
    level = evidence.usual_level

    def of(gap: float) -> float:
        masses = np.zeros(2 * LEVELS)
        right = max(level / LEVELS - gap, 0.0)
        masses[2 * level : 2 * level + 2] = 1 - right, right
        return reached(evidence.bets, 0, masses, paid)

    return _least(of, 0.0, level / LEVELS)


def least_gap(evidence: DisparityEvidence, paid: float) -> float | None:
    """The smallest gap that opens between the two most frequent groups, around the rate of all."""
    shares, rates = evidence.rates
    pooled = float(shares @ rates)
    low, high = np.argsort(-shares, kind="stable")[:2]

    def of(gap: float) -> float:
        changed = np.full(len(shares), pooled)
        changed[high] = min(max(pooled, gap / 2) + gap / 2, 1.0)
        changed[low] = changed[high] - gap
        return evidence.reached(shares, np.full(len(shares), pooled), changed, paid, EVENTS)

    return _least(of, 0.0, 1.0)


def least_minutes(evidence: TrafficEvidence, paid: float) -> int | None:
    """How soon a stop is seen; None if not within a day. `paid` is by minute."""
    seen = (n for n in range(1, 24 * HOUR + 1) if evidence.reached(0.0, paid, n) >= 1)
    return next(seen, None)


def least_jump(evidence: TrafficEvidence, paid: float, minutes: int) -> float | None:
    """The smallest number of events a minute that is seen as too many within `minutes`."""
    most = evidence.normal[1]
    return _least(lambda rate: evidence.reached(rate, paid, minutes), most, 100 * most + 100)


def _sum(growth: Floats, looks: int) -> float:
    """Of what bets have grown to since each of the looks."""
    numbers = np.arange(1, looks + 1)[:, None]
    return float(np.exp(np.minimum(growth * numbers, _MOST_LOG)).sum())


def _least(evidence: Callable[[float], float], low: float, high: float) -> float | None:
    """Where evidence reaches 1, by bisection; None if it doesn't."""
    if evidence(high) < 1:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if evidence(middle) >= 1 else (middle, high)
    return high
