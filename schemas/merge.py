"""Batches cut and joined by rows. What is computed by columns costs less an event the longer they are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from streamgauge.schemas.batch import (
    Bools,
    Categories,
    Column,
    GroundTruthBatch,
    PredictionBatch,
    take_column,
)
from streamgauge.schemas.item_lists import ItemLists

Batch = PredictionBatch | GroundTruthBatch
AnyBatch = TypeVar("AnyBatch", bound=PredictionBatch | GroundTruthBatch)

_BY_NAME = ("features", "groups", "segments", "scores")
_BY_ROW = ("ids", "time_us", "latency_ms", "score", "failed", "revision", "retracted")
_TYPED = ("prediction", "label")


def mergeable(a: Batch, b: Batch) -> bool:
    """Whether both are of one kind, model and version, with the same columns of the same types."""
    if type(a) is not type(b) or a.model != b.model:
        return False
    if isinstance(a, GroundTruthBatch) or isinstance(b, GroundTruthBatch):
        return _kind(a) == _kind(b)
    return a.version == b.version and a.sample_rate == b.sample_rate and _kind(a) == _kind(b)


def merge_batches(batches: Sequence[Any]) -> Any:
    """One batch of the same rows in the same order, of batches that are all `mergeable`.

    >>> batch = GroundTruthBatch("m", np.zeros(1, "S16"), np.array([5]), Categories.of(["a"]),
    ...                          np.zeros(1, np.int32), np.zeros(1, np.bool_))
    >>> both = merge_batches([batch, replace(batch, label=Categories.of(["b"]))])
    >>> both.label.to_list(), both.time_us.tolist()
    (['a', 'b'], [5, 5])
    """
    first = batches[0]
    if len(batches) == 1:
        return first
    merged: dict[str, Any] = {}
    for name in type(first).__slots__:
        if name in _BY_ROW:
            merged[name] = np.concatenate([getattr(batch, name) for batch in batches])
        elif name in _TYPED:
            merged[name] = concatenate([getattr(batch, name) for batch in batches])
        elif name in _BY_NAME:
            merged[name] = {
                key: concatenate([getattr(batch, name)[key] for batch in batches])
                for key in getattr(first, name)
            }
        elif name == "dropped":
            merged[name] = sum(batch.dropped for batch in batches)
    return replace(first, **merged)


def take_rows(batch: AnyBatch, rows: Bools | slice) -> AnyBatch:
    """The same batch with only `rows`, a mask of shape (n,) or a slice; itself if a slice says all."""
    if isinstance(rows, slice) and rows == slice(0, len(batch)):
        return batch
    taken: dict[str, Any] = {}
    for name in type(batch).__slots__:
        value = getattr(batch, name)
        if name in _BY_ROW:
            taken[name] = value[rows]
        elif name in _TYPED:
            taken[name] = take_column(value, rows)
        elif name in _BY_NAME:
            taken[name] = {key: take_column(column, rows) for key, column in value.items()}
    return replace(batch, **taken)


def _kind(batch: Batch) -> list[Any]:
    if isinstance(batch, GroundTruthBatch):
        return [type(batch.label)]
    columns: list[Any] = [type(batch.prediction)]
    for name in _BY_NAME:
        by_name: Mapping[str, Column] = getattr(batch, name)
        columns.append({key: type(column) for key, column in by_name.items()})
    return columns


def concatenate(columns: Sequence[Any]) -> Any:
    """One column of the rows of all, at least one, which are of one type."""
    first = columns[0]
    if isinstance(first, ItemLists):
        return ItemLists.concatenate(columns)
    if not isinstance(first, Categories):
        return np.concatenate(columns)
    values: dict[str, int] = {value: code for code, value in enumerate(first.values)}
    codes = []
    for column in columns:
        assert isinstance(column, Categories)
        if column.values == first.values:
            codes.append(column.codes)
        else:
            # the last entry serves code -1
            places = [*(values.setdefault(value, len(values)) for value in column.values), -1]
            codes.append(np.array(places, np.int32)[column.codes])
    return Categories(np.concatenate(codes), tuple(values))
