"""`Table`: neighbouring rows of a file as columns, and how they become batches without touching a row."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamgauge.schemas.batch import (
    Bools,
    Categories,
    Column,
    Floats,
    GroundTruthBatch,
    Ids,
    Ints,
    Outcome,
    PredictionBatch,
    take_column,
)
from streamgauge.schemas.decode import Batch, DecodeResult
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.message import PREDICTIONS
from streamgauge.schemas.times import EARLIEST_US, LATEST_US
from streamgauge.streams.sources.layout import FAMILIES
from streamgauge.streams.sources.records import Record, decode_records


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by name, each of shape (n,); those of a family by ``family.entry``.

    `ids` are identities and `time_us` is int64, both with any value where `unfit`: rows that a reader could
    not read by columns, or that no column can hold. `row` gives a row in the JSON form, `quote` its text.
    """

    places: Ints
    ids: Ids
    time_us: Ints
    model: Categories
    columns: Mapping[str, Any]
    unfit: Bools
    row: Callable[[int], Record]
    quote: Callable[[int, Record], bytes]


def decode_table(topic: str, table: Table) -> DecodeResult:
    """Batches of the good rows. The others are read one by one, by the rules of single events.

    If one of those is good after all, every row is read so: the order of rows must not change.
    """
    bad = table.unfit | _bad(topic, table)
    refused = DecodeResult()
    if bad.any():
        refused = _by_rows(topic, table, np.flatnonzero(bad).tolist())
        if refused.batches:
            return _by_rows(topic, table, range(len(bad)))
    build = _predictions if topic == PREDICTIONS else _labels
    refused.batches = [(build(table, rows, *lane), table.places[rows]) for lane, rows in _lanes(table, ~bad)]
    return refused


def _by_rows(topic: str, table: Table, rows: Any) -> DecodeResult:
    first = {int(table.places[row]): row for row in rows}
    records = ((place, table.row(row)) for place, row in first.items())
    return decode_records(topic, records, table.quote)


def _bad(topic: str, table: Table) -> Bools:
    """Rows that a single event's rules refuse: the same as in `schemas.rows`."""
    columns = table.columns
    bad = (table.time_us < EARLIEST_US) | (table.time_us >= LATEST_US) | (table.model.codes < 0)
    bad |= _long(table.model, DEFAULT.id_length) | _empty(table.model)
    if topic == PREDICTIONS:
        failed = _failed(table)
        bad |= _unheld(table, "prediction", "ranked", ~failed)
        if "version" in columns:
            bad |= _long(columns["version"], DEFAULT.id_length)
        if "latency_ms" in columns:
            bad |= (columns["latency_ms"] < 0) | (columns["latency_ms"] == np.inf)
        for name, column in columns.items():
            if name == "score" or name.startswith("scores."):
                bad |= (column < 0) | (column > 1)
            elif name == "prediction" and not isinstance(column, Categories):
                bad |= np.isinf(column) & ~failed
            if isinstance(column, Categories) and name not in ("version", "error"):
                bad |= _long(column, DEFAULT.string_length)
        return bad
    label, retracted, revision = columns.get("label"), columns.get("retracted"), columns.get("revision")
    bad |= _unheld(table, "label", "relevance", np.True_ if retracted is None else ~retracted)
    if revision is not None:
        bad |= (revision < 0) | (revision >= 2**31)
    if label is not None:
        bad |= _long(label, DEFAULT.string_length) if isinstance(label, Categories) else np.isinf(label)
    return bad


def _unheld(table: Table, name: str, lists: str, needed: Any) -> Bools:
    """Rows without the outcome that is `needed`, or with a list of items that is wrong or not alone."""
    value: Column | None = table.columns.get(name)
    items: ItemLists | None = table.columns.get(lists)
    missing = np.ones(len(table.ids), np.bool_) if value is None else _missing(value)
    unsaid: Bools = missing & needed
    if items is None:
        return unsaid
    bad = items.repeats() | items.misgraded() | (items.lengths > DEFAULT.items)
    long = [len(item) > DEFAULT.id_length for item in items.values]
    bad[items.rows[np.array([*long, True], np.bool_)[items.codes]]] = True
    if not missing.all():
        bad |= items.given
    return bad | (unsaid & ~items.given)


def _outcome(table: Table, name: str, lists: str, rows: Any) -> Outcome:
    """The lists of items where there are any, else the classes or numbers."""
    value: Column | None = table.columns.get(name)
    items: ItemLists | None = table.columns.get(lists)
    if items is not None and items.given[rows].any():
        return take_column(items, rows)
    if value is None:
        return np.full(len(table.ids[rows]), np.nan)
    return _settled(take_column(value, rows))


