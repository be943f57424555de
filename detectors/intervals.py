"""Confidence intervals, each chosen by its simulated coverage; 95 % unless a level is given.

Pure functions of counts and moments. They return `(low, high)`; what needs a value too returns an `Estimate`.
"""

import math

import numpy as np
from scipy import special

from streamgauge.detectors.estimate import Estimate
from streamgauge.schemas.batch import Floats, Ints

#: Standard normal quantile of a two-sided 95 % interval.
Z95 = 1.959963984540054

Interval = tuple[float, float]


def wilson(k: float, n: float, z: float = Z95) -> Interval:
    """Wilson's score interval (1927) of a proportion `k / n`; simulated coverage .946–.957.

    >>> low, high = wilson(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    if n <= 0:
        return 0.0, 1.0
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(p * (1 - p) / n + z * z / (4 * n * n), 0.0))
    return (0.0 if k <= 0 else max(0.0, centre - half)), (1.0 if k >= n else min(1.0, centre + half))


def poisson_rate(count: int, seconds: float) -> Estimate:
    """Events a second with the exact Poisson interval (Garwood 1936).

    >>> rate = poisson_rate(0, 60.0)
    >>> rate.value, round(rate.high, 3)
    (0.0, 0.061)
    """
    low = float(special.gammaincinv(count, 0.025)) if count else 0.0
    high = float(special.gammaincinv(count + 1, 0.975))
    return Estimate(count / seconds, low / seconds, high / seconds, count)


def proportion(k: int, n: int, effect: float = 1.0) -> Estimate:
    """`k / n` with Wilson's interval; undefined when n = 0.

    Of events that depend on each other, `effect` of them say as much as one independent one (Kish 1965).

    >>> proportion(0, 0).value is None, proportion(3, 4).value
    (True, 0.75)
    >>> alone, in_fours = proportion(40, 400), proportion(40, 400, 4.0)
    >>> round(alone.low, 2), round(alone.high, 2), round(in_fours.low, 2), round(in_fours.high, 2)
    (0.07, 0.13, 0.06, 0.17)
    """
    if n <= 0:
        return Estimate.undefined()
    return Estimate(k / n, *wilson(k / effect, n / effect), n)


def clopper_pearson_lower(k: float, n: float, level: float) -> float:
    """The exact one-sided lower bound of a proportion, wrong at most `level` often (Clopper & Pearson 1934).

    >>> round(clopper_pearson_lower(5, 100, 0.025), 4)
    0.0164
    """
    return 0.0 if k <= 0 else float(special.betaincinv(k, n - k + 1, level))


def clopper_pearson_upper(k: float, n: float, level: float) -> float:
    """The exact one-sided upper bound of a proportion, wrong at most `level` often (Clopper & Pearson 1934).

    >>> round(clopper_pearson_upper(0, 100, 0.05), 4)
    0.0295
    """
    return 1.0 if k >= n else float(special.betainccinv(k + 1, n - k, level))


def f1_interval(tp: float, fp: float, fn: float) -> Interval:
    """Of F1 = 2J / (1 + J), by Wilson on the Jaccard index J = TP / (TP + FP + FN); coverage .947–.980.

    The delta method covers .61–.94 at n = 100.

    >>> low, high = f1_interval(80, 10, 10)
    >>> round(low, 3), round(high, 3)
    (0.831, 0.929)
    """
    low, high = wilson(tp, tp + fp + fn)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def student_t(mean: float, var: float, n: int) -> Interval | None:
    """Of a mean, from the sample variance `var` (ddof 1); None when n < 2.

    >>> low, high = student_t(10.0, 4.0, 16)
    >>> round(low, 3), round(high, 3)
    (8.934, 11.066)
    """
    if n < 2:
        return None
    half = float(special.stdtrit(n - 1, 0.975)) * math.sqrt(max(var, 0.0) / n)
    return mean - half, mean + half


def mean_estimate(total: float | None, squares: float | None, n: int) -> Estimate:
    """The mean with Student's interval, from exact sums of values and of squares."""
    if total is None or n == 0:
        return Estimate.undefined(n)
    mean = total / n
    interval = None
    if squares is not None and n > 1:
        interval = student_t(mean, (squares - total * mean) / (n - 1), n)
    low, high = interval or (None, None)
    return Estimate(mean, low, high, n)


def agresti_caffo(k1: float, n1: float, k2: float, n2: float) -> tuple[float, float]:
    """`(difference, standard error)` of p₁ − p₂, one of each outcome added (Agresti & Caffo 2000).

    >>> difference, se = agresti_caffo(30, 100, 20, 100)
    >>> round(difference, 4), round(se, 4)
    (0.098, 0.0606)
    """
    p1, p2 = (k1 + 1) / (n1 + 2), (k2 + 1) / (n2 + 2)
    return p1 - p2, math.sqrt(p1 * (1 - p1) / (n1 + 2) + p2 * (1 - p2) / (n2 + 2))


def quantile_ranks(q: float, n: int) -> tuple[int, int]:
    """1-based ranks of the order statistics that bound the q-quantile; 0 or n + 1 where there is no bound.

    From the binomial count of values below the quantile, in its normal approximation (Conover 1999, 3.2).

    >>> quantile_ranks(0.5, 100), quantile_ranks(0.99, 100)
    ((40, 61), (97, 101))
    """
    half = Z95 * math.sqrt(n * q * (1 - q))
    return max(0, math.floor(n * q - half)), min(n + 1, math.ceil(n * q + half) + 1)


def auc(positives: Ints, negatives: Ints) -> Estimate:
    """Area under the ROC curve from histograms of scores in rising order, int64 (bins,); ties count half.

    Interval on the logit scale: DeLong, DeLong & Clarke-Pearson (1988) where both classes have 50 or more,
    otherwise Hanley & McNeil (1982), which over-covers. Where scores separate the classes wholly, the bound
    of Clopper & Pearson on as many disjoint pairs as the smaller class gives.

    >>> auc(np.array([0, 1, 3]), np.array([3, 1, 0])).value
    0.96875
    """
    m, n = int(positives.sum()), int(negatives.sum())
    if m == 0 or n == 0:
        return Estimate.undefined(m + n)
    below = np.cumsum(negatives) - negatives
    above = m - np.cumsum(positives)
    wins = int((positives * (2 * below + negatives)).sum())
    value = wins / (2 * m * n)
    if value in (0.0, 1.0):
        bound = 0.025 ** (1 / min(m, n))
        return Estimate(value, bound if value else 0.0, 1.0 if value else 1 - bound, m + n)
    variance = 0.0
    if m >= 50 and n >= 50:
        variance = _placement_variance((below + negatives / 2) / n, positives, m, value) / m
        variance += _placement_variance((above + positives / 2) / m, negatives, n, value) / n
    if variance == 0.0:
        q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
        variance = value * (1 - value) + (m - 1) * (q1 - value**2) + (n - 1) * (q2 - value**2)
        variance /= m * n
    low, high = logit_interval(value, math.sqrt(variance) / (value * (1 - value)))
    return Estimate(value, min(low, value), max(high, value), m + n)


def logit_interval(p: float, se_logit: float) -> Interval:
    """`p` ± z standard errors on the logit scale, brought back; 0 < p < 1."""
    centre = math.log(p / (1 - p))
    return float(special.expit(centre - Z95 * se_logit)), float(special.expit(centre + Z95 * se_logit))


def _placement_variance(placements: Floats, counts: Ints, total: int, mean: float) -> float:
    return float((counts * (placements - mean) ** 2).sum() / (total - 1))
