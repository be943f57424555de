"""What is estimated of every window before its labels come, computed the slow way: all rows, scikit-learn.

It shares with the core the definitions only: cells of scores, folds, and which predictions are learned from.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from streamgauge.schemas.message import PREDICTIONS
from streamgauge.schemas.monitor import MonitorDefinition
from tests.core.naive import Key, Naive, Number, Prediction, Segment, _identity

Floats = NDArray[np.float64]
_LIMIT, _CELLS, _FOLDS = np.log(1e6), 511, 5


class EstimateOracle:
    """Feed every event of one model in the order in which it was sent, then ask for `metrics`."""

    def __init__(self, definition: MonitorDefinition) -> None:
        self.definition = definition
        self.naive = Naive([definition])
        self.served: dict[str, list[Prediction]] = {}
        self.verified: dict[str, list[tuple[Prediction, Any]]] = {}
        #: By row, whether a label has come.
        self._served: dict[int, bool] = {}

    def feed(self, topic: str, event: Mapping[str, Any]) -> None:
        (self.naive.predict if topic == PREDICTIONS else self.naive.label)(event)
        [model] = self.naive.models.values()
        for row in model.predictions.get(_identity(event["prediction_id"]), []):
            if id(row) not in self._served:
                self._served[id(row)] = False
                self.served.setdefault(row.version, []).append(row)
            if row.revision >= 0 and not self._served[id(row)]:
                self._served[id(row)] = True
                if row.labelled:
                    self.verified.setdefault(row.version, []).append((row, row.label))

    def metrics(self) -> dict[Key, Number]:
        found: dict[Key, Number] = {}
        [(name, model)] = self.naive.models.items()
        for version, rows in self.served.items():
            numbers = model.definition.task == "regression"
            estimate = self._regression(version) if numbers else self._classifier(version, model.pos_label)
            if estimate is None:
                continue
            measure, since_us = estimate
            windows: dict[Any, list[Prediction]] = {}
            for number, p in enumerate(rows):
                start_us = p.time_us - p.time_us % self.definition.window
                if numbers and number < (self.definition.baseline.first or 0):
                    continue  # before there were bins to count in
                if start_us > since_us:
                    for segment in ((), *_segments(p)):
                        windows.setdefault((segment, start_us), []).append(p)
            for (segment, start_us), some in windows.items():
                for metric, number_ in measure(some):
                    span = (start_us, start_us + self.definition.window)
                    found[name, version, segment, span, metric, None, None] = number_
        return found

    def _reference(self, usable: Any) -> tuple[list[tuple[Prediction, Any]], int] | None:
        first = self.definition.baseline.first or 0
        rows = [(p, label) for p, label in usable][:first]
        return (rows, max(p.time_us for p, _ in rows)) if len(rows) == first else None

    def _classifier(self, version: str, positive: Any) -> Any:
        learned = self._reference((p, y) for p, y in self.verified.get(version, []) if p.score is not None)
        if learned is None:
            return None
        rows, since_us = learned
        cells = _cells([p.score for p, _ in rows])
        outcome = np.array([float(label == positive) for _, label in rows])
        raw = _middle(cells)
        fold = np.arange(len(rows)) * _FOLDS // len(rows)
        fitted = np.concatenate(
            [_isotonic(cells[fold != k], outcome[fold != k]).predict(cells[fold == k]) for k in range(_FOLDS)]
        )
        helps = _ece(fitted, outcome) < _ece(raw, outcome)
        probability = _isotonic(cells, outcome).predict if helps else _middle

        def measure(some: list[Prediction]) -> Iterator[tuple[str, Number]]:
            known = [p for p in some if p.score is not None and p.answer is not None]
            if not known:
                return
            n, at = len(known), _cells([p.score for p in known])
            p_yes, said = probability(at), np.array([p.answer == positive for p in known])
            yield "estimated_accuracy", (float(np.where(said, p_yes, 1 - p_yes).mean()), n)
            true = np.concatenate([np.ones(n), np.zeros(n)])
            weight = np.concatenate([p_yes, 1 - p_yes])
            both = np.concatenate([said, said])
            hits = weight[(true == 1) & both].sum()
            f1 = 2 * hits / (said.sum() + p_yes.sum()) if said.sum() + p_yes.sum() > 0 else None
            yield "estimated_f1", (f1, n)
            varied = 0 < p_yes.sum() < n
            auc = sk.roc_auc_score(true, np.concatenate([at, at]), sample_weight=weight) if varied else None
            yield "estimated_roc_auc", (auc, n)

        return measure, since_us

    def _regression(self, version: str) -> Any:
        learned = self._reference(self.verified.get(version, []))
        if learned is None:
            return None
        rows, since_us = learned
        first = [p.answer for p in self.served[version][: self.definition.baseline.first] if not p.failed]
        edges = np.unique(np.quantile(first, np.arange(1, 20) / 20, method="inverted_cdf"))
        edges = edges[edges < max(first)]  # type: ignore[type-var]
        bins = np.searchsorted(edges, [p.answer for p, _ in rows])
        errors = np.array([abs(p.answer - label) for p, label in rows])
        known = np.unique(bins)
        means = np.interp(np.arange(len(edges) + 1), known, [errors[bins == b].mean() for b in known])

        def measure(some: list[Prediction]) -> Iterator[tuple[str, Number]]:
            said = [p.answer for p in some if p.answer is not None]
            if said:
                value = float(means[np.searchsorted(edges, said)].mean())
                yield "estimated_mean_absolute_error", (value, len(said))

        return measure, since_us


def _cells(scores: list[Any]) -> Floats:
    odds = np.clip(logit(np.array(scores, float)), -_LIMIT, _LIMIT)
    return np.floor((odds + _LIMIT) / (2 * _LIMIT) * (_CELLS - 1) + 0.5)


def _middle(cells: Floats) -> Floats:
    return expit(cells * (2 * _LIMIT) / (_CELLS - 1) - _LIMIT)


def _isotonic(cells: Floats, outcome: Floats) -> IsotonicRegression:
    return IsotonicRegression(out_of_bounds="clip").fit(cells, outcome)


def _ece(probability: Floats, outcome: Floats) -> float:
    tenth = np.minimum((probability * 10).astype(int), 9)
    return float(sum(abs((probability - outcome)[tenth == b].sum()) for b in range(10)) / len(outcome))


def _segments(p: Prediction) -> list[Segment]:
    return [(item,) for item in p.segments.items()] if isinstance(p.segments, dict) else p.segments
