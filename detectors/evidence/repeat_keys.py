"""What tells the values of features apart for `RepeatEvidence`, and which features may have had one only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.binning import CATEGORY_BINS, FeatureBinner, FeatureBins
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.schemas.batch import Bools, Floats

#: Of the rows of a look, which are compared first: numbers that vary differ among so few already, as a rule.
_EVERY = 7


def repeatable(bins: FeatureBins, binner: FeatureBinner) -> Floats:
    """Float64 (F, n): what tells the values of a feature apart, as `RepeatEvidence` takes it.

    Numbers as `FeatureBins.z`, categories as their bins; those that share a bin cannot repeat.
    """
    numbers = len(bins.z)
    keys = np.concatenate([bins.z, bins.codes[numbers:]])
    shared = bins.codes[numbers:] >= min(binner.width - 2, CATEGORY_BINS)
    if shared.any():
        keys[numbers:][shared] = np.inf
    missing: NDArray[np.bool_] = bins.codes == binner.width - 1
    if missing.any():
        keys[missing] = np.nan
    return keys


def surely_vary(counts: Floats, numbers: int) -> bool:
    """Whether no bin of any feature is full enough, nor half as full where it is one of the first `numbers`:
    as a rule that is so, and then there is nothing to ask of values. `counts` as in `may_repeat`."""
    of_numbers = np.maximum.reduce(counts[:numbers], axis=None, initial=0.0)
    of_categories = np.maximum.reduce(counts[numbers:], axis=None, initial=0.0)
    missing = np.maximum.reduce(counts[..., -1], axis=None)
    return bool(max(2 * of_numbers, of_categories) < LOOK - missing)


def may_repeat(bins: FeatureBins, counts: Floats, held: int) -> Bools:
    """Which features may have had one value in one of the whole looks of a batch, bool (F,).

    `counts` float64 (F, L, W) are their bins in each look, the last one that of missing values. Of a look
    that began before the batch, with `held` rows, only the bins are known.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> from streamgauge.detectors.evidence.looks import Looks
    >>> binner = FeatureBinner(build_profile({"x": np.arange(100.0), "y": np.arange(100.0)}).features)
    >>> bins = binner.bins({"x": np.repeat(7.0, 50), "y": np.arange(50.0)})
    >>> looks = Looks(2, binner.width).take(bins.codes, np.arange(50), np.zeros(50))
    >>> may_repeat(bins, looks.counts, held=0).tolist()
    [True, False]
    """
    numbers, before = len(bins.z), -held % LOOK
    whole = slice(before, before + (counts.shape[1] - (before > 0)) * LOOK)
    may: Bools = np.zeros(len(counts), np.bool_)
    may[_alike(bins.z[:, whole])] = True
    may[_alike(bins.codes[numbers:, whole]) + numbers] = True
    if np.count_nonzero(counts[..., -1]):  # what is missed may stand between equal ones
        gappy = np.flatnonzero(counts[..., -1].any(axis=1))
        may[gappy] |= _few_bins(counts[gappy], gappy < numbers)
    if before:
        may |= _few_bins(counts[:, :1], np.arange(len(counts)) < numbers)
    return may


def _alike(values: NDArray[Any]) -> NDArray[np.intp]:
    """Which features, of (F, 50 · L) values, have one value in a look; by more and more of its rows."""
    of_each = values.shape[1] // LOOK
    looks = values.reshape(len(values) * of_each, LOOK)
    left: NDArray[np.intp] = np.flatnonzero(looks[:, 0] == looks[:, -1])
    for every in (_EVERY, 1):
        if not len(left):
            break
        some = looks.take(left, axis=0)[:, ::every]
        left = left[np.logical_and.reduce(some == some[:, :1], axis=1)]
    return left // of_each if of_each else left


def _few_bins(counts: Floats, number: Bools) -> Bools:
    """Which features have all values of a look in one bin, as far as the fullest one tells; a number in two:
    those that are equal but for rounding may lie on both sides of an edge."""
    most, present = counts[..., :-1].max(axis=-1), LOOK - counts[..., -1]
    most *= 1 + number[:, None]
    few: Bools = ((most >= present) & (present > 0)).any(axis=1)
    return few
