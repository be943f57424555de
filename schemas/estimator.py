"""What labelled reference predictions teach about performance before labels come."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

_Numbers = tuple[float, ...]
#: Counts beyond this are not exact as float64.
_MOST = 1 << 53


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"not an estimator: {what}")


def _within(values: _Numbers, low: float = -math.inf, high: float = math.inf) -> bool:
    return all(type(v) in (int, float) and math.isfinite(v) and low <= v <= high for v in values)


@dataclass(frozen=True, slots=True)
class ResidualProfile:
    """Outcome (1 or 0) less expected outcome of `n` labelled reference predictions: its `mean` and deviation.

    `sure_mean` and `sure_sd` are those of residuals weighted by how sure the expectation was. Expectations
    were learned from other rows, so a mean tells what learning from so few does to them. `design_effect` is
    how many dependent events are worth one independent one; `stationary` is False when the halves of the
    reference differ too much to be one thing.
    """

    n: int
    mean: float
    sd: float
    sure_mean: float
    sure_sd: float
    design_effect: float = 1.0
    stationary: bool = True

    def __post_init__(self) -> None:
        _require(type(self.n) is int and 0 < self.n <= _MOST, "residuals are of at least one event")
        _require(_within((self.mean, self.sure_mean), -1, 1), "a mean of residuals is from -1 to 1")
        _require(_within((self.sd, self.sure_sd), 0, 1), "a deviation of residuals is from 0 to 1")
        _require(_within((self.design_effect,), 1, _MOST), "a design effect is at least 1")
        _require(type(self.stationary) is bool, "stationary is true or false")


@dataclass(frozen=True, slots=True)
class CalibrationProfile:
    """The probability that a prediction is positive, by its score.

    `probabilities` are those at `scores`; between two, they are interpolated on the logit scale of the score.
    Both are empty where calibrating did not help, and scores are probabilities as they are. `raw_error` and
    `calibrated_error` are expected calibration errors, the second cross-validated.
    """

    scores: _Numbers
    probabilities: _Numbers
    raw_error: float
    calibrated_error: float
    residuals: ResidualProfile
    kind: Literal["calibration"] = "calibration"

    def __post_init__(self) -> None:
        _require(len(self.scores) == len(self.probabilities), "each score has one probability")
        _require(_within((*self.scores, *self.probabilities), 0, 1), "scores are from 0 to 1")
        _require(all(a < b for a, b in pairwise(self.scores)), "scores rise")
        _require(all(a <= b for a, b in pairwise(self.probabilities)), "probabilities do not fall")
        _require(_within((self.raw_error, self.calibrated_error), 0, 1), "errors are from 0 to 1")


@dataclass(frozen=True, slots=True)
class ErrorModelProfile:
    """The absolute error that a numeric prediction will have, by its bin.

    Bin b holds edges[b−1] < prediction ≤ edges[b]. Of the reference's absolute errors in a bin there are
    their number, mean and standard deviation, and a `usual` one that `shares[b]` of errors do not exceed
    (about half of them).
    """

    edges: _Numbers
    counts: tuple[int, ...]
    means: _Numbers
    sds: _Numbers
    usual: _Numbers
    shares: _Numbers
    residuals: ResidualProfile
    kind: Literal["error_model"] = "error_model"

    def __post_init__(self) -> None:
        bins = len(self.edges) + 1
        columns = (self.counts, self.means, self.sds, self.usual, self.shares)
        _require(all(len(column) == bins for column in columns), "B bins have B − 1 edges")
        _require(all(type(n) is int and 0 <= n <= _MOST for n in self.counts), "counts are at least 0")
        _require(_within(self.edges) and all(a < b for a, b in pairwise(self.edges)), "edges rise")
        _require(_within((*self.means, *self.sds, *self.usual), 0), "absolute errors are at least 0")
        _require(_within(self.shares, 0, 1), "shares are from 0 to 1")


Estimator = CalibrationProfile | ErrorModelProfile


def estimator_of(document: Mapping[str, Any] | None) -> Estimator | None:
    """An estimator from its plain form. Raises KeyError, TypeError or ValueError."""
    if document is None:
        return None
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    fields["residuals"] = ResidualProfile(**document["residuals"])
    if document["kind"] == "calibration":
        return CalibrationProfile(**fields)
    if document["kind"] == "error_model":
        return ErrorModelProfile(**fields)
    raise ValueError(f"an estimator is a calibration or an error_model, not {document['kind']!r}")
