"""What the integers of one model stand for: its classes, versions, groups and segments, and its task."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Categories, Column, Floats, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.monitor import MonitorDefinition, Task
from streamgauge.streams.core.vocabulary import Vocabulary

_VALUES = 50
_VERSIONS = 10_000
_POSITIVE = ("true", "1", "yes", "positive", "pos")


@dataclass(slots=True)
class Names:
    """The strings that a model's columns have had; `task` and `pos_label` are inferred if not declared."""

    task: Task | None = None
    pos_label: str | None = None
    classes: Vocabulary = field(default_factory=Vocabulary)
    versions: Vocabulary = field(default_factory=lambda: Vocabulary(limit=_VERSIONS))
    groups: dict[str, Vocabulary] = field(default_factory=dict)
    segments: dict[str, Vocabulary] = field(default_factory=dict)

    @classmethod
    def of(cls, definition: MonitorDefinition) -> "Names":
        return cls(definition.task, definition.pos_label)

    @property
    def classifies(self) -> bool:
        return self.task != "regression"

    @property
    def positive(self) -> int | None:
        """The code of the positive class, if there is one."""
        return None if self.pos_label is None else self.classes.code(self.pos_label)

    def infer(self, batch: PredictionBatch) -> bool:
        """Learns the task from the first predictions that have a value; True if it did so now."""
        column = batch.prediction
        known = self.task is not None
        if isinstance(column, Categories):
            seen = [column.values[code] for code in np.unique(column.codes).tolist() if code >= 0]
            if not seen:
                return False
            self.task = self.task or ("binary" if len(seen) <= 2 else "multiclass")
        else:
            numbers = column[~np.isnan(column)]
            if len(numbers) == 0:
                return False
            self.task = self.task or ("binary" if np.isin(numbers, (0.0, 1.0)).all() else "regression")
            seen = ["1"]
        if self.task == "binary" and self.pos_label is None:
            self.pos_label = next((value for value in seen if value.lower() in _POSITIVE), None)
        return not known

    def predicted(self, batch: PredictionBatch) -> Floats:
        """Class codes or numbers, float64, shape (n,); NaN where there is none."""
        return self._numbers(batch.prediction)

    def labels(self, batch: GroundTruthBatch) -> Floats:
        """As `predicted`. Raises `BadEvent` if labels are strings and the model predicts numbers.

        Numbers that come before the task is known are kept as they are: see `rename`.
        """
        if isinstance(batch.label, Categories):
            labelled = bool((batch.label.codes >= 0).any())
            if self.task == "regression":
                if labelled:
                    raise BadEvent(
                        Reason.WRONG_TYPE, f"{batch.model} predicts numbers; this label is a string"
                    )
                return np.full(len(batch), np.nan)
            if self.task is None and labelled:
                self.task = "multiclass"
        elif self.task is None:
            return batch.label
        return self._numbers(batch.label)

    def rename(self, numbers: Floats) -> Floats:
        """Numbers that turn out to be classes."""
        return _as_floats(self.classes.codes_of_numbers(numbers))

    def scores(self, batch: PredictionBatch) -> Floats:
        """The probability of the positive class, from `scores` where `score` is not given."""
        if self.pos_label is not None and self.pos_label in batch.scores and np.isnan(batch.score).all():
            return batch.scores[self.pos_label]
        return batch.score

    def class_column(self, predicted: Floats) -> Categories:
        """Codes back to strings, for detectors that compare by name."""
        codes = np.where(np.isnan(predicted), -1, predicted).astype(np.int32)
        return Categories(codes, tuple(self.classes.values))

    def group_codes(self, batch: PredictionBatch) -> dict[str, NDArray[np.int64]]:
        return _codes(self.groups, batch.groups)

    def segment_codes(self, batch: PredictionBatch) -> dict[str, NDArray[np.int64]]:
        return _codes(self.segments, batch.segments)

    def to_state(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "pos_label": self.pos_label,
            "classes": self.classes.values,
            "versions": self.versions.values,
            "groups": {key: words.values for key, words in self.groups.items()},
            "segments": {key: words.values for key, words in self.segments.items()},
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Names":
        return cls(
            state["task"],
            state["pos_label"],
            Vocabulary(state["classes"]),
            Vocabulary(state["versions"], _VERSIONS),
            {key: Vocabulary(values, _VALUES) for key, values in state["groups"].items()},
            {key: Vocabulary(values, _VALUES) for key, values in state["segments"].items()},
        )

    def _numbers(self, column: Column) -> Floats:
        if not self.classifies:
            return np.full(len(column), np.nan) if isinstance(column, Categories) else column
        if isinstance(column, Categories):
            return _as_floats(self.classes.codes(column))
        return self.rename(column)


def _as_floats(codes: NDArray[np.int64]) -> Floats:
    numbers = codes.astype(np.float64)
    numbers[codes < 0] = np.nan
    return numbers


def _codes(known: dict[str, Vocabulary], columns: Any) -> dict[str, NDArray[np.int64]]:
    return {
        key: known.setdefault(key, Vocabulary(limit=_VALUES)).codes(column) for key, column in columns.items()
    }
