"""`ScoreHistogram`: what the scores of a binary classifier are worth, from bounded counts."""

import math

import numpy as np

from streamgauge.detectors.estimate import Estimate, State
from streamgauge.detectors.exact_sum import ExactSums
from streamgauge.detectors.intervals import auc, logit_interval, mean_estimate
from streamgauge.detectors.score_counts import ScoreCounts
from streamgauge.schemas.batch import Bools, Floats, Ints

CALIBRATION_BINS = 10
#: Calibration and sums.
_SMALL_BYTES = 2_200
_EPSILON = float(np.finfo(np.float64).eps)


class ScoreHistogram:
    """Counts of scores per class and exact sums of losses; scores that aren't in [0, 1] are ignored.

    Area under the curve and average precision come from 2,048 bins a class and differ from scikit-learn's by
    at most 0.002 from a thousand scores on. With `exact`, for small windows, they are scikit-learn's: every
    score is told apart, until `bin`. Brier score and log loss are exact; calibration error has 10 equal-width
    bins.

    >>> histogram = ScoreHistogram()
    >>> histogram.update_many(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    >>> round(histogram.metrics()["roc_auc"].value, 2)
    0.75
    """

    __slots__ = ("_calibration", "_counts", "_losses", "_score_sums")

    def __init__(self, exact: bool = False) -> None:
        self._counts = ScoreCounts(exact)
        self._calibration: Ints = np.zeros((2, CALIBRATION_BINS), np.int64)
        self._score_sums = ExactSums(CALIBRATION_BINS)
        self._losses = ExactSums(4)

    @property
    def n(self) -> int:
        """How many scores are counted."""
        return int(self._calibration.sum())

    @property
    def held_bytes(self) -> int:
        """Memory, about."""
        return _SMALL_BYTES + self._counts.held_bytes

    def bin(self) -> None:
        """From now on in bins, as if it had been so from the beginning: what is held is bounded."""
        self._counts.bin()

    def update_many(self, score: Floats, positive: Bools) -> None:
        """Count scores, float64 (n,), with whether the label was the positive class, bool (n,)."""
        self._add(score, positive, 1)

    def subtract_many(self, score: Floats, positive: Bools) -> None:
        """Take back scores that were counted before."""
        self._add(score, positive, -1)

    def merge(self, other: "ScoreHistogram") -> None:
        """As if `other`'s scores had been counted here too."""
        self._counts.merge(other._counts)
        self._calibration += other._calibration
        self._score_sums.merge(other._score_sums)
        self._losses.merge(other._losses)

    def metrics(self) -> dict[str, Estimate]:
        """roc_auc, average_precision, brier_score, log_loss (natural), expected_calibration_error.

        The first two are undefined while one class is missing. The calibration error has no interval: it is
        biased upwards by about √(bins / n), which no interval around it mends.
        """
        n = self.n
        positives, negatives = self._counts.by_outcome()
        brier, brier_squares, loss, loss_squares = self._losses.values()
        return {
            "roc_auc": auc(positives, negatives),
            "average_precision": _average_precision(positives, negatives),
            "brier_score": mean_estimate(brier, brier_squares, n),
            "log_loss": mean_estimate(loss, loss_squares, n),
            "expected_calibration_error": self._calibration_error(n),
        }

    def to_state(self) -> State:
        """The same for the same scores, whatever their order and batches."""
        return {
            "counts": self._counts.to_state(),
            "calibration": self._calibration.copy(),
            "score_sums": self._score_sums.to_state(),
            "losses": self._losses.to_state(),
        }

    @classmethod
    def from_state(cls, state: State) -> "ScoreHistogram":
        """What `to_state` gave."""
        histogram = cls()
        histogram._counts = ScoreCounts.from_state(state["counts"])
        histogram._calibration = np.array(state["calibration"], dtype=np.int64)
        histogram._score_sums = ExactSums.from_state(state["score_sums"])
        histogram._losses = ExactSums.from_state(state["losses"])
        return histogram

    def _add(self, score: Floats, positive: Bools, sign: int) -> None:
        usable = (score >= 0) & (score <= 1)
        if not usable.all():
            score, positive = score[usable], positive[usable]
        if len(score) == 0:
            return
        outcome = positive.astype(np.int64)
        (self._counts.update_many if sign > 0 else self._counts.subtract_many)(score, positive)
        tenth = np.minimum((score * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        cells = np.bincount(outcome * CALIBRATION_BINS + tenth, minlength=2 * CALIBRATION_BINS)
        self._calibration += sign * cells.reshape(2, CALIBRATION_BINS)
        self._score_sums.add_rows(tenth, score, sign)
        brier = (score - outcome) ** 2
        clipped = np.clip(score, _EPSILON, 1 - _EPSILON)
        loss = -np.log(np.where(positive, clipped, 1 - clipped))
        losses = np.stack([brier, brier**2, loss, loss**2])
        if sign > 0:
            self._losses.update_many(losses)
        else:
            self._losses.subtract_many(losses)

    def _calibration_error(self, n: int) -> Estimate:
        sums = self._score_sums.values()
        if n == 0:
            return Estimate.undefined()
        positives = self._calibration[1].tolist()
        gaps = [abs(k - total) for k, total in zip(positives, sums, strict=True) if total is not None]
        return Estimate(math.fsum(gaps) / n, None, None, n)


def _average_precision(positives: Ints, negatives: Ints) -> Estimate:
    """Σ (Rᵢ − Rᵢ₋₁) Pᵢ over falling thresholds; logit interval by Boyd, Eng & Page (2013)."""
    m, n = int(positives.sum()), int(positives.sum() + negatives.sum())
    if m == 0 or m == n:
        return Estimate.undefined(n)
    hits = np.cumsum(positives[::-1])
    predicted = hits + np.cumsum(negatives[::-1])
    used = positives[::-1] > 0
    value = float((positives[::-1][used] * (hits[used] / predicted[used])).sum() / m)
    inside = min(max(value, 0.5 / n), 1 - 0.5 / n)
    low, high = logit_interval(inside, 1 / math.sqrt(m * inside * (1 - inside)))
    return Estimate(value, min(low, value), max(high, value), n)
