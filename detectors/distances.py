"""`FeatureCounts`: how the features of a window differ from their baseline, for people to read.

Distances never alert by default: with frozen reference bins and no drift, PSI > 0.1 still comes up in 41 % of
windows of 100 events. So `psi_noise_level` stands beside `psi`.
"""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import numpy as np

from streamgauge.detectors.binning import FeatureBinner, FeatureBins
from streamgauge.detectors.dependence import rate_effect
from streamgauge.detectors.estimate import Estimate, State
from streamgauge.detectors.feature_distances import References
from streamgauge.detectors.intervals import proportion
from streamgauge.schemas.batch import Column, Ints
from streamgauge.schemas.profile import BaselineProfile, FeatureProfile, NumericProfile


class FeatureCounts:
    """Counts of all features of a profile in its bins, over one window; mergeable.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> profile = build_profile({"age": np.arange(1000.0)})
    >>> counts = FeatureCounts(profile)
    >>> counts.update_many({"age": np.arange(500.0, 1500.0)})
    >>> age = counts.metrics()["age"]
    >>> [round(age[name].value, 2) for name in ("wasserstein", "ks", "out_of_range_rate")]
    [1.73, 0.5, 0.5]
    """

    __slots__ = ("binner", "counts", "mistyped", "n", "outside", "z_sums")

    def __init__(self, profile: BaselineProfile | FeatureBinner) -> None:
        self.binner = profile if isinstance(profile, FeatureBinner) else FeatureBinner(profile.features)
        shape = (len(self.binner.names), self.binner.width)
        self.n = 0
        #: int64 (F, width): by the codes of `FeatureBins`.
        self.counts: Ints = np.zeros(shape, np.int64)
        self.outside: Ints = np.zeros(shape[0], np.int64)
        #: int64 (F,): values of another type than the profile's.
        self.mistyped: Ints = np.zeros(shape[0], np.int64)
        #: int64 (F, width): sums of standardised values by bin, in units of 2⁻¹⁶.
        self.z_sums: Ints = np.zeros(shape, np.int64)

    def update_many(self, features: Mapping[str, Column], n: int | None = None) -> None:
        """Count a batch of `n` events; without `n`, as many as the first feature has."""
        self.update_bins(self.binner.bins(features, n))

    def update_bins(self, bins: FeatureBins) -> None:
        """Count a batch that this object's binner has digitised."""
        self._count(bins, 1)

    def subtract_bins(self, bins: FeatureBins) -> None:
        """Take back events that were counted before."""
        self._count(bins, -1)

    def _count(self, bins: FeatureBins, sign: int) -> None:
        (rows, n), numbers = bins.codes.shape, len(bins.z)
        self.n += sign * n
        width = self.binner.width
        if bins.counts is None:
            cells = self.binner.cells(bins.codes).ravel()
            bins.counts = np.bincount(cells, minlength=rows * width).reshape(rows, width)
        self.counts += sign * bins.counts
        if np.count_nonzero(bins.outside):
            self.outside[:numbers] += sign * bins.outside.sum(axis=1)
        for row, given in bins.mistyped.items():
            self.mistyped[row] += sign * int(given.sum())
        # Whole numbers below 2³¹: float64 holds their sums exactly for up to 2²² events a batch.
        cells = self.binner.cells(bins.codes[:numbers]).ravel()
        sums = np.bincount(cells, bins.z.ravel(), numbers * width)
        self.z_sums[:numbers] += sign * sums.astype(np.int64).reshape(numbers, width)

    def merge(self, other: "FeatureCounts") -> None:
        """As if `other`'s events had been counted here too; both must have the same profile."""
        self.n += other.n
        self.counts += other.counts
        self.outside += other.outside
        self.mistyped += other.mistyped
        self.z_sums += other.z_sums

    def metrics(self) -> dict[str, dict[str, Estimate]]:
        """Feature → metric → estimate.

        For all: psi, psi_noise_level, js_distance (base 2), missing_rate (of events), wrong_type_rate (of
        values). For numbers ks, wasserstein (in reference standard deviations), out_of_range_rate; for
        categories chi2 (the statistic per degree of freedom) and unseen_category_rate. Rates have intervals,
        as wide as the reference says that such events depend on each other.
        """
        distances = _references(self.binner).distances(self.counts, self.z_sums)
        named = zip(self.binner.names, self.binner.profiles, strict=True)
        counts = self.counts[:, -2:].tolist(), self.outside.tolist(), self.mistyped.tolist()
        counted = zip(*counts, strict=True)
        return {
            name: self._rates(profile, *of_row) | distances.get(row, {})
            for row, ((name, profile), of_row) in enumerate(zip(named, counted, strict=True))
        }

    def to_state(self) -> State:
        """Counts; the profile isn't part of it."""
        return {
            "n": self.n,
            "counts": self.counts.copy(),
            "outside": self.outside.copy(),
            "mistyped": self.mistyped.copy(),
            "z_sums": self.z_sums.copy(),
        }

    @classmethod
    def from_state(cls, state: State, profile: BaselineProfile | FeatureBinner) -> "FeatureCounts":
        """What `to_state` gave, with the profile that it was counted against."""
        counts = cls(profile)
        counts.n = state["n"]
        counts.counts = np.array(state["counts"], np.int64)
        counts.outside = np.array(state["outside"], np.int64)
        counts.mistyped = np.array(state["mistyped"], np.int64)
        counts.z_sums = np.array(state["z_sums"], np.int64)
        return counts

    def _rates(
        self, profile: FeatureProfile, beside: list[int], outside: int, mistyped: int
    ) -> dict[str, Estimate]:
        """`beside` the known bins are unseen and missing values."""
        unseen, missing = beside
        present = self.n - missing
        rates = {
            "missing_rate": proportion(missing, self.n, profile.missing.design_effect),
            "wrong_type_rate": proportion(mistyped, present + mistyped),
        }
        if isinstance(profile, NumericProfile):
            rates["out_of_range_rate"] = proportion(outside, present, profile.out_of_range.design_effect)
        elif profile.complete:
            effect = rate_effect(profile, "unseen_category_rate")
            rates["unseen_category_rate"] = proportion(unseen, present, effect)
        return rates


#: Of a binner, made when first asked for.
_REFERENCES: WeakKeyDictionary[FeatureBinner, References] = WeakKeyDictionary()


def _references(binner: FeatureBinner) -> References:
    known = _REFERENCES.get(binner)
    if known is None:
        known = _REFERENCES[binner] = References(binner.profiles)
    return known
