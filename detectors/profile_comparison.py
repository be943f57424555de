"""How one baseline profile differs from another, by the numbers that windows are judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from streamgauge.detectors.binning import CATEGORY_BINS, Z_UNIT, FeatureBinner
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.profile_merge import rebinned, whole_counts
from streamgauge.schemas.profile import FeatureProfile, NumericProfile
from streamgauge.schemas.profile_rates import PairProfile, RateProfile

_Z_LIMIT = 2.0**31
_Z_PAIR = 3.89


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature in two profiles. `n` and `m` are the values that each has.

    `metrics` are those of a window of the second against the first. `size` is the shift of a number's mean in
    standard deviations of the first, or the change in share of the category in `moved`. `note` says what
    could not be compared.
    """

    name: str
    kind: str
    n: int
    m: int
    metrics: dict[str, Estimate]
    size: float | None = None
    moved: str | None = None
    note: str = ""

    @property
    def excess(self) -> float:
        """PSI over what it stays below in 95 % of samples without a difference: above 1 is no noise."""
        psi, noise = self.value("psi"), self.value("psi_noise_level")
        return psi / noise if psi is not None and noise else 0.0

    def value(self, metric: str) -> float | None:
        """A metric's value; None where it is undefined or does not apply."""
        found = self.metrics.get(metric)
        return None if found is None else found.value


def compare_features(first: dict[str, FeatureProfile], second: dict[str, FeatureProfile]) -> list[Difference]:
    """Of features by name, what is in one profile only first, then by falling `excess`.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> a, b = (build_profile({"age": np.arange(start, start + 1000.0)}) for start in (0, 500))
    >>> [difference] = compare_features(a.features, b.features)
    >>> difference.name, round(difference.size, 2), round(difference.value("ks"), 2)
    ('age', 1.73, 0.5)
    """
    found = [_difference(name, first.get(name), second.get(name)) for name in sorted({*first, *second})]
    return sorted(found, key=lambda d: (not d.note, -d.excess, d.name))


@dataclass(frozen=True, slots=True)
class PairDifference:
    """A pair of features that both profiles know: the share of rows in which they lay in the same half.

    `noise_level` is what the shares differ by at most in all but one of 10,000 pairs without a difference.
    """

    name: str
    first: float
    second: float
    noise_level: float

    @property
    def is_beyond_noise(self) -> bool:
        """Whether they go together otherwise than they did."""
        return abs(self.second - self.first) > self.noise_level


def compare_pairs(first: Sequence[PairProfile], second: Sequence[PairProfile]) -> list[PairDifference]:
    """Pairs that both have, what differs most first."""
    known = {pair.name: pair.agree for pair in second}
    found = [
        _pair_difference(pair.name, pair.agree, known[pair.name]) for pair in first if pair.name in known
    ]
    return sorted(found, key=lambda pair: (-abs(pair.second - pair.first), pair.name))


def _pair_difference(name: str, a: RateProfile, b: RateProfile) -> PairDifference:
    p, q = a.k / a.n, b.k / b.n
    variance = p * (1 - p) * a.design_effect / a.n + q * (1 - q) * b.design_effect / b.n
    return PairDifference(name, p, q, _Z_PAIR * sqrt(variance))


def _difference(name: str, a: FeatureProfile | None, b: FeatureProfile | None) -> Difference:
    if a is None or b is None:
        only, where = (b, "second") if a is None else (a, "first")
        assert only is not None
        n, m = (0, only.n) if a is None else (only.n, 0)
        return Difference(name, only.kind, n, m, {}, note=f"only in the {where} profile")
    if a.kind != b.kind:
        return Difference(name, a.kind, a.n, b.n, {}, note=f"{a.kind} in the first, {b.kind} in the second")
    binner = FeatureBinner({name: a})
    counts = FeatureCounts(binner)
    counts.n = b.n + b.missing.k
    counts.counts[0, binner.width - 1] = b.missing.k
    if isinstance(a, NumericProfile):
        assert isinstance(b, NumericProfile)
        size, moved = _count_numbers(counts, a, b), None
    else:
        assert not isinstance(b, NumericProfile)
        size, moved = _count_categories(counts, a, b)
    metrics = counts.metrics()[name]
    metrics.pop("out_of_range_rate", None)  # a profile does not say how much of it lies out of another range
    return Difference(name, a.kind, a.n, b.n, metrics, size, moved)


def _count_numbers(counts: FeatureCounts, a: NumericProfile, b: NumericProfile) -> float | None:
    masses, sums = rebinned(b, np.array(a.edges))
    if a.edges == b.edges:
        masses, sums = np.array(b.counts, np.float64), np.array(b.counts) * np.array(b.centres)
    whole = whole_counts(masses)
    counts.counts[0, : len(whole)] = whole
    if a.sd <= 1e-300:
        return None
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        z = (np.where(masses > 0, sums / masses, a.mean) - a.mean) / a.sd / Z_UNIT
        counts.z_sums[0, : len(whole)] = np.rint(np.clip(z, -_Z_LIMIT, _Z_LIMIT) * whole)
        return float((b.mean - a.mean) / a.sd)


def _count_categories(counts: FeatureCounts, a: FeatureProfile, b: FeatureProfile) -> tuple[float, str]:
    assert not isinstance(a, NumericProfile)
    assert not isinstance(b, NumericProfile)
    place = {category: min(i, CATEGORY_BINS) for i, category in enumerate(a.categories)}
    unseen = counts.binner.width - 2
    for category, count in zip(b.categories, b.counts, strict=True):
        counts.counts[0, place.get(category, unseen)] += count
    counts.counts[0, unseen] += b.n - sum(b.counts)
    before, after = (dict(zip(p.categories, p.counts, strict=True)) for p in (a, b))
    changes = [
        (after.get(category, 0) / b.n - before.get(category, 0) / a.n, category)
        for category in sorted({*before, *after})
    ]
    return max(changes, key=lambda change: abs(change[0]))
