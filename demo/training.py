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
POSITIVE = {"phishing": "phishing"}
#: A world that has just changed shows in the newest rows only. So the job tries to learn from all rows, from
#: the newest third and from the newest ninth; every third row is kept back, and the newest of these judge.
SHARES, KEPT_BACK, JUDGING = (1.0, 1 / 3, 1 / 9), 3, 1 / 8
#: Fewer rows must do so much better to be preferred.
CLEARLY = 0.9
#: River learns one by one, and the data are few: it sees them again and again, so many rows in all.
SEEN = 3_000
FEWEST = 100


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
    n = len(data)
    kept = np.arange(n) % KEPT_BACK == KEPT_BACK - 1
    judging = np.flatnonzero(kept & (np.arange(n) >= n * (1 - JUDGING)))
    if n < FEWEST:
        raise ValueError(f"{n} rows are too few to learn from")
    rows, positive = list(_rows(data.features)), POSITIVE.get(model)
    truth, served = (_numbers(column, positive) for column in (data.label, data.prediction))
    measure = "mean absolute error" if positive is None else "share of wrong answers"
    before = float(np.mean(np.abs(served[judging] - truth[judging])))
    best: Candidate | None = None
    for share in SHARES:
        newest = np.flatnonzero(~kept & (np.arange(n) >= n * (1 - share)))
        found = _learned([rows[at] for at in newest], truth[newest], classifies=positive is not None)
        answers = np.array([found.predict_one(rows[at]) for at in judging])
        if positive is not None:
            answers = (answers > 0).astype(np.float64)  # the log-odds
        error = float(np.mean(np.abs(answers - truth[judging])))
        if best is None or error < CLEARLY * best.error:
            best = Candidate(found, measure, error, before, len(judging))
    assert best is not None
    return best


def _learned(rows: list[dict[str, float]], truth: Floats, *, classifies: bool) -> LinearModel:
    regression = (
        linear_model.LogisticRegression() if classifies else linear_model.LinearRegression(intercept_lr=0.1)
    )
    pipeline = preprocessing.StandardScaler() | regression
    for _ in range(max(1, SEEN // len(rows))):
        for row, y in zip(rows, truth.tolist(), strict=True):
            pipeline.learn_one(row, bool(y) if classifies else y)
    return LinearModel.of(pipeline)


def _rows(features: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    columns = [c.to_list() if isinstance(c, Categories) else c.tolist() for c in features.values()]
    for values in zip(*columns, strict=True):
        yield numeric(dict(zip(features, values, strict=True)))


def _numbers(column: Any, positive: str | None) -> Floats:
    if isinstance(column, Categories):
        return np.array([value == positive for value in column.to_list()], dtype=np.float64)
    return np.asarray(column, dtype=np.float64)
