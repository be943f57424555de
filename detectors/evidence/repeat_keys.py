"""What tells the values of features apart for `RepeatEvidence`, and which features may have had one only."""

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.binning import CATEGORY_BINS, FeatureBinner, FeatureBins
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.schemas.batch import Floats


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


def may_repeat(counts: Floats, numbers: int) -> bool:
    """Whether any feature may have had one value in a whole look; `counts` float64 (F, L, W) are their bins
    in each, the last one that of missing values, and the first features are `numbers`.

    >>> [may_repeat(np.array([[of_look]]), numbers=1) for of_look in
    ...     ([25.0, 25.0, 0.0], [24.0, 25.0, 1.0], [10.0, 20.0, 20.0], [0.0, 0.0, 50.0])]
    [True, True, True, False]
    """
    of_bins = np.ascontiguousarray(counts.transpose(2, 0, 1))
    most, present = of_bins[:-1].max(axis=0), LOOK - of_bins[-1]
    # Numbers that are equal but for rounding may lie on both sides of an edge.
    most[:numbers] *= 2
    return bool(((most >= present) & (present > 0)).any())
