"""From logged events, as the caller gave them, to the columns of a batch. Runs in the background thread."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import numpy as np

from streamgauge.schemas.batch import (
    ID_DTYPE,
    Bools,
    Categories,
    Column,
    Floats,
    GroundTruthBatch,
    Ids,
    PredictionBatch,
)
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.ids import identity
from streamgauge.schemas.limits import DEFAULT as LIMITS
from streamgauge.schemas.times import parse_time

Values = Mapping[str, Any]
C = TypeVar("C", Floats, Categories, Column)
_NOTHING: Values = {}
_NUMBERS = frozenset([float, int, np.float64, np.float32, np.int64, np.int32, type(None)])
_STRINGS = frozenset([str, type(None)])
_FLOATS = (float, np.floating, Decimal)
_TEXTS = (str, bool, np.bool_)
_REALS = (int, float, np.integer, np.floating, np.bool_, Decimal, Fraction)


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


class MixedColumnError(Exception):
    """A feature, named by the argument, has numbers and strings: they cannot share a batch."""


@dataclass(slots=True)
class ColumnBuilder:
    """Builds batches of one model's version.

    Without a `task`, integers, booleans and strings are classes and floats are numbers; the first float
    decides that this model predicts numbers, from then on integers are numbers too.

    >>> builder = ColumnBuilder("credit", "7")
    >>> builder.outcomes([True, 0, "yes"], np.zeros(3, dtype=bool)).to_list()
    ['true', '0', 'yes']
    """

    model: str
    version: str
    numeric: bool | None = None

    def predictions(self, events: Sequence[LoggedPrediction], sample_rate: float = 1.0) -> PredictionBatch:
        """The batch; raises `BadEvent` if any event holds what no column can, and `MixedColumnError`."""
        ids, times, predictions, features, groups, segments, score, scores, latency, failed = zip(
            *events, strict=True
        )
        # a model that answers NaN has failed, and its operators must see that
        failures = np.array(
            [f or _is_nonfinite(p) for f, p in zip(failed, predictions, strict=True)], np.bool_
        )
        latency_ms = numbers(latency)
        if np.any(latency_ms < 0):
            raise BadEvent(Reason.OUT_OF_RANGE, "latency_ms is negative")
        return PredictionBatch(
            model=self.model,
            version=self.version,
            ids=_identities(ids),
            time_us=np.array([microseconds(time) for time in times], dtype=np.int64),
            prediction=self.outcomes(
                [None if f else p for p, f in zip(predictions, failures, strict=True)], failures
            ),
            latency_ms=latency_ms,
            score=_probabilities(score),
            failed=failures,
            features=_by_name(features, _feature, LIMITS.features),
            groups=_by_name(groups, classes, LIMITS.groups),
            segments=_by_name(segments, classes, LIMITS.segments),
            scores=_by_name(scores, _probabilities, LIMITS.classes),
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
            ids=_identities(ids),
            time_us=np.array([microseconds(time) for time in times], dtype=np.int64),
            label=self.outcomes(labels, out),
            revision=np.array(revisions, dtype=np.int32),
            retracted=out,
        )

    def outcomes(self, values: Sequence[Any], optional: Bools) -> Column:
        """Predictions or labels as classes or numbers, by the task; only where `optional` may one be None."""
        if self.numeric is None and any(issubclass(kind, _FLOATS) for kind in set(map(type, values))):
            self.numeric = True
        column = numbers(values) if self.numeric else classes(values)
        missing = column.codes < 0 if isinstance(column, Categories) else np.isnan(column)
        if np.any(missing & ~optional):
            raise BadEvent(Reason.MISSING_FIELD, "the prediction or label is missing")
        return column


def microseconds(time: Any) -> int:
    """Microseconds since the epoch of an integer (the same), an aware datetime, or an RFC 3339 text.

    >>> microseconds("2026-11-21T10:00:00.5Z") - microseconds(1795255200000000)
    500000
    """
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise BadEvent(Reason.WRONG_TYPE, "time has no time zone")
        time = time.isoformat()
    elif isinstance(time, np.integer):
        time = int(time)
    return parse_time(time)


def identity_of(prediction_id: Any) -> bytes:
    """The 16 bytes of a prediction id: a text, a UUID or a number."""
    text = prediction_id if type(prediction_id) is str else _text(prediction_id)
    if not 0 < len(text) <= LIMITS.id_length:
        raise BadEvent(Reason.OVERSIZED, f"a prediction id has {len(text)} characters")
    return identity(text)


def _identities(ids: Iterable[Any]) -> Ids:
    return np.frombuffer(b"".join(map(identity_of, ids)), dtype=ID_DTYPE)


def numbers(values: Sequence[Any]) -> Floats:
    """A float64 column, None as NaN. Raises `BadEvent` for infinities and for what is no number."""
    if not set(map(type, values)) <= _NUMBERS:
        values = [None if value is None else _number(value) for value in values]
    try:
        column = np.array(values, dtype=np.float64)
    except OverflowError as error:
        raise BadEvent(Reason.OUT_OF_RANGE, "a number is beyond what a float holds") from error
    if np.isinf(column).any():
        raise BadEvent(Reason.OUT_OF_RANGE, "a number is infinite")
    return column


def classes(values: Sequence[Any]) -> Categories:
    """Strings: ``True`` is ``"true"``, ``1`` and ``1.0`` are ``"1"``; None and NaN are missing."""
    if not set(map(type, values)) <= _STRINGS:
        values = [None if value is None or value != value else _text(value) for value in values]
    column = Categories.of(list(values))
    for value in column.values:
        _check_text(value, LIMITS.string_length)
    return column


def _check_text(text: str, limit: int) -> None:
    if len(text) > limit:
        raise BadEvent(Reason.OVERSIZED, f"a text has {len(text)} characters, of at most {limit}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadEvent(Reason.WRONG_TYPE, "a text has half a surrogate pair") from error


def _feature(values: Sequence[Any]) -> Column:
    """Numbers, or strings and booleans as strings: as the worker reads the same values from JSON."""
    texts = [kind for kind in set(map(type, values)) if issubclass(kind, _TEXTS)]
    if not texts:
        return numbers(values)
    if any(isinstance(value, _REALS) and not isinstance(value, _TEXTS) for value in values):
        raise MixedColumnError
    return classes(values)


def is_text(value: Any) -> bool:
    """Whether a feature's value belongs into a column of strings."""
    return isinstance(value, _TEXTS)


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
            _check_text(name, LIMITS.id_length)
            columns[str(name)] = build([mapping.get(name) for mapping in mappings])
        except MixedColumnError:
            raise MixedColumnError(name) from None
        except BadEvent as error:
            raise BadEvent(error.reason, f"{name}: {error.detail}") from error
    return columns


def _probabilities(values: Sequence[Any]) -> Floats:
    column = numbers(values)
    if np.any((column < 0) | (column > 1)):
        raise BadEvent(Reason.OUT_OF_RANGE, "a score is outside 0 to 1")
    return column


def _number(value: Any) -> float:
    if isinstance(value, _REALS):
        return float(value)
    raise BadEvent(Reason.WRONG_TYPE, f"a {type(value).__name__} is not a number")


def _text(value: Any) -> str:
    """The text of a class, a group or an id."""
    if isinstance(value, str | UUID):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, _REALS):
        return str(int(value)) if value == value // 1 else str(value)
    raise BadEvent(Reason.WRONG_TYPE, f"a {type(value).__name__} is not a class, a group or an id")


def _is_nonfinite(value: Any) -> bool:
    return isinstance(value, _FLOATS) and not isfinite(value)
