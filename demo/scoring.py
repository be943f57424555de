"""`LinearModel`: a trained River pipeline as the few numbers that a file can carry from a job to an app."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A standard scaler and a linear or logistic regression; answers as River's pipeline would.

    >>> model = LinearModel({"x": 2.0}, 1.0, {"x": 3.0}, {"x": 0.5})
    >>> model.predict_one({"x": 4.0}), model.predict_proba_one({"x": 2.5})[True]
    (5.0, 0.2689414213699951)
    """

    weights: Mapping[str, float]
    intercept: float
    means: Mapping[str, float]
    deviations: Mapping[str, float]

    @classmethod
    def of(cls, pipeline: Any) -> Self:
        """Of ``StandardScaler | LinearRegression`` or ``LogisticRegression``."""
        scaler, regression = pipeline.steps.values()
        deviations = {name: math.sqrt(variance) for name, variance in scaler.vars.items()}
        return cls(dict(regression.weights), float(regression.intercept), dict(scaler.means), deviations)

    def to_json(self) -> dict[str, Any]:
        """What `LinearModel(**…)` takes."""
        return asdict(self)

    def predict_one(self, row: Mapping[str, float]) -> float:
        """The regression's value. A feature that never varied, or never was, counts for nothing."""
        total = self.intercept
        for name, value in row.items():
            deviation = self.deviations.get(name, 0.0)
            if deviation > 0:
                total += self.weights.get(name, 0.0) * (value - self.means[name]) / deviation
        return total

    def predict_proba_one(self, row: Mapping[str, float]) -> dict[bool, float]:
        """As a classifier: the probabilities of the positive class (True) and of the other."""
        total = self.predict_one(row)
        positive = 1 / (1 + math.exp(-total)) if total >= 0 else 1 - 1 / (1 + math.exp(total))
        return {True: positive, False: 1 - positive}
