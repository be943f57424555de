"""`FeatureCounts`: how the features of a window differ from their baseline, for people to read.

Distances never alert by default: with frozen reference bins and no drift, PSI > 0.1 still comes up in 41 % of
windows of 100 events. So `psi_noise_level` stands beside `psi`.
"""

from collections.abc import Mapping

import numpy as np
from scipy import special

from streamgauge.detectors.binning import Z_UNIT, FeatureBinner, FeatureBins, bin_count, bin_masses
from streamgauge.detectors.estimate import Estimate, State
from streamgauge.detectors.intervals import proportion
from streamgauge.schemas.batch import Column, Floats, Ints
from streamgauge.schemas.profile import BaselineProfile, FeatureProfile, NumericProfile

#: Least share of a bin in PSI, as usual.
PSI_EPSILON = 1e-4
PSI_BINS = 10


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
        categories chi2 (the statistic per degree of freedom) and unseen_category_rate. Rates have intervals.
        """
        return {
            name: self._of(row, profile)
            for row, (name, profile) in enumerate(zip(self.binner.names, self.binner.profiles, strict=True))
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

    def _of(self, row: int, profile: FeatureProfile) -> dict[str, Estimate]:
        width, bins = self.binner.width, bin_count(profile)
        missing, unseen = int(self.counts[row, width - 1]), int(self.counts[row, width - 2])
        present = self.n - missing
        reference = bin_masses(profile)
        seen = self.counts[row, :bins]
        mistyped = int(self.mistyped[row])
        rates = {
            "missing_rate": proportion(missing, self.n),
            "wrong_type_rate": proportion(mistyped, present + mistyped),
        }
        if isinstance(profile, NumericProfile):
            rates["out_of_range_rate"] = proportion(int(self.outside[row]), present)
            if present == 0:
                return rates
            return rates | {
                **_psi(*_tenths(reference, seen)),
                "js_distance": js_distance(reference, seen),
                "ks": ks(reference, seen),
                "wasserstein": self._wasserstein(row, profile),
            }
        if profile.complete:
            rates["unseen_category_rate"] = proportion(unseen, present)
        if present == 0:
            return rates
        reference, seen = np.append(reference, 0), np.append(seen, unseen)
        return rates | {
            **_psi(reference, seen),
            "js_distance": js_distance(reference, seen),
            "chi2": chi2(reference, seen),
        }

    def _wasserstein(self, row: int, profile: NumericProfile) -> Estimate:
        """Between the distributions of bin means, which for drift within a bin's width is all one can say."""
        if profile.sd <= 1e-300:
            return Estimate.undefined(int(self.counts[row, :-1].sum()))
        counts = self.counts[row, : len(profile.counts)]
        used = counts > 0
        positions = self.z_sums[row, : len(counts)][used] / counts[used] * Z_UNIT
        with np.errstate(over="ignore"):
            centres = (np.array(profile.centres) - profile.mean) / profile.sd
        n = int(counts.sum())
        value = wasserstein(centres, np.array(profile.counts), positions, counts[used])
        return Estimate(value, None, None, n)


def psi(reference: Ints, counts: Ints) -> Estimate:
    """Population stability index Σ (q − p) ln(q / p), shares at least 1e-4.

    >>> round(psi(np.array([50, 50]), np.array([70, 30])).value, 4)
    0.1695
    """
    m, n = int(reference.sum()), int(counts.sum())
    if m == 0 or n == 0:
        return Estimate.undefined(n)
    p, q = np.maximum(reference / m, PSI_EPSILON), np.maximum(counts / n, PSI_EPSILON)
    return Estimate(float(((q - p) * np.log(q / p)).sum()), None, None, n)


def psi_noise_level(bins: int, m: int, n: int) -> float:
    """What PSI stays below in 95 % of windows without drift: (1/n + 1/m) χ²₀.₉₅(B − 1) (Yurdakul 2018).

    >>> round(psi_noise_level(10, 5000, 100), 3)
    0.173
    """
    return (1 / n + 1 / m) * float(special.chdtri(max(bins - 1, 1), 0.05))


def js_distance(reference: Ints, counts: Ints) -> Estimate:
    """Jensen–Shannon distance, base 2: 0 where equal, 1 where disjoint.

    >>> js_distance(np.array([10, 0]), np.array([0, 5])).value
    1.0
    """
    m, n = int(reference.sum()), int(counts.sum())
    if m == 0 or n == 0:
        return Estimate.undefined(n)
    p, q = reference / m, counts / n
    middle = (p + q) / 2
    divergence = float((special.rel_entr(p, middle) + special.rel_entr(q, middle)).sum()) / 2 / np.log(2)
    return Estimate(float(np.sqrt(min(max(divergence, 0.0), 1.0))), None, None, n)


def ks(reference: Ints, counts: Ints) -> Estimate:
    """Kolmogorov–Smirnov distance of the cumulative shares at the bin edges: at most the true distance."""
    m, n = int(reference.sum()), int(counts.sum())
    if m == 0 or n == 0:
        return Estimate.undefined(n)
    gap = np.abs(np.cumsum(reference) / m - np.cumsum(counts) / n)
    return Estimate(float(gap.max()), None, None, n)


def chi2(reference: Ints, counts: Ints) -> Estimate:
    """Pearson's statistic of homogeneity per degree of freedom: about 1 where nothing changed."""
    m, n = int(reference.sum()), int(counts.sum())
    used = (reference + counts) > 0
    if m == 0 or n == 0 or int(used.sum()) < 2:
        return Estimate.undefined(n)
    a, b = reference[used], counts[used]
    statistic = float(((a * np.sqrt(n / m) - b * np.sqrt(m / n)) ** 2 / (a + b)).sum())
    return Estimate(statistic / (len(a) - 1), None, None, n)


def wasserstein(x: Floats, x_counts: Ints, y: Floats, y_counts: Ints) -> float:
    """Area between the distribution functions of two weighted samples, in the samples' unit.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([1, 1]), np.array([5.0, 6.0]), np.array([3, 3]))
    5.0
    """
    values = np.concatenate([x, y])
    order = np.argsort(values, kind="stable")
    steps = np.concatenate([x_counts / x_counts.sum(), -(y_counts / y_counts.sum())])[order]
    with np.errstate(over="ignore"):
        widths = np.diff(values[order])
    return float((np.abs(np.cumsum(steps)[:-1]) * widths).sum())


def _psi(reference: Ints, counts: Ints) -> dict[str, Estimate]:
    value = psi(reference, counts)
    noise = psi_noise_level(len(reference), int(reference.sum()), value.n) if value.n else None
    return {"psi": value, "psi_noise_level": Estimate(noise, None, None, value.n)}


def _tenths(reference: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Both merged into ten bins by where in the reference a bin begins; fewer where a value repeats."""
    begins = (np.cumsum(reference) - reference) * PSI_BINS // reference.sum()
    first = np.flatnonzero(np.diff(begins, prepend=-1))
    return np.add.reduceat(reference, first), np.add.reduceat(counts, first)
