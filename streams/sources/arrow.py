"""Arrow's arrays as the columns of a `Table`, without a Python object for each value where that can be."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamgauge.schemas.batch import Bools, Categories, Column, Floats, Ids, Ints
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.ids import identities
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.times import LATEST_US
from streamgauge.streams.sources.block import UNKNOWN_US
from streamgauge.streams.sources.ids import uuid_identities
from streamgauge.streams.sources.layout import Kind
from streamgauge.streams.sources.time_texts import many_times

_TO_US = {"s": 1_000_000, "ms": 1_000}


def check(kept: Any, kind: Kind, where: str) -> None:
    """Raises `ConfigurationError` if a column's type cannot be read as its kind."""
    t = pa.types
    if t.is_dictionary(kept):
        kept = kept.value_type
    text, number = is_text(kept), is_number(kept)
    fits = (
        t.is_null(kept)
        or {
            "name": text or t.is_integer(kept),
            "text": text or t.is_integer(kept) or t.is_boolean(kept),
            "time": text or t.is_int64(kept) or (t.is_timestamp(kept) and kept.tz is not None),
            "any": text or number or t.is_boolean(kept),
            "number": number,
            "whole": t.is_integer(kept),
            "flag": t.is_boolean(kept),
            "items": _lists_items(kept),
            "grades": _lists_items(kept) or _grades_items(kept),
        }[kind]
    )
    if not fits:
        raise ConfigurationError(f"{where} is of type {kept}; it can be {_CAN_BE[kind]}")


_CAN_BE: dict[Kind, str] = {
    "name": "text",
    "text": "text, whole numbers or booleans",
    "time": "timestamp[us, tz=UTC], another timestamp with a zone, int64 microseconds, or RFC 3339 text",
    "any": "numbers, text or booleans",
    "number": "numbers",
    "whole": "whole numbers",
    "flag": "booleans",
    "items": "lists of text or of whole numbers",
    "grades": "lists of text or of whole numbers, or maps from these to numbers",
}


def is_text(kept: Any) -> bool:
    """Whether a type is text, however Arrow keeps it."""
    t = pa.types
    return bool(t.is_string(kept) or t.is_large_string(kept) or t.is_string_view(kept))


def is_number(kept: Any) -> bool:
    """Whether a type is whole, floating or decimal."""
    return bool(pa.types.is_integer(kept) or pa.types.is_floating(kept) or pa.types.is_decimal(kept))


def _names_items(kept: Any) -> bool:
    return bool(is_text(kept) or pa.types.is_integer(kept) or pa.types.is_null(kept))


def _lists_items(kept: Any) -> bool:
    listed = pa.types.is_list(kept) or pa.types.is_large_list(kept)
    return listed and _names_items(kept.value_type)


def _grades_items(kept: Any) -> bool:
    return pa.types.is_map(kept) and _names_items(kept.key_type) and is_number(kept.item_type)


def id_column(array: Any) -> tuple[Ids, Bools]:
    """Identities, and the rows whose id is missing, empty or too long."""
    array, n = array.cast(pa.string()), len(array)
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + n + 1]
    if array.null_count == 0 and np.all(np.diff(offsets) == 36):
        text = np.frombuffer(array.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
        found = uuid_identities(text)
        if found is not None:
            return found, np.zeros(n, np.bool_)
    texts = array.to_pylist()
    unfit = np.array([not text or len(text) > DEFAULT.id_length for text in texts], np.bool_)
    return identities(["" if text is None else text for text in texts]), unfit


def times(array: Any) -> tuple[Ints, Bools]:
    """Microseconds, `UNKNOWN_US` where the time is missing or cannot be read, and those rows."""
    t = pa.types
    if t.is_timestamp(array.type) or t.is_int64(array.type):
        unit = array.type.unit if t.is_timestamp(array.type) else "us"
        time_us: Ints = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        if unit == "ns":
            time_us = time_us // 1_000
        elif unit in _TO_US:
            time_us = np.clip(time_us, 0, LATEST_US // _TO_US[unit] + 1) * _TO_US[unit]
        missing = array.is_null().to_numpy(zero_copy_only=False)
        return (np.where(missing, UNKNOWN_US, time_us), missing) if missing.any() else (time_us, missing)
    return many_times(array.to_pylist())


def _numbers(array: Any, _: str) -> Floats:
    if pa.types.is_decimal(array.type) or pa.types.is_float16(array.type) or pa.types.is_null(array.type):
        array = array.cast(pa.float64())
    values: Floats = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


def categories(array: Any) -> Categories:
    """Text, whole numbers or booleans as strings, under codes in the order in which they come."""
    if not pa.types.is_string(array.type):
        array = array.cast(pa.string())
    encoded = array.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return Categories(codes, tuple(encoded.dictionary.to_pylist()))


def _anything(array: Any, name: str) -> Column:
    if not is_number(array.type):
        return np.full(len(array), np.nan) if pa.types.is_null(array.type) else categories(array)
    values = _numbers(array, name)
    if name.startswith("features.") and np.isinf(values).any():
        values = np.where(np.isinf(values), np.nan, values)
    return values


def _whole(array: Any, _: str) -> Ints:
    values: Ints = array.cast(pa.int64(), safe=False).fill_null(0).to_numpy(zero_copy_only=False)
    return values


def _flags(array: Any, _: str) -> Bools:
    flags: Bools = array.cast(pa.bool_()).fill_null(False).to_numpy(zero_copy_only=False)
    return flags


def _items(array: Any, name: str) -> ItemLists:
    """A null item has code -1."""
    graded = pa.types.is_map(array.type)
    if pa.types.is_null(array.type):
        array = array.cast(pa.list_(pa.null()))
    elif graded:
        entry = pa.struct([("item", array.type.key_type), ("grade", array.type.item_type)])
        array = array.cast(pa.list_(entry))
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    items, values = array.flatten(), None
    if graded:
        items, values = items.field("item"), _numbers(items.field("grade"), name)
    elif name == "relevance":
        values = np.ones(len(items))
    found = categories(items)
    given = array.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return ItemLists(offsets, found.codes, found.values, given, values)


COLUMNS: dict[Kind, Any] = {
    "any": _anything,
    "number": _numbers,
    "text": lambda array, _: categories(array),
    "whole": _whole,
    "flag": _flags,
    "items": _items,
    "grades": _items,
}
