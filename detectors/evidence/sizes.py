"""`Sizes`: how far a number moved, and how much wider it became, in standard deviations of its reference.

Evidence looks at bins, and so do sizes: they are those of a normal variable whose values would fall into the
bins of the reference as these do.
"""

import math
from functools import cached_property, lru_cache

import numpy as np
from scipy import special

from streamgauge.detectors.baseline import rank_scores
from streamgauge.detectors.intervals import Z95
from streamgauge.schemas.batch import Floats
from streamgauge.schemas.profile import NumericProfile

#: Sizes that bins can tell: with 20 of them, all but a hundredth is in the outermost one after a shift of 4.
MOST_SHIFT, MOST_RATIO = 4.0, 10.0
_SHIFTS = np.linspace(-MOST_SHIFT, MOST_SHIFT, 161)
_RATIOS = np.exp(np.linspace(-math.log(MOST_RATIO), math.log(MOST_RATIO), 161))


class Sizes:
    """Of one reference. Location is the mean of 2u − 1 over the bins of some values, u the mid-rank of a bin
    in the reference; spread is the mean of its square.

    The middle of the outermost bins stands for all that lies beyond, so the formulas of ranks without bins
    (√2 Φ⁻¹ of the location, say) read 2.6 where a number moved by 3 or became 3 times as wide.

    >>> rng = np.random.default_rng(1)
    >>> from streamgauge.detectors.baseline import numeric_profile
    >>> sizes = Sizes(numeric_profile(rng.normal(size=50_000)))
    >>> wider = sizes.binned(3 * rng.normal(size=50_000))
    >>> round(sizes.ratio(float((wider**2).mean())), 1)
    3.0
    """

    def __init__(self, profile: NumericProfile) -> None:
        counts = np.array(profile.counts)
        self._edges = np.array(profile.edges)
        #: Float64 (B,): 2u − 1 of each bin.
        self._scores: Floats = rank_scores(counts)[0]
        self._cuts: Floats = special.ndtri(np.cumsum(counts)[:-1] / profile.n)

    def binned(self, values: Floats) -> Floats:
        """2u − 1 of the bin of each value, both of shape (n,)."""
        scores: Floats = self._scores[np.searchsorted(self._edges, values, side="left")]
        return scores

    def shift(self, location: float) -> float:
        """By how many standard deviations a normal variable has moved to have this location; −4 to 4."""
        return _inverse(location, self._locations, _SHIFTS)

    def ratio(self, spread: float) -> float:
        """How many times as wide a normal variable is that has this spread, where it was; .1 to 10."""
        return math.exp(_inverse(spread, self._spreads, np.log(_RATIOS)))

    def has_moved(self, location: float, spread: float) -> bool:
        """Whether half or more of a spread that grew is that the number moved: all values of one that moved
        far lie far out, as those of one that became wider do on both sides.

        >>> from streamgauge.detectors.baseline import numeric_profile
        >>> sizes = Sizes(numeric_profile(np.arange(1_000.0)))
        >>> sizes.has_moved(0.93, 0.88), sizes.has_moved(0.05, 0.7)
        (True, False)
        """
        usual = self.spread_at(1.0)
        return spread > usual and 2 * self.spread_of(self.shift(location)) >= spread + usual

    def spread_of(self, shift: float) -> float:
        """The spread of a number that has moved, and is as wide as it was."""
        return float(self._means(self._scores**2, shift, 1.0)[0])

    def location_at(self, shift: float) -> float:
        """The inverse of `shift`.

        >>> from streamgauge.detectors.baseline import numeric_profile
        >>> sizes = Sizes(numeric_profile(np.arange(1_000.0)))
        >>> round(sizes.shift(sizes.location_at(0.5)), 3), round(sizes.ratio(sizes.spread_at(2.0)), 3)
        (0.5, 2.0)
        """
        return float(self._means(self._scores, shift, 1.0)[0])

    def spread_at(self, ratio: float) -> float:
        """The inverse of `ratio`."""
        return float(self._means(self._scores**2, 0.0, ratio)[0])

    def shift_interval(self, shift: float, n: float) -> tuple[float | None, float | None]:
        """The 95 % interval of a shift that `n` independent values tell; None where bins don't bound it."""
        return _around(self._scores, self.masses(shift, 1.0)[0], n, self._locations, _SHIFTS)

    def ratio_interval(self, ratio: float, n: float) -> tuple[float | None, float | None]:
        """Likewise of a ratio."""
        masses = self.masses(0.0, ratio)[0]
        low, high = _around(self._scores**2, masses, n, self._spreads, np.log(_RATIOS))
        return (None if low is None else math.exp(low)), (None if high is None else math.exp(high))

    @cached_property
    def _locations(self) -> Floats:
        return self._means(self._scores, _SHIFTS, 1.0)

    @cached_property
    def _spreads(self) -> Floats:
        return self._means(self._scores**2, 0.0, _RATIOS)

    def _means(self, of: Floats, shift: float | Floats, ratio: float | Floats) -> Floats:
        """Means of what each bin counts for, float64 (sizes,)."""
        means: Floats = self.masses(shift, ratio) @ of
        return means

    def masses(self, shift: float | Floats, ratio: float | Floats) -> Floats:
        """Shares of the bins, float64 (sizes, B), of a normal variable that has moved or widened."""
        moved = (self._cuts - np.atleast_1d(shift)[:, None]) / np.atleast_1d(ratio)[:, None]
        masses: Floats = np.diff(special.ndtr(moved), prepend=0.0, append=1.0)
        return masses


@lru_cache(maxsize=256)
def sizes_of(profile: NumericProfile) -> Sizes:
    """While a change goes on, the same few are asked for at every look."""
    return Sizes(profile)


def _around(
    of: Floats, masses: Floats, n: float, grid: Floats, sizes: Floats
) -> tuple[float | None, float | None]:
    """Sizes whose mean is 1.96 standard errors of `n` values below and above that of `masses`."""
    mean = float(masses @ of)
    half = Z95 * math.sqrt(max(float(masses @ of**2) - mean**2, 0.0) / n) if n > 0 else math.inf
    least, most = float(grid.min()), float(grid.max())
    low = _inverse(mean - half, grid, sizes) if mean - half > least else None
    high = _inverse(mean + half, grid, sizes) if mean + half < most else None
    return low, high


def _inverse(mean: float, grid: Floats, sizes: Floats) -> float:
    """The size whose mean this is. Means rise with it, but for bins that a single value fills."""
    rising = np.maximum.accumulate(grid)
    if rising[0] == rising[-1]:  # of two bins of one size both are as far from the middle
        return 0.0
    return float(np.interp(mean, rising, sizes))
