"""What the demo's training job does with a dataset: a River model, and whether it would have done better."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from river import linear_model, preprocessing

from streamgauge.clients.training_data import TrainingData
from streamgauge.demo.scoring import LinearModel
from streamgauge.demo.services import numeric
from streamgauge.schemas.batch import Categories, Floats

#: Which answer is the positive one, by model; a model without one is a regression.
POSITIVE = {"phishing": "phishing", "credit": "approved"}
#: Every fourth row is kept back, and those among the newest rows, of this share, judge: a world that has
#: just changed shows in few rows, and both the learner and the judge must see some of them.
KEPT_BACK, NEWEST = 4, 0.25
#: River learns one by one, and the data are few: it sees them so often, the newest last each time.
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """A new model, and what it and the one that was served did on `n` rows that it did not learn from.

    `measure` is an error: the share of wrong answers, or the mean absolute error.
    """

    model: LinearModel
    measure: str
    error: float
    served: float
    n: int

    @property
    def is_better(self) -> bool:
        return self.error < self.served

    def __str__(self) -> str:
        return f"{self.measure} {self.error:.2f} on {self.n:,} rows kept back, {self.served:.2f} was served"


def train(model: str, data: TrainingData) -> Candidate:
    """Learn, and look at what was kept back. The same data give the same candidate.

    Raises ValueError if there is nothing to learn from.
    """
    number = np.arange(len(data))
    kept = number % KEPT_BACK == KEPT_BACK - 1
    judging = np.flatnonzero(kept & (number >= len(data) * (1 - NEWEST)))
    if not len(judging):
        raise ValueError(f"{len(data)} rows are too few to learn from")
    rows, positive = list(_rows(data.features)), POSITIVE.get(model)
    truth, served = (_numbers(column, positive) for column in (data.label, data.prediction))
    regression = (
        linear_model.LinearRegression(intercept_lr=0.1)
        if positive is None
        else linear_model.LogisticRegression()
    )
    pipeline = preprocessing.StandardScaler() | regression
    for _ in range(ROUNDS):
        for each in np.flatnonzero(~kept).tolist():
            pipeline.learn_one(rows[each], truth[each] if positive is None else bool(truth[each]))
    found = LinearModel.of(pipeline)
    answers = np.array([found.predict_one(row) for row in map(rows.__getitem__, judging)])
    if positive is not None:
        answers = (answers > 0).astype(np.float64)  # the log-odds
    error, before = (float(np.mean(np.abs(said - truth[judging]))) for said in (answers, served[judging]))
    measure = "mean absolute error" if positive is None else "share of wrong answers"
    return Candidate(found, measure, error, before, len(judging))


def _rows(features: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    columns = [c.to_list() if isinstance(c, Categories) else c.tolist() for c in features.values()]
    for values in zip(*columns, strict=True):
        yield numeric(dict(zip(features, values, strict=True)))


def _numbers(column: Any, positive: str | None) -> Floats:
    if isinstance(column, Categories):
        return np.array([value == positive for value in column.to_list()], dtype=np.float64)
    return np.asarray(column, dtype=np.float64)
