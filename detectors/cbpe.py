"""What a classifier will turn out to be worth, before labels come: confidence-based performance estimation.

With calibrated probabilities p, E[TP] = Σ p over predicted positives and so on (CBPE, as NannyML does it).
Intervals say where the realised value will lie in 95 % of windows: they hold the sampling error of the window
and, scaled by their sizes, that of the reference. They hold as long as the calibration does.
"""

import math

import numpy as np

from streamgauge.detectors.calibration import CELLS, cell_probabilities, score_cells
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import logit_interval
from streamgauge.schemas.batch import Bools, Floats, Ints
from streamgauge.schemas.estimator import CalibrationProfile


def classifier_cells(score: Floats, predicted_positive: Bools) -> Ints:
    """Cells 0…510 are those of the scores of predicted negatives, 511…1,021 of positives; int64 (n,).

    -1 where a score is not in [0, 1].

    >>> classifier_cells(np.array([0.5, 0.5, np.nan]), np.array([False, True, True])).tolist()
    [255, 766, -1]
    """
    cells = score_cells(score)
    cells += CELLS * (predicted_positive & (cells >= 0))
    return cells


def expected_correct(profile: CalibrationProfile) -> Floats:
    """The probability that a prediction in each of the 1,022 cells is right, float64 (1022,)."""
    probability = cell_probabilities(profile)
    return np.concatenate([1 - probability, probability])


def classifier_estimates(
    counts: Ints, profile: CalibrationProfile, binary: bool = True
) -> dict[str, Estimate]:
    """Of the predictions in `counts`, int64 (≤ 1022,): estimated_accuracy; if `binary` also f1 and roc_auc.

    If not, a score is the probability that the prediction is right, and all are in the cells of positives.

    >>> from streamgauge.detectors.calibration import learn_calibration
    >>> rng = np.random.default_rng(0)
    >>> score = rng.random(9000)
    >>> said, true = score > 0.5, rng.random(9000) < score
    >>> cells = classifier_cells(score, said)
    >>> profile = learn_calibration(cells[:5000] % CELLS, said[:5000], true[:5000])
    >>> estimate = classifier_estimates(np.bincount(cells[5000:]), profile)["estimated_accuracy"]
    >>> bool(estimate.low < (said == true)[5000:].mean() < estimate.high)
    True
    """
    both = np.zeros(2 * CELLS)
    both[: len(counts)] = counts
    negatives, positives = both.reshape(2, CELLS)
    probability = cell_probabilities(profile)
    n = int(counts.sum())
    if n == 0:
        names = ("estimated_accuracy", "estimated_f1", "estimated_roc_auc")
        return dict.fromkeys(names if binary else names[:1], Estimate.undefined())
    reference = profile.residuals
    more = reference.design_effect * (1 + n / reference.n)
    spread = more * probability * (1 - probability)
    value = float((positives * probability + negatives * (1 - probability)).sum()) / n
    metrics = {"estimated_accuracy": _estimate(value, float((both.reshape(2, -1) * spread).sum()) / n**2, n)}
    if binary:
        metrics["estimated_f1"] = _f1(negatives, positives, probability, spread, n)
        metrics["estimated_roc_auc"] = _roc_auc(negatives + positives, probability, spread, n)
    return metrics


def _f1(negatives: Floats, positives: Floats, probability: Floats, spread: Floats, n: int) -> Estimate:
    """2 E[TP] / (predicted + expected positives); variance by the delta method over the labels."""
    hits = float((positives * probability).sum())
    either = float(positives.sum() + ((negatives + positives) * probability).sum())
    if either <= 0:
        return Estimate.undefined(n)
    value = 2 * hits / either
    slopes = (2 - value) ** 2 * positives + value**2 * negatives
    return _estimate(value, float((slopes * spread).sum()) / either**2, n)


def _roc_auc(counts: Floats, probability: Floats, spread: Floats, n: int) -> Estimate:
    """The expected share of pairs in order, ties half; variance by the delta method over the labels."""
    true, false = counts * probability, counts * (1 - probability)
    m, k = float(true.sum()), float(false.sum())
    if m <= 0 or k <= 0:
        return Estimate.undefined(n)
    false_below = np.cumsum(false) - false / 2
    true_above = m - np.cumsum(true) + true / 2
    value = float((true * false_below).sum()) / (m * k)
    slopes = (false_below - true_above - value * (k - m)) / (m * k)
    return _estimate(value, float((counts * slopes**2 * spread).sum()), n)


def _estimate(value: float, variance: float, n: int) -> Estimate:
    """The interval is symmetric on the logit scale; a value that leaves no doubt has none."""
    value = min(max(value, 0.0), 1.0)
    scale = value * (1 - value)
    if scale <= 0 or variance <= 0:
        return Estimate(value, None, None, n)
    low, high = logit_interval(value, math.sqrt(variance) / scale)
    return Estimate(value, min(low, value), max(high, value), n)
