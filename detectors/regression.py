"""`RegressionErrors`: the error family of numeric predictions, exact under any order and retraction."""

import math
from fractions import Fraction

import numpy as np

from streamgauge.detectors.estimate import Estimate, State
from streamgauge.detectors.exact_sum import UNIT_BITS, ExactSums
from streamgauge.detectors.intervals import mean_estimate
from streamgauge.schemas.batch import Floats

_ROWS = ("error", "absolute", "squared", "fourth", "label", "label_squared", "label_squared_rest", "relative")
_SPLIT = float((1 << 27) + 1)


class RegressionErrors:
    """Exact sums over pairs of label and prediction; pairs with a non-finite side are ignored.

    Errors are prediction − label, in the label's unit; squares are in its square.

    >>> errors = RegressionErrors()
    >>> errors.update_many(np.array([3.0, -0.5, 2.0, 7.0]), np.array([2.5, 0.0, 2.0, 8.0]))
    >>> errors.metrics()["mean_absolute_error"].value, round(errors.metrics()["r2"].value, 3)
    (0.5, 0.949)
    """

    __slots__ = ("_sums", "_zero_labels", "n")

    def __init__(self) -> None:
        self.n = 0
        self._zero_labels = 0
        self._sums = ExactSums(len(_ROWS))

    def update_many(self, y_true: Floats, y_pred: Floats) -> None:
        """Count pairs, float64 (n,) each."""
        self._add(y_true, y_pred, 1)

    def subtract_many(self, y_true: Floats, y_pred: Floats) -> None:
        """Take back pairs that were counted before."""
        self._add(y_true, y_pred, -1)

    def merge(self, other: "RegressionErrors") -> None:
        """As if `other`'s pairs had been counted here too."""
        self.n += other.n
        self._zero_labels += other._zero_labels
        self._sums.merge(other._sums)

    def metrics(self) -> dict[str, Estimate]:
        """The error family by scikit-learn's names, and mean_error (bias).

        mean_absolute_percentage_error is a share (0.1 is 10 %) and undefined when a label is 0; r2 when the
        labels don't vary. r2 has no interval, nor the percentage error: both have heavy tails.
        """
        n = self.n
        sums = dict(zip(_ROWS, self._sums.values(), strict=True))
        relative = sums["relative"]
        if n == 0 or relative is None or self._zero_labels:
            percentage = Estimate.undefined(n)
        else:
            percentage = Estimate(relative / n, None, None, n)
        return {
            "mean_absolute_error": mean_estimate(sums["absolute"], sums["squared"], n),
            "root_mean_squared_error": self._root_mean(sums["squared"], sums["fourth"]),
            "r2": self._r2(),
            "mean_absolute_percentage_error": percentage,
            "mean_error": mean_estimate(sums["error"], sums["squared"], n),
        }

    def to_state(self) -> State:
        """The same for the same pairs, whatever their order and batches."""
        return {"n": self.n, "zero_labels": self._zero_labels, "sums": self._sums.to_state()}

    @classmethod
    def from_state(cls, state: State) -> "RegressionErrors":
        """What `to_state` gave."""
        errors = cls()
        errors.n, errors._zero_labels = state["n"], state["zero_labels"]
        errors._sums = ExactSums.from_state(state["sums"])
        return errors

    def _add(self, y_true: Floats, y_pred: Floats, sign: int) -> None:
        finite = np.isfinite(y_true) & np.isfinite(y_pred)
        if not finite.all():
            y_true, y_pred = y_true[finite], y_pred[finite]
        if len(y_true) == 0:
            return
        self.n += sign * len(y_true)
        zero = y_true == 0
        self._zero_labels += sign * int(zero.sum())
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            error = y_pred - y_true
            absolute = np.abs(error)
            squared = error * error
            label_squared, rest = _square(y_true)
            relative = absolute / np.where(zero, 1.0, np.abs(y_true))
            rows = np.stack(
                [error, absolute, squared, squared * squared, y_true, label_squared, rest, relative]
            )
        if sign > 0:
            self._sums.update_many(rows)
        else:
            self._sums.subtract_many(rows)

    def _root_mean(self, squares: float | None, fourths: float | None) -> Estimate:
        """√ of the mean square; Student's interval of the mean square, brought back by the root."""
        mean = mean_estimate(squares, fourths, self.n)
        if mean.value is None:
            return mean
        low = None if mean.low is None else math.sqrt(max(mean.low, 0.0))
        high = None if mean.high is None else math.sqrt(mean.high)
        return Estimate(math.sqrt(mean.value), low, high, self.n)

    def _r2(self) -> Estimate:
        """1 − SSE / SST in exact arithmetic: no cancellation however far the labels lie from zero."""
        squared, label, high, rest = (
            self._sums.scaled(_ROWS.index(name)) for name in _ROWS[2:3] + _ROWS[4:7]
        )
        if squared is None or label is None or high is None or rest is None or self.n < 2:
            return Estimate.undefined(self.n)
        spread = self.n * (high + rest) - Fraction(label * label, 1 << UNIT_BITS)
        if spread <= 0:
            return Estimate.undefined(self.n)
        return Estimate(float(1 - self.n * squared / spread), None, None, self.n)


def _square(values: Floats) -> tuple[Floats, Floats]:
    """`values`² as float64, and what its rounding left out (Dekker 1971; 0 where the square overflows)."""
    square = values * values
    scaled = values * _SPLIT
    high = scaled - (scaled - values)
    low = values - high
    rest = ((high * high - square) + 2 * high * low) + low * low
    return square, np.where(np.isfinite(rest), rest, 0.0)
