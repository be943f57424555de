"""Do two features go together? The reference of every pair: how often both lie in the same half of theirs."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.binning import FeatureBinner, FeatureBins, bin_masses
from streamgauge.detectors.dependence import dependence
from streamgauge.schemas.batch import Column, Floats, Ints
from streamgauge.schemas.profile import CategoricalProfile, FeatureProfile
from streamgauge.schemas.profile_rates import PairProfile, RateProfile

#: Pairs are of so many features at most: 120 pairs. Of more features those that hang together most.
MOST_FEATURES = 16
#: Among more features than this nothing is sought: there are as many pairs as the square of them.
_MOST_SEARCHED = 200
#: With fewer rows in common a pair has no reference.
LEAST_ROWS = 500

Sides = NDArray[np.int8]


class Halves:
    """The half of each feature that values lie in: from the median bin on it is the upper one.

    Of categories the most common one is the lower half if it has half of the rows, and so on by falling
    count. `names` are some of the binner's.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> binner = FeatureBinner(build_profile({"age": np.arange(100.0)}).features)
    >>> Halves(binner, ["age"]).sides(binner.bins({"age": np.array([10.0, 90.0, np.nan])})).tolist()
    [[-1, 1, 0]]
    """

    def __init__(self, binner: FeatureBinner, names: list[str]) -> None:
        self._rows = np.array([binner.names.index(name) for name in names], np.intp)
        starts = [_upper_from(binner.profiles[row]) for row in self._rows.tolist()]
        self._upper = np.array(starts, np.int16)[:, None]
        self._unknown = binner.width - 2

    def sides(self, bins: FeatureBins) -> Sides:
        """Int8 (F, n): −1 in the lower half, 1 in the upper, 0 if missing or a category never seen."""
        codes = bins.codes.take(self._rows, axis=0)
        sides = (codes >= self._upper).view(np.int8)
        sides *= 2
        sides -= 1
        if codes.size and codes.max() >= self._unknown:
            sides[codes >= self._unknown] = 0
        return sides


def build_pairs(
    features: Mapping[str, Column], profiles: Mapping[str, FeatureProfile]
) -> tuple[PairProfile, ...]:
    """The pairs of reference rows, columns (n,) in order, by name. None of features that are not one thing.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2000))
    >>> [pair] = build_profile({"x": x, "y": x + noise}).pairs
    >>> pair.first, pair.second, round(pair.agree.k / pair.agree.n, 1)
    ('x', 'y', 0.7)
    """
    fit = {name: p for name, p in sorted(profiles.items()) if _is_fit(p)}
    if not 2 <= len(fit) <= _MOST_SEARCHED:
        return ()
    binner = FeatureBinner(fit)
    names = list(fit)
    sides = Halves(binner, names).sides(binner.bins(features))
    names, sides = _most_together(names, sides)
    found = []
    for a, b in combinations(range(len(names)), 2):
        both = (sides[a] != 0) & (sides[b] != 0)
        first, second = sides[a][both], sides[b][both]
        if len(first) < LEAST_ROWS:
            continue
        agree = (first == second).astype(np.float64)
        rate = RateProfile(int(agree.sum()), len(agree), *dependence(agree))
        upper = int((first > 0).sum()), int((second > 0).sum())
        found.append(PairProfile(names[a], names[b], upper, rate))
    return tuple(found)


def _upper_from(profile: FeatureProfile) -> int:
    """The first bin whose middle row is beyond the median."""
    masses: Ints = bin_masses(profile)
    return int(np.searchsorted(np.cumsum(masses) - masses / 2, masses.sum() / 2, side="right"))


def _is_fit(profile: FeatureProfile) -> bool:
    whole = not isinstance(profile, CategoricalProfile) or profile.complete
    return whole and profile.stationary and len(profile.counts) > 1


def _most_together(names: list[str], sides: Sides) -> tuple[list[str], Sides]:
    """The features whose strongest tie to another one is the strongest, still by name."""
    if len(names) <= MOST_FEATURES:
        return names, sides
    s: Floats = sides.astype(np.float64)
    ties = np.abs(s @ s.T / max(s.shape[1], 1) - np.outer(s.mean(axis=1), s.mean(axis=1)))
    np.fill_diagonal(ties, 0.0)
    kept = np.sort(np.argsort(-ties.max(axis=1), kind="stable")[:MOST_FEATURES])
    return [names[row] for row in kept.tolist()], sides[kept]
