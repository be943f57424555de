"""What the integers of one model stand for: its classes, versions, groups and segments, and its task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.ranking import packed_rankings, packed_relevance, ranked_lengths
from streamgauge.schemas.batch import (
    Bools,
    Categories,
    Floats,
    GroundTruthBatch,
    Ints,
    Outcome,
    PredictionBatch,
    take_column,
)
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_fields import Task
from streamgauge.streams.core.intersections import intersect
from streamgauge.streams.core.vocabulary import Classes, Vocabulary

_KEYS = 50
_VALUES = 50
_VERSIONS = 10_000
_PAIRS = {"true": "false", "1": "0", "yes": "no", "positive": "negative", "pos": "neg"}


@dataclass(slots=True)
class Names:
    """The strings that a model's columns have had; `task` and `pos_label` are inferred if not declared."""

    task: Task | None = None
    pos_label: str | None = None
    classes: Classes = field(default_factory=Classes)
    versions: Vocabulary = field(default_factory=lambda: Vocabulary(limit=_VERSIONS))
    groups: dict[str, Vocabulary] = field(default_factory=dict)
    segment_keys: list[str] = field(default_factory=list)
    inferred: bool = False
    #: Of protected attributes, by their joint names, if the definition asks for them.
    intersections: dict[str, Vocabulary] = field(default_factory=dict)

    @classmethod
    def of(cls, definition: MonitorDefinition) -> "Names":
        return cls(definition.task, definition.pos_label)

    @property
    def classifies(self) -> bool:
        return self.task not in ("regression", "ranking")

    @property
    def ranks(self) -> bool:
        return self.task == "ranking"

    @property
    def positive(self) -> int | None:
        """The code of the positive class, if there is one."""
        return None if self.pos_label is None else self.classes.code(self.pos_label)

    def infer(self, columns: Sequence[tuple[Outcome, Ints]]) -> None:
        """Learns task and positive class from the first message that has a value.

        `columns` are predictions or labels with the offsets of their rows. One message decides, so that it
        does not matter which messages were taken together.
        """
        if self.inferred:
            return
        known = [(present(column), column, offsets) for column, offsets in columns]
        some = [
            (int(offsets[mask][0]), column, offsets, mask) for mask, column, offsets in known if mask.any()
        ]
        if not some:
            return
        self.inferred = True
        first, column, offsets, mask = min(some, key=lambda entry: entry[0])
        seen = take_column(column, mask & (offsets == first))
        values: list[str] = []
        if isinstance(seen, ItemLists):
            self.task = self.task or "ranking"
        elif isinstance(seen, Categories):
            values = [seen.values[code] for code in dict.fromkeys(seen.codes.tolist())]
            self.task = self.task or ("binary" if len(values) <= 2 else "multiclass")
        else:
            self.task = self.task or ("binary" if np.isin(seen, (0.0, 1.0)).all() else "regression")
            values = ["1"]
        if self.task == "binary" and self.pos_label is None:
            self.pos_label = next(filter(None, map(_positive_of, values)), None)

    def predicted(self, batch: PredictionBatch, depth: int = 100) -> NDArray[Any]:
        """Class codes or numbers, float64, shape (n,); NaN where there is none.

        The first `depth` items of rankings are objects, None where there is none.
        """
        column = batch.prediction
        if not self.ranks:
            return self._numbers(column)
        return packed_rankings(column, depth) if isinstance(column, ItemLists) else _nothing(len(batch))

    def fits(self, column: Outcome) -> Bools:
        """Which predictions or labels have the task's type, or no value; bool, shape (n,)."""
        if self.ranks != isinstance(column, ItemLists):
            return ~present(column)
        if self.classifies or not isinstance(column, Categories):
            return np.ones(len(column), np.bool_)
        return ~present(column)

    def labels(self, batch: GroundTruthBatch) -> NDArray[Any]:
        """As `predicted`."""
        column = batch.label
        if not self.ranks:
            return self._numbers(column)
        return packed_relevance(column) if isinstance(column, ItemLists) else _nothing(len(batch))

    def scores(self, batch: PredictionBatch) -> Floats:
        """The probability of the positive class, from `scores` where `score` is not given.

        Of several classes without a positive one, that of the class that was predicted.
        """
        if self.pos_label is not None:
            given = batch.scores.get(self.pos_label)
        else:
            given = _of_predicted(batch) if self.task == "multiclass" else None
        return batch.score if given is None else np.where(np.isnan(batch.score), given, batch.score)

    def counted(self, predicted: NDArray[Any]) -> Floats:
        """What is counted of `predicted`, float64 (n,): of rankings, how many items they have."""
        if self.ranks:
            return ranked_lengths(predicted)
        return self.classes.folded(predicted) if self.classifies else predicted

    def counted_pairs(self, predicted: NDArray[Any], label: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """As `counted`, of pairs; rankings stay as they are."""
        return self.classes.folded_pairs(predicted, label) if self.classifies else (predicted, label)

    def class_column(self, predicted: Floats) -> Categories:
        """Codes back to strings, for detectors that compare by name."""
        codes = np.fmax(self.classes.folded(predicted), -1.0).astype(np.int32)  # a number wins against NaN
        return Categories(codes, tuple(self.classes.values))

    def group_codes(self, batch: PredictionBatch) -> dict[str, NDArray[np.int64]]:
        return _codes(self.groups, batch.groups)

    def segments(self, batch: PredictionBatch) -> dict[str, Categories]:
        """The columns of the keys that are known by now; there are at most `_KEYS`."""
        known = self.segment_keys
        known += [key for key in batch.segments if key not in known][: _KEYS - len(known)]
        return {key: batch.segments[key] for key in known if key in batch.segments}

    @property
    def group_words(self) -> dict[str, list[str]]:
        """What the codes of each protected attribute stand for, intersections too."""
        return {name: words.values for name, words in (self.intersections | self.groups).items()}

    def crossed(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.int64]]:
        """The codes of all intersections of attributes, by their joint names; `codes` are those of each."""
        return intersect(codes, self.groups, self.intersections, _VALUES)

    def to_state(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "pos_label": self.pos_label,
            "classes": self.classes.values,
            "versions": self.versions.values,
            "groups": {key: words.values for key, words in self.groups.items()},
            "segment_keys": self.segment_keys,
            "inferred": self.inferred,
            "intersections": {key: words.values for key, words in self.intersections.items()},
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Names":
        return cls(
            state["task"],
            state["pos_label"],
            Classes(state["classes"]),
            Vocabulary(state["versions"], _VERSIONS),
            {key: Vocabulary(values, _VALUES) for key, values in state["groups"].items()},
            state["segment_keys"],
            state["inferred"],
            {key: Vocabulary(values, _VALUES) for key, values in state["intersections"].items()},
        )

    def _numbers(self, column: Outcome) -> Floats:
        if isinstance(column, ItemLists):
            return np.full(len(column), np.nan)
        if not self.classifies:
            return np.full(len(column), np.nan) if isinstance(column, Categories) else column
        if isinstance(column, Categories):
            return _as_floats(self.classes.codes(column))
        return _as_floats(self.classes.codes_of_numbers(column))


def present(column: Outcome) -> Bools:
    """Which rows have a value; bool, shape (n,)."""
    if isinstance(column, ItemLists):
        return column.given
    mask: Bools = column.codes >= 0 if isinstance(column, Categories) else ~np.isnan(column)
    return mask


def _positive_of(name: str) -> str | None:
    """The positive one of a usual pair of classes, written as `name` is.

    >>> _positive_of("No"), _positive_of("true"), _positive_of("cat")
    ('Yes', 'true', None)
    """
    lower = name.lower()
    if lower in _PAIRS:
        return name
    positive = next((yes for yes, no in _PAIRS.items() if no == lower), None)
    if positive is None:
        return None
    return positive.upper() if name.isupper() else positive.title() if name.istitle() else positive


def _nothing(n: int) -> NDArray[Any]:
    return np.full(n, None, np.object_)


def _of_predicted(batch: PredictionBatch) -> Floats | None:
    """The probability of what was predicted, from `scores`."""
    said = batch.prediction
    if not batch.scores or not isinstance(said, Categories):
        return None
    found = np.full(len(batch), np.nan)
    for code, name in enumerate(said.values):
        if name in batch.scores:
            of_class = said.codes == code
            found[of_class] = batch.scores[name][of_class]
    return found


def _as_floats(codes: NDArray[np.int64]) -> Floats:
    numbers = codes.astype(np.float64)
    missing = codes < 0
    if np.count_nonzero(missing):
        numbers[missing] = np.nan
    return numbers


def _codes(known: dict[str, Vocabulary], columns: Any) -> dict[str, NDArray[np.int64]]:
    """Beyond `_KEYS` different keys of a model, those that it had not before are left out."""
    for key in columns:
        if key not in known and len(known) < _KEYS:
            known[key] = Vocabulary(limit=_VALUES)
    return {key: known[key].codes(column) for key, column in columns.items() if key in known}
