"""From scores to probabilities: isotonic calibration learned on labelled predictions, if it helps.

Scores are put into cells, equally wide on the logit scale so that rare positives are told apart as well. A
calibration is a probability for each cell: windows count cells, and what is expected of them follows.
"""

import math

import numpy as np
from scipy import special

from streamgauge.detectors.residuals import residual_profile
from streamgauge.schemas.batch import Bools, Floats, Ints
from streamgauge.schemas.estimator import CalibrationProfile

#: An odd number, so that .5 is in the middle of a cell and not between two. There a cell is .014 wide; what a
#: sum over a window loses to that is below .001.
CELLS = 511
_LOGIT_LIMIT = math.log(1e6)
_PER_LOGIT = (CELLS - 1) / (2 * _LOGIT_LIMIT)
_ERROR_BINS = 10
_FOLDS = 5


def score_cells(score: Floats) -> Ints:
    """The cell of each score, int64 (n,); -1 where it is not in [0, 1].

    >>> score_cells(np.array([0.0, 0.5, 1.0, np.nan, 1.5])).tolist()
    [0, 255, 510, -1, -1]
    """
    place = special.logit(score)
    place *= _PER_LOGIT
    place += (CELLS - 1) / 2 + 0.5
    np.maximum(place, 0.5, out=place)
    np.minimum(place, CELLS - 0.5, out=place)
    cells: Ints = np.fmax(place, -1.0).astype(np.int64)  # which a number wins against NaN
    return cells


def cell_scores(cells: Ints) -> Floats:
    """The score in the middle of each cell, float64 (n,)."""
    scores: Floats = special.expit(cells / _PER_LOGIT - _LOGIT_LIMIT)
    return scores


def isotonic(positives: Ints, totals: Ints) -> Floats:
    """Rates that never fall and fit best by weighted squares, float64 (n,); `totals` int64 (n,) are > 0.

    Pool adjacent violators (Ayer et al. 1955), in whole numbers until the last division.

    >>> isotonic(np.array([1, 0, 3]), np.array([2, 2, 4])).tolist()
    [0.25, 0.25, 0.75]
    """
    pools: list[tuple[int, int, int]] = []
    for k, n in zip(positives.tolist(), totals.tolist(), strict=True):
        pool = (k, n, 1)
        while pools and pools[-1][0] * pool[1] >= pool[0] * pools[-1][1]:
            last = pools.pop()
            pool = (last[0] + pool[0], last[1] + pool[1], last[2] + pool[2])
        pools.append(pool)
    return np.repeat([k / n for k, n, _ in pools], [width for _, _, width in pools])


def learn_calibration(cells: Ints, predicted_positive: Bools, positive: Bools) -> CalibrationProfile:
    """From labelled reference predictions in order, (n,): cells of their scores, what was said, what is.

    The isotonic map is kept if it lowers the expected calibration error (10 bins) on rows that it was not
    learned from, in five folds of neighbouring rows.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random(4000)
    >>> score, positive = truth**3, rng.random(4000) < truth
    >>> profile = learn_calibration(score_cells(score), score > 0.5, positive)
    >>> profile.calibrated_error < 0.03 < 0.2 < profile.raw_error
    True
    """
    outcome = positive.astype(np.int64)
    raw = cell_scores(cells)
    fold = np.arange(len(cells)) * _FOLDS // max(len(cells), 1)
    fitted = raw.copy()
    for number in range(_FOLDS):
        rest = fold != number
        if rest.any():
            fitted[~rest] = _table(*_knots(cells[rest], outcome[rest]))[cells[~rest]]
    raw_error, calibrated_error = calibration_error(raw, outcome), calibration_error(fitted, outcome)
    helps = calibrated_error < raw_error
    at, probabilities = _knots(cells, outcome) if helps else (np.empty(0, np.int64), np.empty(0))
    expected = np.where(predicted_positive, fitted if helps else raw, 1 - (fitted if helps else raw))
    return CalibrationProfile(
        tuple(cell_scores(at).tolist()),
        tuple(probabilities.tolist()),
        raw_error,
        calibrated_error,
        residual_profile(positive == predicted_positive, expected),
    )


def cell_probabilities(profile: CalibrationProfile) -> Floats:
    """The probability of being positive in each cell, float64 (511,)."""
    if not profile.scores:
        return cell_scores(np.arange(CELLS))
    return _table(score_cells(np.array(profile.scores)), np.array(profile.probabilities))


def calibration_error(probability: Floats, outcome: Ints) -> float:
    """Expected calibration error with 10 equal-width bins; arrays of shape (n,), n > 0."""
    bins = np.minimum((probability * _ERROR_BINS).astype(np.int64), _ERROR_BINS - 1)
    gaps = np.bincount(bins, probability - outcome, _ERROR_BINS)
    return float(np.abs(gaps).sum() / len(outcome))


def _knots(cells: Ints, outcome: Ints) -> tuple[Ints, Floats]:
    """First and last cell of each plateau of the isotonic map, with its probability."""
    totals = np.bincount(cells, minlength=CELLS)
    used = np.flatnonzero(totals)
    rates = isotonic(np.bincount(cells, outcome, CELLS).astype(np.int64)[used], totals[used])
    steps = np.flatnonzero(np.diff(rates) > 0)
    ends = np.unique(np.concatenate([[0], steps, steps + 1, [len(used) - 1]]))
    return used[ends], rates[ends]


def _table(cells: Ints, probabilities: Floats) -> Floats:
    table: Floats = np.interp(np.arange(CELLS), cells, probabilities)
    return table
