"""The three models that the demo serves: River models, trained at start on rows they never serve."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from river import datasets, linear_model, metrics, preprocessing
from river.datasets import synth

from streamgauge.schemas.batch import Categories, Column, Floats

Features = Mapping[str, float | str]
Transform = Callable[[Features], Features]

#: Share of the rows that the models learn from; requests are drawn, with replacement, from the others.
TRAINED_SHARE = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Rows that requests are drawn from, as the model answers them; every column has shape (rows,).

    `columns` are the `features`, turned. `score` is the probability of the positive class, NaN for a
    regressor.
    """

    features: tuple[Features, ...]
    columns: Mapping[str, Column]
    prediction: Column
    score: Floats
    label: Column
    groups: Mapping[str, Categories]

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """A trained River model behind an imagined service, and the rows of its future requests.

    `median_latency_ms` and `latency_sigma` are of the lognormal its answers take; `quality` is the measure
    it reached while it learned, each row predicted before it was learned.
    """

    name: str
    version: str
    about: str
    task: Literal["binary", "regression"]
    classes: tuple[str, ...]
    share_of_traffic: float
    median_latency_ms: float
    latency_sigma: float
    model: Any
    quality: str
    rows: tuple[Features, ...]
    labels: Column
    groups: Mapping[str, Categories]

    def pool(self, transform: Transform | None = None) -> Pool:
        """Every row as this model answers it, after `transform` has changed its features."""
        rows = self.rows if transform is None else tuple(transform(row) for row in self.rows)
        columns = {name: _column([row[name] for row in rows]) for name in rows[0]}
        return Pool(rows, columns, *self._answers(rows), self.labels, self.groups)

    def answer(self, pool: Pool) -> Pool:
        """The same requests, that another version answered, as this one does."""
        prediction, score = self._answers(pool.features)
        return replace(pool, prediction=prediction, score=score)

    def _answers(self, rows: Sequence[Features]) -> tuple[Column, Floats]:
        """Predictions, and of a classifier the probability of its positive class."""
        if self.task == "regression":
            values = np.array([self.model.predict_one(numeric(row)) for row in rows], dtype=np.float64)
            return values, np.full(len(rows), np.nan)
        scores = np.array([self.model.predict_proba_one(numeric(row)).get(True, 0.0) for row in rows])
        return Categories((scores > 0.5).astype(np.int32), self.classes), scores


def train_services(seed: int) -> tuple[Service, ...]:
    """The phishing classifier, the poll regressor and the credit classifier; about a second of work.

    >>> [service.name for service in train_services(7)]
    ['phishing', 'approval', 'credit']
    """
    return _phishing(seed), _approval(seed), _credit(seed)


def _phishing(seed: int) -> Service:
    rows = [({name: float(v) for name, v in x.items()}, bool(y)) for x, y in datasets.Phishing()]
    return _classifier(
        seed,
        rows,
        name="phishing",
        version="3",
        about="River's Phishing data, 1,250 web sites; rows drawn with replacement",
        classes=("legitimate", "phishing"),
        share_of_traffic=0.4,
        median_latency_ms=18.0,
        latency_sigma=0.35,
    )


def _credit(seed: int) -> Service:
    # Function 6 decides by income, education and loan, so equally often at every age.
    stream = synth.Agrawal(classification_function=6, seed=seed, perturbation=0.05).take(8_000)
    categorical = ("elevel", "car", "zipcode")
    rows = [
        ({name: f"{name}-{v}" if name in categorical else float(v) for name, v in x.items()}, y == 0)
        for x, y in stream
    ]
    return _classifier(
        seed,
        rows,
        name="credit",
        version="7",
        about="River's Agrawal generator, 8,000 loan applications; rows drawn with replacement",
        classes=("rejected", "approved"),
        share_of_traffic=0.4,
        median_latency_ms=35.0,
        latency_sigma=0.4,
        grouped=lambda row: {"age_band": age_band(float(row["age"]))},
    )


def _approval(seed: int) -> Service:
    rows = [
        ({name: float(v) for name, v in x.items() if name != "ordinal_date"}, float(y))
        for x, y in datasets.TrumpApproval()
    ]
    random.Random(seed).shuffle(rows)
    cut = int(TRAINED_SHARE * len(rows))
    model = preprocessing.StandardScaler() | linear_model.LinearRegression(intercept_lr=0.1)
    error = metrics.MAE()
    for epoch in range(2):
        for x, y in rows[:cut]:
            if epoch:
                error.update(y, model.predict_one(x))
            model.learn_one(x, y)
    return Service(
        name="approval",
        version="12",
        about="River's TrumpApproval data, 1,001 poll averages; rows drawn with replacement",
        task="regression",
        classes=(),
        share_of_traffic=0.2,
        median_latency_ms=9.0,
        latency_sigma=0.3,
        model=model,
        quality=f"MAE {error.get():.2f}",
        rows=tuple(x for x, _ in rows[cut:]),
        labels=np.array([y for _, y in rows[cut:]]),
        groups={},
    )


def _classifier(
    seed: int,
    rows: list[tuple[dict[str, Any], bool]],
    *,
    classes: tuple[str, str],
    grouped: Callable[[Features], dict[str, str]] = lambda row: {},
    **described: Any,
) -> Service:
    random.Random(seed).shuffle(rows)
    cut = int(TRAINED_SHARE * len(rows))
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    accuracy = metrics.Accuracy()
    for x, y in rows[:cut]:
        row = numeric(x)
        accuracy.update(y, bool(model.predict_one(row)))
        model.learn_one(row, y)
    served = rows[cut:]
    memberships = [grouped(x) for x, _ in served]
    return Service(
        task="binary",
        classes=classes,
        model=model,
        quality=f"accuracy {accuracy.get():.1%}",
        rows=tuple(x for x, _ in served),
        labels=Categories(np.array([y for _, y in served], dtype=np.int32), classes),
        groups={key: Categories.of([m[key] for m in memberships]) for key in memberships[0]},
        **described,
    )


def age_band(age: float) -> str:
    """The protected group of an applicant.

    >>> age_band(34), age_band(65)
    ('under 35', '65 and over')
    """
    bands = ((35, "under 35"), (50, "35 to 49"), (65, "50 to 64"))
    return next((name for below, name in bands if age < below), "65 and over")


def _column(values: list[float | str]) -> Column:
    if isinstance(values[0], str):
        return Categories.of([str(v) for v in values])
    return np.array(values, dtype=np.float64)


def numeric(row: Features) -> dict[str, float]:
    """What a linear model can take: a category becomes an indicator."""
    return {
        (f"{name}={v}" if isinstance(v, str) else name): (1.0 if isinstance(v, str) else v)
        for name, v in row.items()
    }
