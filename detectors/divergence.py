"""How far counts are from a reference: of one pair of histograms, or of many at once, a row each.

Bins are the last axis. A row gives the same bits alone as among others.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from streamgauge.schemas.batch import Floats, Ints

#: Least share of a bin in PSI, as usual.
PSI_EPSILON = 1e-4


def shares(counts: Ints) -> Floats:
    """Of each bin among all of its row, which holds something."""
    found: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return found


def psi(p: Floats, q: Floats) -> Floats:
    """Population stability index Σ (q − p) ln(q / p) of shares, at least 1e-4 each.

    >>> float(psi(np.array([0.5, 0.5]), np.array([0.7, 0.3])).round(4))
    0.1695
    """
    p, q = np.maximum(p, PSI_EPSILON), np.maximum(q, PSI_EPSILON)
    found: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return found


def psi_noise_level(bins: int | Ints, m: int | Ints, n: int | Ints) -> Floats:
    """What PSI stays below in 95 % of windows without drift: (1/n + 1/m) χ²₀.₉₅(B − 1) (Yurdakul 2018).

    >>> float(psi_noise_level(10, 5000, 100).round(3))
    0.173
    """
    found: Floats = (1 / n + 1 / m) * special.chdtri(np.maximum(bins - 1, 1), 0.05)
    return found


def js_distance(p: Floats, q: Floats) -> Floats:
    """Jensen–Shannon distance of shares, base 2: 0 where equal, 1 where disjoint.

    >>> float(js_distance(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    middle = (p + q) / 2
    divergence = (special.rel_entr(p, middle) + special.rel_entr(q, middle)).sum(axis=-1) / 2 / np.log(2)
    found: Floats = np.sqrt(np.minimum(np.maximum(divergence, 0.0), 1.0))
    return found


def ks(reference: Ints, counts: Ints) -> Floats:
    """Kolmogorov–Smirnov distance of the cumulative shares at the bin edges: at most the true distance.

    >>> float(ks(np.array([1, 1]), np.array([3, 1])))
    0.25
    """
    below, now_below = np.cumsum(reference, axis=-1), np.cumsum(counts, axis=-1)
    found: Floats = np.abs(below / below[..., -1:] - now_below / now_below[..., -1:]).max(axis=-1)
    return found


def chi2(reference: Ints, counts: Ints) -> Floats:
    """Pearson's statistic of homogeneity per degree of freedom: about 1 where nothing changed; NaN where
    there is one bin. Bins that are empty in both don't count.

    >>> float(chi2(np.array([50, 50, 0]), np.array([60, 40, 0])).round(2))
    2.02
    """
    both = reference + counts
    m, n = reference.sum(axis=-1, keepdims=True), counts.sum(axis=-1, keepdims=True)
    apart = reference * np.sqrt(n / m) - counts * np.sqrt(m / n)
    freedom = np.count_nonzero(both, axis=-1) - 1
    statistic = (apart**2 / np.maximum(both, 1)).sum(axis=-1)
    found: Floats = np.where(freedom > 0, statistic / np.maximum(freedom, 1), np.nan)
    return found


def wasserstein(x: Floats, x_counts: Ints, y: Floats, y_counts: Ints) -> Floats:
    """Area between the distribution functions of two weighted samples, in the samples' unit.

    >>> float(wasserstein(np.array([0.0, 1.0]), np.array([1, 1]), np.array([5.0, 6.0]), np.array([3, 3])))
    5.0
    """
    values = np.concatenate([x, y], axis=-1)
    order: NDArray[np.intp] = np.argsort(values, axis=-1, kind="stable")
    steps = np.concatenate([shares(x_counts), -shares(y_counts)], axis=-1)
    ahead = np.cumsum(np.take_along_axis(steps, order, axis=-1), axis=-1)[..., :-1]
    with np.errstate(over="ignore"):
        widths = np.diff(np.take_along_axis(values, order, axis=-1), axis=-1)
    found: Floats = (np.abs(ahead) * widths).sum(axis=-1)
    return found
