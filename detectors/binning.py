"""`FeatureBinner`: puts the features of a batch into the bins of a baseline profile, all at once.

Window counts and sequential evidence read the same bins, so a batch is digitised once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.digits import Digitiser
from streamgauge.schemas.batch import Bools, Categories, Column, Floats, Ints
from streamgauge.schemas.profile import CategoricalProfile, FeatureProfile, NumericProfile

#: Categories with a bin of their own; the other known ones share one.
CATEGORY_BINS = 50
#: Standardised values are held as whole multiples of this, so that their sums are exact in any order.
Z_UNIT = 2.0**-16
_Z_LIMIT = 2.0**15


@dataclass(slots=True, eq=False)
class FeatureBins:
    """Bins of a batch, F features × n events.

    `codes` int16 (F, n): a numeric bin; or a category's, then one for other known categories; `width − 2` is
    an unseen category and `width − 1` a missing value. The first rows are the numbers, N of them: `outside`
    bool (N, n) is whether they are out of the profile's range, `z` float64 (N, n) how many multiples of 2⁻¹⁶
    reference standard deviations from the reference mean, whole, cut at ± 2¹⁵ deviations, 0 where missing.
    `mistyped` says, by row, which events gave a value of another type than the profile's, bool (n,): only
    where the whole batch did, and such a value has the code of a missing one. `counts` int64 (F, width) is
    how often each code comes; None if nobody has counted yet.
    """

    codes: NDArray[np.int16]
    outside: Bools
    z: Floats
    mistyped: Mapping[int, Bools] = field(default_factory=dict)
    counts: Ints | None = None

    def take(self, rows: "NDArray[np.intp] | Bools | slice") -> "FeatureBins":
        """The bins of some of the events."""
        mistyped = {row: given[rows] for row, given in self.mistyped.items()}
        return FeatureBins(self.codes[:, rows], self.outside[:, rows], self.z[:, rows], mistyped)


class FeatureBinner:
    """Digitises batches against the profiles of `names`: those of numbers first, otherwise as they come.

    A feature that a batch lacks, and a value of another type than the profile's, is missing.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> profile = build_profile({"age": np.arange(100.0), "job": Categories.of(["a", "b"] * 50)})
    >>> binner = FeatureBinner(profile.features)
    >>> bins = binner.bins({"age": np.array([0.0, 99.0, 200.0]), "job": Categories.of(["b", "z", None])})
    >>> bins.codes.tolist(), binner.width
    ([[0, 19, 19], [1, 20, 21]], 22)
    """

    def __init__(self, profiles: Mapping[str, FeatureProfile]) -> None:
        numbers = {name: p for name, p in profiles.items() if isinstance(p, NumericProfile)}
        categories = {name: p for name, p in profiles.items() if isinstance(p, CategoricalProfile)}
        self.names = (*numbers, *categories)
        self.profiles: tuple[FeatureProfile, ...] = (*numbers.values(), *categories.values())
        #: Number of codes: the most bins of a feature, unseen, missing.
        self.width = 2 + max(map(bin_count, self.profiles), default=0)
        #: Of the latest batches: batches of a client tend to have the same values.
        self._tables: dict[str, tuple[tuple[str, ...], NDArray[np.int16]]] = {}
        first = np.arange(0, len(self.names) * self.width, self.width)[:, None]
        #: Small integers, if they will do: those add fastest.
        self._first_cell = first.astype(np.int16) if first.size * self.width < 2**15 else first
        self._numbers = tuple(numbers)
        self._bin_of = {
            name: {c: min(i, CATEGORY_BINS) for i, c in enumerate(p.categories)}
            for name, p in categories.items()
        }
        self._digits = Digitiser([p.edges for p in numbers.values()])
        scales = [(p.mean, 1 / p.sd / Z_UNIT) if p.sd > 1e-300 else (0.0, 0.0) for p in numbers.values()]
        of_numbers = [(*scale, p.low, p.high) for scale, p in zip(scales, numbers.values(), strict=True)]
        #: Float64 (numbers, 1) each.
        self._mean, self._scale, self._low, self._high = np.array(of_numbers).reshape(-1, 4).T[..., None]

    def bins(self, features: Mapping[str, Column], n: int | None = None) -> FeatureBins:
        """The bins of a batch of `n` events; without `n`, as many as the first feature has."""
        if n is None:
            n = len(next(iter(features.values()))) if features else 0
        values = np.empty((len(self._numbers), n))
        codes = np.empty((len(self.names), n), np.int16)
        mistyped: dict[int, Bools] = {}
        for row, name in enumerate(self._numbers):
            column = features.get(name)
            if isinstance(column, np.ndarray):
                values[row] = column
                continue
            values[row] = np.nan
            if column is not None:
                mistyped[row] = column.codes >= 0
        for row, (name, bin_of) in enumerate(self._bin_of.items(), len(self._numbers)):
            column = features.get(name)
            if isinstance(column, Categories):
                codes[row] = self._table(name, bin_of, column.values)[column.codes]
                continue
            codes[row] = self.width - 1
            if column is not None:
                mistyped[row] = ~np.isnan(column)
        with np.errstate(invalid="ignore", over="ignore"):
            codes[: len(values)] = self._digits.places(values)
            outside = (values < self._low) | (values > self._high)
            z = values - self._mean
            z *= self._scale
        np.minimum(z, _Z_LIMIT / Z_UNIT, out=z)
        np.maximum(z, -_Z_LIMIT / Z_UNIT, out=z)
        np.rint(z, out=z)
        finite = np.isfinite(values)
        if np.count_nonzero(finite) < finite.size:
            codes[: len(values)][~finite] = self.width - 1
            outside &= finite
            z = np.where(finite, z, 0.0)
        return FeatureBins(codes, outside, z, mistyped)

    def _table(self, name: str, bin_of: Mapping[str, int], values: tuple[str, ...]) -> NDArray[np.int16]:
        """The code of each value of a batch's column, and last that of a missing one."""
        known = self._tables.get(name)
        if known is None or known[0] != values:
            unseen = self.width - 2
            table = np.array([*(bin_of.get(value, unseen) for value in values), self.width - 1], np.int16)
            known = values, table
            if len(values) <= CATEGORY_BINS:
                self._tables[name] = known
        return known[1]

    def cells(self, codes: NDArray[np.int16]) -> NDArray[np.int16] | Ints:
        """The place of each code of the first rows, (F, n), among those of all rows one after the other."""
        cells: NDArray[np.int16] | Ints = codes + self._first_cell[: len(codes)]
        return cells


def bin_count(profile: FeatureProfile) -> int:
    """Bins of the known values of a feature."""
    if isinstance(profile, NumericProfile):
        return len(profile.counts)
    return min(len(profile.categories), CATEGORY_BINS) + (len(profile.categories) > CATEGORY_BINS)


def bin_masses(profile: FeatureProfile) -> Ints:
    """Reference counts of the known bins, int64 (bins,)."""
    counts = np.array(profile.counts, np.int64)
    if isinstance(profile, NumericProfile) or len(counts) <= CATEGORY_BINS:
        return counts
    return np.append(counts[:CATEGORY_BINS], counts[CATEGORY_BINS:].sum())
