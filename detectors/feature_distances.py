"""`References`: distances of a window's features from their baseline, of those with as many bins at once."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.binning import Z_UNIT, bin_masses
from streamgauge.detectors.divergence import chi2, js_distance, ks, psi, psi_noise_level, shares, wasserstein
from streamgauge.detectors.estimate import Estimate
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile import FeatureProfile, NumericProfile

PSI_BINS = 10
#: Sums of so few numbers are made one after the other, so that empty bins at the end change no bit.
_FEW = 7

Distances = dict[str, Estimate]


class References:
    """Of the profiles of a binner, by row."""

    def __init__(self, profiles: Sequence[FeatureProfile]) -> None:
        numbers: dict[tuple[int, int], list[tuple[int, NumericProfile]]] = {}
        categories: dict[int, list[tuple[int, Ints]]] = {}
        for row, profile in enumerate(profiles):
            if isinstance(profile, NumericProfile):
                alike = len(profile.counts), len(_tenths(bin_masses(profile)))
                numbers.setdefault(alike, []).append((row, profile))
            else:
                masses = bin_masses(profile)
                categories.setdefault(max(len(masses) + 1, _FEW), []).append((row, masses))
        self._kinds: list[_Numbers | _Categories] = [
            *(_Numbers(kind) for kind in numbers.values()),
            *(_Categories(width, kind) for width, kind in categories.items()),
        ]

    def distances(self, counts: Ints, z_sums: Ints) -> Mapping[int, Distances]:
        """By row, of those that have values; int64 (F, width) each, as `FeatureCounts` has them."""
        return {row: found for kind in self._kinds for row, found in kind.distances(counts, z_sums)}


class _Numbers:
    """Numbers with the same numbers of bins and of tenths."""

    def __init__(self, alike: Sequence[tuple[int, NumericProfile]]) -> None:
        self._rows = np.array([row for row, _ in alike], np.intp)
        self._masses = np.array([bin_masses(profile) for _, profile in alike])
        self._shares = shares(self._masses)
        bins = self._masses.shape[1]
        #: Where tenths begin, in the bins of all rows one after the other.
        self._begins = np.concatenate([i * bins + _tenths(masses) for i, masses in enumerate(self._masses)])
        self._tenths = shares(self._in_tenths(self._masses))
        deviations = np.array([profile.sd for _, profile in alike])
        self._varies = deviations > 1e-300
        means = np.array([profile.mean for _, profile in alike])
        #: Means of the bins, in standard deviations from the mean.
        self._centres: Floats = np.array([profile.centres for _, profile in alike]) - means[:, None]
        with np.errstate(all="ignore"):
            self._centres /= deviations[:, None]

    def distances(self, counts: Ints, z_sums: Ints) -> Iterator[tuple[int, Distances]]:
        bins = self._masses.shape[1]
        seen = counts[self._rows, :bins]
        n = seen.sum(axis=1)
        rows = np.flatnonzero(n)
        if not len(rows):
            return
        n, now, masses = n[rows], shares(seen[rows]), self._masses[rows]
        tenths = self._in_tenths(seen)[rows]
        found = (
            psi(self._tenths[rows], shares(tenths)),
            psi_noise_level(tenths.shape[1], masses.sum(axis=1), n),
            js_distance(self._shares[rows], now),
            ks(masses, seen[rows]),
            self._wasserstein(seen, z_sums[self._rows, :bins])[rows],
        )
        names = "psi", "psi_noise_level", "js_distance", "ks", "wasserstein"
        yield from _by_row(self._rows[rows], names, found, n)

    def _in_tenths(self, counts: Ints) -> Ints:
        merged: Ints = np.add.reduceat(counts.ravel(), self._begins).reshape(len(counts), -1)
        return merged

    def _wasserstein(self, seen: Ints, z_sums: Ints) -> Floats:
        """Between the distributions of bin means, which for drift within a bin's width is all one can say;
        NaN where the reference has one value. Float64 (R,)."""
        found = np.full(len(seen), np.nan)
        used = seen > 0
        lengths = np.count_nonzero(used, axis=1) * self._varies
        for length in set(lengths[lengths > 0].tolist()):  # one, as a rule: all bins
            rows = np.flatnonzero(lengths == length)
            of_used = used[rows]
            counts = seen[rows][of_used].reshape(-1, length)
            positions = z_sums[rows][of_used].reshape(-1, length) / counts * Z_UNIT
            found[rows] = wasserstein(self._centres[rows], self._masses[rows], positions, counts)
        return found


class _Categories:
    """Categories with as many bins, that of unseen ones among them; or with few, of which some may be empty
    in the reference and in every window."""

    def __init__(self, width: int, alike: Sequence[tuple[int, Ints]]) -> None:
        self._rows = np.array([row for row, _ in alike], np.intp)
        self._bins = np.array([len(masses) + 1 for _, masses in alike])
        self._masses: Ints = np.zeros((len(alike), width), np.int64)
        for into, (_, masses) in zip(self._masses, alike, strict=True):
            into[: len(masses)] = masses

    def distances(self, counts: Ints, z_sums: Ints) -> Iterator[tuple[int, Distances]]:
        of_all = counts[self._rows]
        seen = np.zeros_like(self._masses)
        known = min(self._masses.shape[1], of_all.shape[1] - 2)
        seen[:, :known] = of_all[:, :known]
        seen[np.arange(len(seen)), self._bins - 1] = of_all[:, -2]
        n = seen.sum(axis=1)
        rows = np.flatnonzero(n)
        if not len(rows):
            return
        n, seen, masses = n[rows], seen[rows], self._masses[rows]
        before, now = shares(masses), shares(seen)
        found = (
            psi(before, now),
            psi_noise_level(self._bins[rows], masses.sum(axis=1), n),
            js_distance(before, now),
            _chi2(masses, seen),
        )
        yield from _by_row(self._rows[rows], ("psi", "psi_noise_level", "js_distance", "chi2"), found, n)


def _chi2(masses: Ints, seen: Ints) -> Floats:
    """With the last bin only where it holds something: it decides in which order the others are summed."""
    found = chi2(masses, seen)
    if masses.shape[1] > _FEW:
        rows = np.flatnonzero(seen[:, -1] == 0)
        found[rows] = chi2(masses[rows, :-1], seen[rows, :-1])
    return found


def _tenths(masses: Ints) -> NDArray[np.intp]:
    """The first bin of each tenth of the reference; fewer where a value repeats."""
    begins = (np.cumsum(masses) - masses) * PSI_BINS // masses.sum()
    return np.flatnonzero(np.diff(begins, prepend=-1))


def _by_row(
    rows: NDArray[np.intp], names: Sequence[str], found: Sequence[Floats], n: Ints
) -> Iterator[tuple[int, Distances]]:
    """A distance that is NaN is undefined."""
    values = zip(*(of_name.tolist() for of_name in found), strict=True)
    for row, of_row, events in zip(rows.tolist(), values, n.tolist(), strict=True):
        estimates = (Estimate(x if x == x else None, None, None, events) for x in of_row)
        yield row, dict(zip(names, estimates, strict=True))
