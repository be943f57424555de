"""How large a regression's errors will turn out, before labels come: direct loss estimation.

The expected absolute error of a prediction is the mean of the reference's errors at predictions like it: in
its bin. The interval says where the realised mean will lie in 95 % of windows, as long as the concept holds.
"""

import math

import numpy as np

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import Z95
from streamgauge.detectors.residuals import residual_profile
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.estimator import ErrorModelProfile

_MOST = float(np.finfo(np.float64).max)


def regression_cells(prediction: Floats, edges: tuple[float, ...]) -> Ints:
    """The bin of each prediction, int64 (n,); -1 where it is not finite.

    >>> regression_cells(np.array([0.5, 1.0, 7.0, np.nan]), (1.0, 2.0)).tolist()
    [0, 0, 2, -1]
    """
    return np.where(np.isfinite(prediction), np.searchsorted(edges, prediction, side="left"), -1)


def learn_error_model(prediction: Floats, error: Floats, edges: tuple[float, ...]) -> ErrorModelProfile:
    """From labelled reference predictions in order, finite float64 (n,), n > 0: what was said, how far off.

    `edges` are those of the bins.

    >>> prediction = np.random.default_rng(0).uniform(0, 2, 1000)
    >>> model = learn_error_model(prediction, np.where(prediction > 1, 3.0, 1.0), (1.0,))
    >>> model.means
    (1.0, 3.0)
    """
    bins = regression_cells(prediction, edges)
    counts = np.bincount(bins, minlength=len(edges) + 1)
    columns = np.full((4, len(counts)), np.nan)
    for each in np.flatnonzero(counts).tolist():
        errors = np.sort(error[bins == each])
        n, middle = len(errors), (len(errors) + 1) // 2
        mean = float((errors / n).sum())
        with np.errstate(over="ignore"):
            sd = math.sqrt(min(float(((errors - mean) ** 2).mean()), _MOST))
        # A later error is at most the k-th of n with probability k / (n + 1), whatever the distribution.
        columns[:, each] = mean, sd, errors[middle - 1], middle / (n + 1)
    known = ~np.isnan(columns[0])
    places = np.arange(len(counts))
    means, sds, usual, shares = (np.interp(places, places[known], column[known]) for column in columns)
    return ErrorModelProfile(
        tuple(edges),
        tuple(counts.tolist()),
        tuple(means.tolist()),
        tuple(sds.tolist()),
        tuple(usual.tolist()),
        tuple(shares.tolist()),
        residual_profile(error <= usual[bins], shares[bins]),
    )


def regression_estimates(counts: Ints, profile: ErrorModelProfile) -> dict[str, Estimate]:
    """Of the predictions in `counts`, int64 (≤ bins,): estimated_mean_absolute_error, in the label's unit.

    >>> prediction = np.random.default_rng(0).uniform(0, 2, 1000)
    >>> model = learn_error_model(prediction, np.where(prediction > 1, 3.0, 1.0), (1.0,))
    >>> regression_estimates(np.array([50, 150]), model)["estimated_mean_absolute_error"].value
    2.5
    """
    n = int(counts.sum())
    if n == 0:
        return {"estimated_mean_absolute_error": Estimate.undefined()}
    shares = counts / n
    value = float((shares * profile.means[: len(counts)]).sum())
    reference = profile.residuals
    sds = np.array(profile.sds[: len(counts)])
    deviation = (
        math.sqrt(float((shares * (sds / math.sqrt(n)) ** 2).sum())) if sds.max() < 1e150 else math.inf
    )
    half = Z95 * deviation * math.sqrt(reference.design_effect * (1 + n / reference.n))
    if not math.isfinite(value + half):
        return {"estimated_mean_absolute_error": Estimate(value, None, None, n)}
    return {"estimated_mean_absolute_error": Estimate(value, max(0.0, value - half), value + half, n)}
