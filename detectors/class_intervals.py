"""95 % intervals of statistics of a whole confusion matrix: macro averages, Cohen's kappa, Matthews'.

Each by the delta method, its coverage simulated (tests/detectors/test_interval_coverage.py): macro averages
of rates from Agresti–Coull variances of each class, macro F1 on the logit scale, the coefficients on
Fisher's z scale.
"""

import math

import numpy as np

from streamgauge.detectors.intervals import Z95, Interval, f1_interval, logit_interval
from streamgauge.schemas.batch import Floats, Ints


def mean_interval(hits: Ints, totals: Ints) -> Interval:
    """Of the unweighted mean of the proportions `hits / totals`, (K,) each, totals > 0.

    >>> low, high = mean_interval(np.array([90, 80]), np.array([100, 100]))
    >>> round(low, 3), round(high, 3)
    (0.787, 0.886)
    """
    value = float((hits / totals).mean())
    p = (hits + 2) / (totals + 4)
    half = Z95 * math.sqrt(float((p * (1 - p) / (totals + 4)).sum())) / len(hits)
    centre = float(p.mean())
    return max(0.0, min(centre - half, value)), min(1.0, max(centre + half, value))


def macro_f1_interval(matrix: Ints, value: float) -> Interval:
    """Of the unweighted mean of the classes' F1, int64 (K, K), every class true or predicted.

    One wrong pair lowers the F1 of two classes, so they are not independent: K intervals of single classes
    put together cover .75–.89.
    """
    k, n = len(matrix), int(matrix.sum())
    if k == 1:
        return f1_interval(n, 0, 0)
    smoothed = matrix + np.float64(0.5 / k)
    p, rows, columns = _shares(smoothed)
    sizes = rows + columns
    ratio = 2 * np.diag(p) / sizes**2
    gradient = (np.diag(2 / sizes) - ratio[:, None] - ratio[None, :]) / k
    return _on_logit(value, float((2 * np.diag(p) / sizes).mean()), gradient, p, n)


def weighted_precision_interval(matrix: Ints, value: float) -> Interval:
    """Of the mean of the classes' precisions by how often each is true, int64 (K, K)."""
    p, rows, columns = _shares(matrix + np.float64(0.5 / len(matrix)))
    precision = np.diag(p) / columns
    gradient = precision[:, None] + np.diag(rows / columns) - (rows * precision / columns)[None, :]
    return _on_logit(value, float(rows @ precision), gradient, p, int(matrix.sum()))


def weighted_f1_interval(matrix: Ints, value: float) -> Interval:
    """Of the mean of the classes' F1 by how often each is true, int64 (K, K)."""
    p, rows, columns = _shares(matrix + np.float64(0.5 / len(matrix)))
    f1 = 2 * np.diag(p) / (rows + columns)
    lost = rows * f1 / (rows + columns)
    gradient = f1[:, None] + np.diag(2 * rows / (rows + columns)) - lost[:, None] - lost[None, :]
    return _on_logit(value, float(rows @ f1), gradient, p, int(matrix.sum()))


def kappa_interval(matrix: Ints, kappa: float) -> Interval:
    """Of Cohen's kappa (Fleiss, Cohen & Everitt 1969), int64 (K, K)."""
    p, rows, columns = _shares(matrix)
    chance = float(rows @ columns)
    agreement = float(np.trace(p))
    by_chance = columns[:, None] + rows[None, :]
    gradient = np.eye(len(p)) / (1 - chance) - (1 - agreement) / (1 - chance) ** 2 * by_chance
    return _on_fisher_z(kappa, gradient, p, int(matrix.sum()))


def matthews_interval(matrix: Ints, coefficient: float) -> Interval:
    """Of Matthews' correlation coefficient, int64 (K, K)."""
    p, rows, columns = _shares(matrix)
    spread_rows, spread_columns = 1 - float(rows @ rows), 1 - float(columns @ columns)
    by_chance = columns[:, None] + rows[None, :]
    gradient = (np.eye(len(p)) - by_chance) / math.sqrt(spread_rows * spread_columns)
    gradient += coefficient * (rows[:, None] / spread_rows + columns[None, :] / spread_columns)
    return _on_fisher_z(coefficient, gradient, p, int(matrix.sum()))


def _variance(gradient: Floats, p: Floats) -> float:
    """Of one pair's influence, under multinomial counts."""
    return max(float((p * gradient**2).sum() - (p * gradient).sum() ** 2), 0.0)


def _shares(matrix: Ints | Floats) -> tuple[Floats, Floats, Floats]:
    p = matrix / matrix.sum()
    return p, p.sum(axis=1), p.sum(axis=0)


def _on_logit(value: float, inside: float, gradient: Floats, p: Floats, n: int) -> Interval:
    """±1.96 se of logit(inside), brought back; `inside` is the value of smoothed counts, in (0, 1)."""
    low, high = logit_interval(inside, math.sqrt(_variance(gradient, p) / n) / (inside * (1 - inside)))
    return min(low, value), max(high, value)


def _on_fisher_z(value: float, gradient: Floats, p: Floats, n: int) -> Interval:
    """±1.96 se of atanh(value), brought back; at ±1 the standard error of n pairs, one of them wrong."""
    inside = min(max(value, -1 + 1 / n), 1 - 1 / n) if n > 1 else 0.0
    se = math.sqrt(max(_variance(gradient, p) / n, (1 - inside**2) / n**2)) / (1 - inside**2)
    low, high = math.tanh(math.atanh(inside) - Z95 * se), math.tanh(math.atanh(inside) + Z95 * se)
    return min(low, value), max(high, value)
