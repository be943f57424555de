"""How much events of a stream depend on each other: design effects, and whether a reference is one thing."""

import math

import numpy as np

from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile import CategoricalProfile, FeatureProfile, NumericProfile

MAX_ORDER = 12
#: Halves of a reference that differ by more standard errors than this are not one baseline.
HALVES_LIMIT = 4.0
#: The same of the two parts around the step that fits best: it was sought for.
_STEP_LIMIT = 5.0
#: How dependent events are is known from this many of them, worth so many independent ones: at 500 rows of
#: which 8 are worth one, 9 of 110 unchanged streams alarmed; within these bounds none of 1,000.
LEAST_DEPENDENT_ROWS, LEAST_EFFECTIVE = 1_000, 100
_DEPENDENT = 1.5
#: Below this there is nothing to compare.
LEAST_ROWS = 60
#: So many pairs of windows say how dependent the events of windows are, within ± 60 %.
_LEAST_PAIRS = 8


def dependence(values: Floats) -> tuple[float, bool]:
    """The design effect of a reference, float64 (n,) in order, and whether it is one thing.

    A level that jumps once makes all events before and after it look dependent. If what is left without the
    jump depends half as much at most, the effect is that of what is left.

    >>> noise = np.random.default_rng(1).normal(size=600)
    >>> effect, one = dependence(noise + np.repeat([0.0, 1.0], 300))
    >>> effect < 1.2, one, design_effect(noise + np.repeat([0.0, 1.0], 300)) > 3
    (True, False, True)
    """
    effect = design_effect(values)
    if halves_agree(values, effect):
        return effect, True
    at = _step(values)
    before, after = values[:at], values[at:]
    rest = design_effect(np.concatenate([before - before.mean(), after - after.mean()]))
    se = math.sqrt(rest * (float(before.var()) / len(before) + float(after.var()) / len(after)))
    jumps = abs(float(before.mean()) - float(after.mean())) > _STEP_LIMIT * se
    return (rest if jumps and 2 * rest <= effect else effect), False


def design_effect(values: Floats) -> float:
    """How many events of this stream, float64 (n,), are worth one independent one; at least 1.

    The spectral density at zero over the variance, from an autoregression of order ≤ 12 chosen by AIC
    (Akaike 1974; within ± 5 %, where batch means are within ± 20 % and too often too low).

    >>> import numpy as np
    >>> noise = np.random.default_rng(1).normal(size=5000)
    >>> design_effect(noise) < 1.2
    True
    """
    n = len(values)
    centred = values - values.mean() if n else values
    variance = float(centred @ centred) / n if n else 0.0
    if n < 10 * MAX_ORDER or variance <= 0:
        return 1.0
    covariances = [float(centred[lag:] @ centred[: n - lag]) / n for lag in range(MAX_ORDER + 1)]
    best_aic, best = 0.0, 1.0
    phi: list[float] = []
    innovation = 1.0
    rho = [c / variance for c in covariances]
    for order in range(1, MAX_ORDER + 1):  # Levinson–Durbin
        reflection = (rho[order] - sum(p * rho[order - 1 - i] for i, p in enumerate(phi))) / innovation
        phi = [p - reflection * q for p, q in zip(phi, reversed(phi), strict=True)] + [reflection]
        innovation *= 1 - reflection**2
        if innovation <= 1e-9:
            return float(n)
        aic = n * math.log(innovation) + 2 * order
        if aic < best_aic:
            best_aic, best = aic, innovation / max((1 - sum(phi)) ** 2, 1e-9)
    return min(max(1.0, best), float(n))


def effect_between(hits: Ints, totals: Ints) -> Floats:
    """How many events are worth one independent one to the rates of G groups, float64 (G,), at least 1.

    `hits` of `totals` int64 (W, G) are those of windows in a row; where there are none, what lies before and
    after isn't compared. The mean square of the differences of neighbours, over what it would be of
    independent events (von Neumann 1941): a rate that moves slowly, over many windows, is none that depends
    on itself. 1 where fewer than 8 pairs of neighbours can tell.

    >>> rng = np.random.default_rng(1)
    >>> alone, in_threes = rng.binomial(300, 0.2, 60), 3 * rng.binomial(100, 0.2, 60)
    >>> effect_between(np.stack([alone, in_threes], axis=1), np.full((60, 2), 300)).round(1).tolist()
    [1.0, 3.6]
    """
    n = np.maximum(totals, 1)
    before, after = slice(None, -1), slice(1, None)
    pairs = (totals[before] > 0) & (totals[after] > 0)
    pooled = (hits[before] + hits[after]) / (n[before] + n[after])
    expected = (pairs * pooled * (1 - pooled) * (1 / n[before] + 1 / n[after])).sum(axis=0)
    found = (pairs * np.diff(hits / n, axis=0) ** 2).sum(axis=0)
    known = (pairs.sum(axis=0) >= _LEAST_PAIRS) & (expected > 0)
    effects: Floats = np.where(known, np.maximum(found / np.where(known, expected, 1.0), 1.0), 1.0)
    return effects


def rate_effect(profile: FeatureProfile, metric: str) -> float:
    """How many events are worth one independent one to a rate of missing, impossible or new values; 1 where
    the reference, which had none, cannot tell."""
    match profile, metric:
        case _, "missing_rate":
            return profile.missing.design_effect
        case NumericProfile(), "out_of_range_rate":
            return profile.out_of_range.design_effect
        case CategoricalProfile(), "unseen_category_rate":
            return max((rate.design_effect for rate in profile.novelty), default=1.0)
    return 1.0


def halves_agree(values: Floats, effect: float) -> bool:
    """Whether both halves have one mean, within four standard errors of dependent events.

    False too where there are too few events for how much they depend on each other.

    >>> import numpy as np
    >>> halves_agree(np.repeat([0.0, 1.0], 500), 1.0)
    False
    """
    n = len(values)
    if n < LEAST_ROWS:
        return True
    if effect > _DEPENDENT and (n < LEAST_DEPENDENT_ROWS or n / effect < LEAST_EFFECTIVE):
        return False
    first, second = values[: n // 2], values[n // 2 :]
    se = math.sqrt(effect * (float(first.var()) / len(first) + float(second.var()) / len(second)))
    return abs(float(first.mean()) - float(second.mean())) <= HALVES_LIMIT * se


def _step(values: Floats) -> int:
    """Where a step fits best, by squares, a tenth of the rows or more from either end."""
    n = len(values)
    edge = max(n // 10, 1)
    at = np.arange(edge, n - edge + 1)
    pulls = np.cumsum(values - values.mean())[at - 1]
    return int(at[np.argmax(pulls**2 / (at * (n - at)))])
