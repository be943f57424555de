"""`CategoricalEvidence`: have categories become more or less common, or new ones appeared?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.bets import rate_bets, rate_bounds, tail
from streamgauge.detectors.evidence.edetector import Crossing
from streamgauge.detectors.evidence.kinds import Evidence
from streamgauge.detectors.evidence.stakes import Bets
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile import CategoricalProfile, RateProfile

_UP, _DOWN, _UNSEEN = (1.4, 2.0, 4.0), (0.5,), (3.0, 10.0)
_PER_CATEGORY = len(_UP) + len(_DOWN)
_COMMON_WEIGHT = 0.8

#: Code of a category that the profile does not know.
UNSEEN = 1 << 32


class CategoricalEvidence(Evidence):
    """One stream a profile: bets on each of its ten most common categories, and on unseen ones.

    `streams` and `alpha` are those of the whole fleet; `paid` the account's balance. Profiles that are not
    stationary are not watched and not part of the budget.

    >>> from streamgauge.detectors.baseline import categorical_profile
    >>> from streamgauge.schemas.batch import Categories
    >>> profile = categorical_profile(Categories.of(["a", "b", "c", "b"] * 1000))
    >>> evidence = CategoricalEvidence([profile], streams=1, alpha=0.05)
    >>> evidence.update_many(np.array([[0, 0, 0, 0, 1] * 100]), np.arange(500), paid=5e-6)
    >>> [(a.aspect, a.category, a.direction, a.value, a.baseline) for a in evidence.take_alarms()]
    [('category', 'b', 'up', 0.8, 0.5)]
    """

    __slots__ = ("_common", "_profiles")

    def __init__(
        self,
        profiles: Sequence[CategoricalProfile],
        streams: int,
        alpha: float,
        paid: float = 0.0,
        share: float | Floats = 1.0,
    ) -> None:
        #: Bins: the common categories (of the profile that has most), all other known ones, unseen ones.
        common = self._common = max((len(profile.design_effects) for profile in profiles), default=0)
        bins, bets = common + 2, common * _PER_CATEGORY + len(_UNSEEN)
        log_factors, weights = np.zeros((len(profiles), bins, bets)), np.zeros((len(profiles), bets))
        for row, profile in enumerate(profiles):
            _fill(profile, alpha, streams, log_factors[row], weights[row])
        statistics = np.broadcast_to(np.eye(bins), (len(profiles), bins, bins))
        follows = np.array([*np.repeat(np.arange(common), _PER_CATEGORY), *[common + 1] * len(_UNSEEN)])
        self._profiles = tuple(profiles)
        super().__init__(Bets(log_factors, weights, statistics, follows), paid, share)

    def update_many(self, codes: Ints, time_us: Ints, paid: float | Floats) -> None:
        """Take int64 (F, n): a category's place in its profile, `UNSEEN` for others, −1 for missing."""
        known = np.minimum(codes, self._common)
        self.update_codes(np.where(codes == UNSEEN, self._common + 1, known), time_us, paid)

    def places(self, known: int) -> NDArray[np.int16]:
        """What `update_codes` takes for each code of `FeatureBins`: `known` ones, then unseen, then missing.

        >>> from streamgauge.detectors.baseline import categorical_profile
        >>> from streamgauge.schemas.batch import Categories
        >>> profile = categorical_profile(Categories.of(["a", "b", "c", "b"] * 1000))
        >>> CategoricalEvidence([profile], streams=1, alpha=0.05).places(known=5).tolist()
        [0, 1, 2, 3, 3, 4, -1]
        """
        return np.array([*np.minimum(np.arange(known), self._common), self._common + 1, -1], np.int16)

    def alarm(self, crossing: Crossing) -> Alarm:
        """Which category became how much more or less common."""
        profile = self._profiles[crossing.stream]
        place = int(self.bets.follows[crossing.bet])
        unseen = place > self._common
        baseline = 0.0 if unseen else profile.counts[place] / profile.n
        up = unseen or crossing.bet % _PER_CATEGORY < len(_UP)
        return Alarm(
            stream=crossing.stream,
            aspect="unseen" if unseen else "category",
            direction="up" if up else "down",
            size=crossing.statistic - baseline,
            evidence=crossing.evidence,
            onset_us=crossing.onset_us,
            onset_low_us=crossing.onset_low_us,
            onset_high_us=crossing.onset_high_us,
            n=crossing.n,
            value=crossing.statistic,
            baseline=baseline,
            category=None if unseen else profile.categories[place],
        )


def _fill(
    profile: CategoricalProfile, alpha: float, streams: int, log_factors: Floats, weights: Floats
) -> None:
    """The bets of one profile, into (K, J) and (J,)."""
    if not profile.stationary:
        return
    common = len(profile.design_effects)
    level = tail(alpha, 2 * common + 1, streams)
    for place, effect in enumerate(profile.design_effects):
        rate = RateProfile(profile.counts[place], profile.n, effect)
        bets = rate_bets(rate_bounds(rate, level), effect, _UP, _DOWN)
        for bet, (unlike, like, _) in enumerate(bets, place * _PER_CATEGORY):
            log_factors[:, bet] = unlike
            log_factors[place, bet] = like
    unseen = _unseen_bets(profile, level) if profile.complete else []
    first = len(weights) - len(_UNSEEN)
    for bet, (unlike, like, _) in enumerate(unseen, first):
        log_factors[:, bet] = unlike
        log_factors[-1, bet] = like
    share = (_COMMON_WEIGHT if unseen else 1.0) if common else 0.0
    if common:
        weights[: common * _PER_CATEGORY] = share / (common * _PER_CATEGORY)
    if unseen:
        weights[first:] = (1 - share) / len(unseen)


def _unseen_bets(profile: CategoricalProfile, level: float) -> list[tuple[float, float, int]]:
    """Against the least bound of the splits: after all of the reference, less is unseen than after a part."""
    rates = [rate for rate in profile.novelty if rate.n > 0]
    if not rates:
        return []
    bound = min(rate_bounds(rate, level / len(rates))[1] for rate in rates)
    return rate_bets((0.0, bound), max(rate.design_effect for rate in rates), _UNSEEN, ())
