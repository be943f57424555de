"""From logged events, as the caller gave them, to the columns of a batch. Runs in the background thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np

from streamgauge.clients.rankings import Ranked, Relevance, rankings
from streamgauge.clients.values import (
    FLOATS,
    TEXTS,
    MixedColumnError,
    check_text,
    classes,
    feature,
    identity_of,
    is_nonfinite,
    microseconds,
    numbers,
    probabilities,
)
from streamgauge.schemas.batch import (
    ID_DTYPE,
    Bools,
    Categories,
    Column,
    Floats,
    GroundTruthBatch,
    Outcome,
    PredictionBatch,
)
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.limits import DEFAULT as LIMITS

Values = Mapping[str, Any]
C = TypeVar("C", Floats, Categories, Column)
_NOTHING: Values = {}


class LoggedPrediction(NamedTuple):
    """One call of `PredictionLogger.predict`; `time` is as given, or integer microseconds."""

    prediction_id: Any
    time: Any
    prediction: Any
    features: Values | None
    groups: Values | None
    segments: Values | None
    score: Any
    scores: Values | None
    latency_ms: Any
    failed: bool


class LoggedLabel(NamedTuple):
    """One call of `PredictionLogger.ground_truth`."""

    prediction_id: Any
    time: Any
    label: Any
    revision: Any
    retracted: bool


@dataclass(slots=True)
class ColumnBuilder:
    """Builds batches of one model's version; `numeric` is whether outcomes are numbers, if that is declared.

    If not, floats are numbers, strings and booleans are classes. An integer that is predicted is a class
    until a float has been; one that is a label may be either, so it stays a number, and whoever joins it
    with its prediction knows.

    >>> builder = ColumnBuilder("credit", "7")
    >>> builder.outcomes([True, 0, "yes"], np.zeros(3, dtype=bool), whole_numbers=False).to_list()
    ['true', '0', 'yes']
    """

    model: str
    version: str
    numeric: bool | None = None
    _fractions: bool = False

    def predictions(self, events: Sequence[LoggedPrediction], sample_rate: float = 1.0) -> PredictionBatch:
        """The batch; raises `BadEvent` if any event holds what no column can, and `MixedColumnError`."""
        ids, times, predictions, features, groups, segments, score, scores, latency, failed = zip(
            *events, strict=True
        )
        # a model that answers NaN has failed, and its operators must see that
        failures = np.array(
            [f or is_nonfinite(p) for f, p in zip(failed, predictions, strict=True)], np.bool_
        )
        latency_ms = numbers(latency)
        if np.any(latency_ms < 0):
            raise BadEvent(Reason.OUT_OF_RANGE, "latency_ms is negative")
        prediction = self.outcomes(
            [None if f else p for p, f in zip(predictions, failures, strict=True)], failures, self._fractions
        )
        self._fractions |= isinstance(prediction, np.ndarray)
        return PredictionBatch(
            model=self.model,
            version=self.version,
            ids=np.frombuffer(b"".join(map(identity_of, ids)), dtype=ID_DTYPE),
            time_us=np.array([microseconds(time) for time in times], dtype=np.int64),
            prediction=prediction,
            latency_ms=latency_ms,
            score=probabilities(score),
            failed=failures,
            features=_by_name(features, feature, LIMITS.features),
            groups=_by_name(groups, classes, LIMITS.groups),
            segments=_by_name(segments, classes, LIMITS.segments),
            scores=_by_name(scores, probabilities, LIMITS.classes),
            sample_rate=sample_rate,
        )

    def labels(self, events: Sequence[LoggedLabel]) -> GroundTruthBatch:
        """The batch; raises `BadEvent` if any event holds what no column can."""
        ids, times, labels, revisions, retracted = zip(*events, strict=True)
        if any(not isinstance(r, int | np.integer) or not 0 <= r < 2**31 for r in revisions):
            raise BadEvent(Reason.WRONG_TYPE, "a revision is an integer from 0")
        out = np.array(retracted, dtype=np.bool_)
        return GroundTruthBatch(
            model=self.model,
            ids=np.frombuffer(b"".join(map(identity_of, ids)), dtype=ID_DTYPE),
            time_us=np.array([microseconds(time) for time in times], dtype=np.int64),
            label=self.outcomes(labels, out, whole_numbers=True),
            revision=np.array(revisions, dtype=np.int32),
            retracted=out,
        )

    def outcomes(self, values: Sequence[Any], optional: Bools, whole_numbers: bool) -> Outcome:
        """A column of classes or numbers; None is allowed where `optional`, of shape (n,).

        `whole_numbers` says what integers are when nothing else does.
        """
        if any(isinstance(value, Ranked | Relevance) for value in values):
            return rankings(values, optional)
        numeric = self.numeric
        if numeric is None:
            kinds = set(map(type, values))
            if any(issubclass(kind, TEXTS) for kind in kinds):
                numeric = False
            else:
                numeric = whole_numbers or any(issubclass(kind, FLOATS) for kind in kinds)
        column = numbers(values) if numeric else classes(values)
        missing = column.codes < 0 if isinstance(column, Categories) else np.isnan(column)
        if np.any(missing & ~optional):
            raise BadEvent(Reason.MISSING_FIELD, "the prediction or label is missing")
        return column


def _by_name(rows: Sequence[Values | None], build: Callable[[list[Any]], C], limit: int) -> dict[str, C]:
    """One column a name; a name that a row does not have is missing there."""
    mappings = [row or _NOTHING for row in rows]
    names = dict.fromkeys(chain.from_iterable(mappings))
    if len(names) > limit:
        raise BadEvent(Reason.TOO_MANY_FIELDS, f"{len(names)} names, of at most {limit}")
    columns = {}
    for name in names:
        if not isinstance(name, str):
            raise BadEvent(Reason.WRONG_TYPE, f"a {type(name).__name__} is not a name")
        try:
            check_text(name, LIMITS.id_length)
            columns[str(name)] = build([mapping.get(name) for mapping in mappings])
        except MixedColumnError:
            raise MixedColumnError(name) from None
        except BadEvent as error:
            raise BadEvent(error.reason, f"{name}: {error.detail}") from error
    return columns
