"""How much events of a stream depend on each other: design effects, and whether a reference is one thing."""

import math

import numpy as np

from streamgauge.schemas.batch import Floats

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
