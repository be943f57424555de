"""One column of whatever callers log: Python's and numpy's scalars become numbers, texts, times and ids.

Everything here raises `BadEvent` for what no column can hold.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Any
from uuid import UUID

import numpy as np

from streamgauge.schemas.batch import Categories, Column, Floats
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.ids import identity
from streamgauge.schemas.limits import DEFAULT as LIMITS
from streamgauge.schemas.times import parse_time

_NUMBERS = frozenset([float, int, np.float64, np.float32, np.int64, np.int32, type(None)])
_STRINGS = frozenset([str, type(None)])
#: What decides, without a task, that outcomes are numbers, and that they are classes.
FLOATS = (float, np.floating, Decimal)
TEXTS = (str, bool, np.bool_)
_REALS = (int, float, np.integer, np.floating, np.bool_, Decimal, Fraction)


class MixedColumnError(Exception):
    """A feature, named by the argument, has numbers and strings: they cannot share a batch."""


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
    text = prediction_id if type(prediction_id) is str else text_of(prediction_id)
    if not 0 < len(text) <= LIMITS.id_length:
        raise BadEvent(Reason.OVERSIZED, f"a prediction id has {len(text)} characters")
    return identity(text)


def numbers(values: Sequence[Any]) -> Floats:
    """A float64 column, None as NaN. Infinities are refused."""
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
        values = [None if value is None or value != value else text_of(value) for value in values]
    column = Categories.of(list(values))
    for value in column.values:
        check_text(value, LIMITS.string_length)
    return column


def check_text(text: str, limit: int) -> None:
    """Refuses what is longer than `limit` characters or has no UTF-8."""
    if len(text) > limit:
        raise BadEvent(Reason.OVERSIZED, f"a text has {len(text)} characters, of at most {limit}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadEvent(Reason.WRONG_TYPE, "a text has half a surrogate pair") from error


def feature(values: Sequence[Any]) -> Column:
    """Numbers, or strings and booleans as strings: as the worker reads the same values from JSON."""
    texts = [kind for kind in set(map(type, values)) if issubclass(kind, TEXTS)]
    if not texts:
        return numbers(values)
    if any(isinstance(value, _REALS) and not isinstance(value, TEXTS) for value in values):
        raise MixedColumnError
    return classes(values)


def is_text(value: Any) -> bool:
    """Whether a feature's value belongs into a column of strings."""
    return isinstance(value, TEXTS)


def probabilities(values: Sequence[Any]) -> Floats:
    """A column of numbers from 0 to 1, None as NaN."""
    column = numbers(values)
    if np.any((column < 0) | (column > 1)):
        raise BadEvent(Reason.OUT_OF_RANGE, "a score is outside 0 to 1")
    return column


def _number(value: Any) -> float:
    if isinstance(value, _REALS):
        return float(value)
    raise BadEvent(Reason.WRONG_TYPE, f"a {type(value).__name__} is not a number")


def text_of(value: Any) -> str:
    """The text of a class, a group or an id."""
    if isinstance(value, str | UUID):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, _REALS):
        return str(int(value)) if value == value // 1 else str(value)
    raise BadEvent(Reason.WRONG_TYPE, f"a {type(value).__name__} is not a class, a group or an id")


def blamed(error: Exception, **given: Any) -> Exception:
    """What is wrong with arguments that should be mappings, by their names; else the error itself.

    >>> blamed(TypeError(), features=[1, 2], groups=None)
    BadEvent('features is a list, not a mapping of names to values')
    """
    for name, values in given.items():
        if values is not None and not isinstance(values, Mapping):
            kind = type(values).__name__
            return BadEvent(Reason.WRONG_TYPE, f"{name} is a {kind}, not a mapping of names to values")
    return error


def is_nonfinite(value: Any) -> bool:
    """Whether a value is NaN or infinite."""
    return isinstance(value, FLOATS) and not isfinite(value)
