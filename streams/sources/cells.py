"""Cells of CSV as columns: what is a number, what is text, what is missing."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from streamgauge.schemas.batch import Bools, Categories, Column, Floats, Ints
from streamgauge.schemas.item_lists import Item, ItemLists
from streamgauge.streams.sources.layout import Kind

Cells = Sequence[str]

_NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)",
    re.ASCII | re.IGNORECASE,
).fullmatch
#: In cells joined by commas, what `float` takes and `_NUMBER` may not: 007, 1_000, a space, other digits.
_DOUBTFUL = re.compile(r"(?:^|,)[+-]?0\d|[^0-9.,eE+\-]").search
_WHOLE = re.compile(r"-?\d{1,20}", re.ASCII).fullmatch
#: Lists of items in JSON, as in a single event; their lengths are checked with those of all tables.
_LISTS = {
    "items": msgspec.json.Decoder(list[Item]).decode,
    "grades": msgspec.json.Decoder(dict[str, float] | list[Item]).decode,
}
_FLAGS = {"": False, "false": False, "0": False, "true": True, "1": True}


def value_of(cell: str, kind: Kind, as_text: bool) -> object:
    """One cell as the JSON form has it, None if it is empty; what cannot be of its kind stays text.

    >>> [value_of(cell, "any", False) for cell in ("41", "clerk", "", "007")]
    [41.0, 'clerk', None, '007']
    >>> value_of('{"a": 2}', "grades", False), value_of("a, b", "items", False)
    ({'a': 2.0}, 'a, b')
    """
    if cell == "":
        return None
    match kind:
        case "any" if not as_text and _NUMBER(cell):
            return float(cell)
        case "number" if _NUMBER(cell.strip()):
            return float(cell)
        case "time" | "whole" if _WHOLE(cell):
            return int(cell)
        case "flag":
            return _FLAGS.get(cell.lower(), cell)
        case "items" | "grades":
            try:
                return _LISTS[kind](cell)
            except (msgspec.MsgspecError, RecursionError):
                return cell
    return cell


def typed(cells: Cells, finite: bool) -> Column | None:
    """Numbers or text; None if some are the one and some the other. With `finite`, infinite is missing.

    >>> typed(["1", "", "2.5"], True), typed(["a", "1"], True)
    (array([1. , nan, 2.5]), None)
    """
    values = _floats(cells)
    if values is None or _DOUBTFUL(",".join(cells)):
        distinct = set(cells) - {""}
        numbers = sum(_NUMBER(cell) is not None for cell in distinct)
        if numbers == 0:
            return text(cells)
        if numbers < len(distinct) or values is None:
            return None
    if finite and np.isinf(values).any():
        values = np.where(np.isinf(values), np.nan, values)
    return values


def text(cells: Cells) -> Categories:
    """Text; an empty cell is missing."""
    return Categories.of([cell or None for cell in cells])


def numbers(cells: Cells) -> tuple[Floats, Bools]:
    """Numbers, and the rows whose cell is none."""
    values = _floats(cells)
    if values is not None and not _DOUBTFUL(",".join(cells)):
        return values, np.zeros(len(cells), np.bool_)
    read = [value_of(cell, "number", False) for cell in cells]
    return (
        np.array([value if isinstance(value, float) else np.nan for value in read]),
        np.array([isinstance(value, str) for value in read], np.bool_),
    )


def whole_numbers(cells: Cells) -> tuple[Ints, Bools]:
    """Integers, 0 for an empty cell, and the rows whose cell is none."""
    unfit = np.array([cell != "" and _WHOLE(cell) is None for cell in cells], np.bool_)
    values = [0 if bad or cell == "" else int(cell) for cell, bad in zip(cells, unfit.tolist(), strict=True)]
    return np.clip(np.array(values, np.float64), -1, 2**31).astype(np.int64), unfit


def flags(cells: Cells) -> tuple[Bools, Bools]:
    """true, false, 1 or 0, an empty cell is false; and the rows whose cell is none of these."""
    read = [_FLAGS.get(cell) if cell in _FLAGS else _FLAGS.get(cell.lower()) for cell in cells]
    return np.array([bool(flag) for flag in read], np.bool_), np.array([f is None for f in read], np.bool_)


def items(cells: Cells) -> tuple[ItemLists, Bools]:
    """Lists of items, and the rows whose cell is none."""
    read, unfit = _lists(cells, "items")
    return ItemLists.of(read), unfit


def grades(cells: Cells) -> tuple[ItemLists, Bools]:
    """The grades of items, and the rows whose cell has none."""
    read, unfit = _lists(cells, "grades")
    return ItemLists.graded(read), unfit


def _lists(cells: Cells, kind: Kind) -> tuple[list[Any], Bools]:
    read = [value_of(cell, kind, False) for cell in cells]
    unfit = [isinstance(row, str) for row in read]
    return [None if isinstance(row, str) else row for row in read], np.array(unfit, np.bool_)


def _floats(cells: Cells) -> Floats | None:
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], np.float64)
    except ValueError:
        return None