def _lanes(table: Table, good: Bools) -> Iterator[tuple[tuple[str, str], Any]]:
    """((model, version), rows) in the order in which they first come; a slice where nothing is left out."""
    model, version = table.model, table.columns.get("version")
    lane = model.codes.astype(np.int64)
    versions: tuple[str, ...] = ("",)
    if isinstance(version, Categories):
        versions = version.values if "" in version.values else (*version.values, "")
        lane = lane * len(versions) + np.where(version.codes < 0, versions.index(""), version.codes)
    if good.all() and len(lane) and (lane == lane[0]).all():
        yield _named(int(lane[0]), model, versions), slice(None)
        return
    values, first = np.unique(lane[good], return_index=True)
    for value in values[np.argsort(first)].tolist():
        yield _named(value, model, versions), good & (lane == value)


def _named(lane: int, model: Categories, versions: tuple[str, ...]) -> tuple[str, str]:
    return model.values[lane // len(versions)], versions[lane % len(versions)]


def _predictions(table: Table, rows: Any, model: str, version: str) -> Batch:
    ids, n = table.ids[rows], len(table.ids[rows])
    failed = _failed(table)[rows]
    families: dict[str, dict[str, Any]] = {family: {} for family in FAMILIES}
    for name, column in table.columns.items():
        family, dot, entry = name.partition(".")
        if dot:
            taken = take_column(column, rows)
            families[family][entry] = _settled(taken) if family == "features" else _recoded(taken)
    return PredictionBatch(
        model=model,
        version=version,
        ids=ids,
        time_us=table.time_us[rows],
        prediction=_blanked(_outcome(table, "prediction", "ranked", rows), failed),
        latency_ms=_floats(table, "latency_ms", rows, n),
        score=_floats(table, "score", rows, n),
        failed=failed,
        features=families["features"],
        groups=families["groups"],
        segments=families["segments"],
        scores=families["scores"],
    )


def _labels(table: Table, rows: Any, model: str, _: str) -> Batch:
    ids = table.ids[rows]
    revision, retracted = table.columns.get("revision"), table.columns.get("retracted")
    return GroundTruthBatch(
        model=model,
        ids=ids,
        time_us=table.time_us[rows],
        label=_outcome(table, "label", "relevance", rows),
        revision=np.zeros(len(ids), np.int32) if revision is None else revision[rows].astype(np.int32),
        retracted=np.zeros(len(ids), np.bool_) if retracted is None else retracted[rows],
    )


def _settled(column: Column) -> Column:
    """A column that is missing everywhere has no type; single events say numbers then."""
    if isinstance(column, Categories) and not np.any(column.codes >= 0):
        return np.full(len(column), np.nan)
    return _recoded(column)


def _recoded(column: Column) -> Column:
    """Codes in order of first sight, as if there had been no other rows."""
    return in_order_of_sight(column) if isinstance(column, Categories) else column


def in_order_of_sight(column: Categories) -> Categories:
    """The same strings under codes in the order in which they first come.

    >>> in_order_of_sight(Categories(np.array([2, -1, 0], np.int32), ("a", "b", "c")))
    Categories(codes=array([ 0, -1,  1], dtype=int32), values=('c', 'a'))
    """
    highest = np.maximum.accumulate(np.concatenate([[-1], column.codes]))
    if np.all(highest[1:] <= highest[:-1] + 1):
        return column
    codes, first = np.unique(column.codes, return_index=True)
    first, codes = first[codes >= 0], codes[codes >= 0]
    seen = codes[np.argsort(first)]
    renamed = np.full(len(column.values) + 1, -1, np.int32)
    renamed[seen] = np.arange(len(seen), dtype=np.int32)
    return Categories(renamed[column.codes], tuple(column.values[code] for code in seen.tolist()))


def _failed(table: Table) -> Bools:
    error = table.columns.get("error")
    if not isinstance(error, Categories):
        return np.zeros(len(table.ids), np.bool_)
    named = np.array([*(value != "" for value in error.values), False], np.bool_)
    failed: Bools = named[error.codes]
    return failed


def _floats(table: Table, name: str, rows: Any, n: int) -> Floats:
    column = table.columns.get(name)
    return np.full(n, np.nan) if column is None else column[rows]


def _missing(column: Column) -> Bools:
    missing: Bools = column.codes < 0 if isinstance(column, Categories) else np.isnan(column)
    return missing


def _long(column: Column, limit: int) -> Any:
    if not isinstance(column, Categories) or max(map(len, column.values), default=0) <= limit:
        return np.False_
    long = np.array([*(len(value) > limit for value in column.values), False], np.bool_)
    return long[column.codes]


def _empty(column: Categories) -> Any:
    return column.codes == column.values.index("") if "" in column.values else np.False_


def _blanked(column: Outcome, rows: Bools) -> Outcome:
    if not rows.any():
        return column
    if isinstance(column, ItemLists):
        return replace(column, given=column.given & ~rows)
    if isinstance(column, Categories):
        return _settled(Categories(np.where(rows, np.int32(-1), column.codes), column.values))
    return np.where(rows, np.nan, column)
