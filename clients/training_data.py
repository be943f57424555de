"""`TrainingData`: labelled predictions as columns, joined as the worker joins them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from streamgauge.schemas.batch import (
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
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.merge import concatenate, take_rows


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """n predictions that have a label, in the order in which they were served; every column has shape (n,).

    `ids` are 16 raw bytes, `time_us` int64, microseconds since the epoch, UTC. Numbers are float64 with NaN
    where missing, classes and other texts `Categories`, rankings and their grades `ItemLists`. A feature that
    some events lack is missing there.

    >>> at, ids, x = np.array([1, 2, 3]), np.array([b"a", b"b", b"c"], "S16"), np.array([1.0, 2.0, 3.0])
    >>> failed, revision = np.zeros(3, bool), np.zeros(2, np.int32)
    >>> said = PredictionBatch("m", "7", ids, at, x, x, x, failed, {"x": x})
    >>> truth = GroundTruthBatch("m", ids[1:], at[1:], np.array([20.0, 30.0]), revision, failed[1:])
    >>> data = join([said], [truth])
    >>> data.features["x"].tolist(), data.label.tolist(), data.matrix(["x"]).shape
    ([2.0, 3.0], [20.0, 30.0], (2, 1))
    """

    ids: Ids
    time_us: Ints
    prediction: Outcome
    score: Floats
    label: Outcome
    features: Mapping[str, Column]
    groups: Mapping[str, Categories]
    segments: Mapping[str, Categories]

    def __len__(self) -> int:
        return len(self.ids)

    def matrix(self, features: Sequence[str] | None = None) -> Floats:
        """Features as float64 (n, F), in the order given, else by name; of texts their codes, NaN if missing.

        Raises `ConfigurationError` for a feature that there is not.
        """
        names = sorted(self.features) if features is None else list(features)
        unknown = [name for name in names if name not in self.features]
        if unknown:
            raise ConfigurationError(
                f"no feature {unknown[0]!r}; there are {', '.join(sorted(self.features))}"
            )
        columns = [_numbers(self.features[name]) for name in names]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self), 0))

    def columns(self) -> dict[str, Any]:
        """By name: `prediction_id` (hex), `time_us`, `prediction`, `score`, `label`, then ``feature.<name>``,
        ``group.<name>`` and ``segment.<name>``. Texts and rankings are lists, None where missing."""
        raw = self.ids.tobytes().hex()
        found: dict[str, Any] = {
            "prediction_id": [raw[i : i + 32] for i in range(0, len(raw), 32)],
            "time_us": self.time_us,
            "prediction": _plain(self.prediction),
            "score": self.score,
            "label": _plain(self.label),
        }
        for kind, columns in (("feature", self.features), ("group", self.groups), ("segment", self.segments)):
            found |= {f"{kind}.{name}": _plain(column) for name, column in columns.items()}
        return found

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of `columns()`; needs pandas."""
        import pandas

        return pandas.DataFrame(self.columns())

    def to_parquet(self, path: str | Path) -> None:
        """Writes `columns()` to a Parquet file; needs pyarrow."""
        import pyarrow
        import pyarrow.parquet

        columns = self.columns()
        if isinstance(self.label, ItemLists):
            grades = [None if row is None else list(row.items()) for row in columns["label"]]
            columns["label"] = pyarrow.array(grades, pyarrow.map_(pyarrow.string(), pyarrow.float64()))
        pyarrow.parquet.write_table(pyarrow.table(columns), path)


def join(predictions: Sequence[PredictionBatch], labels: Sequence[GroundTruthBatch]) -> TrainingData:
    """Predictions of one version of a model with their labels, each in the order in which they were stored.

    As the worker does it: of predictions with one id the first counts; of labels that with the highest
    revision, of the same one the first; what is retracted by then, failed, or has no label is left out.
    """
    ids = _ids(batch.ids for batch in predictions)
    first = np.unique(ids, return_index=True)[1]
    failed = np.concatenate([np.zeros(0, np.bool_), *(batch.failed for batch in predictions)])
    order = np.sort(first[~failed[first]])

    label_ids = _ids(batch.ids for batch in labels)
    revisions = np.concatenate([np.zeros(0, np.int64), *(batch.revision for batch in labels)])
    retracted = np.concatenate([np.zeros(0, np.bool_), *(batch.retracted for batch in labels)])
    # the highest revision of an id comes first, of the same one that which came first
    newest = np.lexsort((np.arange(len(label_ids)), -revisions, label_ids))
    known, place = np.unique(label_ids[newest], return_index=True)
    newest = newest[place]
    at = np.minimum(np.searchsorted(known, ids[order]), max(len(known) - 1, 0))
    has = known[at] == ids[order] if len(known) else np.zeros(len(order), np.bool_)
    has[has] = ~retracted[newest[at[has]]]
    rows, labelled = order[has], newest[at[has]]

    names = {kind: _names(predictions, kind) for kind in ("features", "groups", "segments")}
    by_kind = {
        kind: {name: take_column(_column(predictions, kind, name), rows) for name in names[kind]}
        for kind in names
    }
    return TrainingData(
        ids[rows],
        np.concatenate([np.zeros(0, np.int64), *(batch.time_us for batch in predictions)])[rows],
        take_column(_outcome([batch.prediction for batch in predictions]), rows),
        np.concatenate([np.zeros(0), *(batch.score for batch in predictions)])[rows],
        take_column(_outcome([batch.label for batch in labels]), labelled),
        by_kind["features"],
        by_kind["groups"],
        by_kind["segments"],
    )


def within(batch: PredictionBatch, start: datetime | None, end: datetime | None) -> PredictionBatch:
    """Its rows with an event time from `start` up to and without `end`; None is no bound."""
    rows = np.ones(len(batch), np.bool_)
    if start is not None:
        rows &= batch.time_us >= round(start.timestamp() * 1_000_000)
    if end is not None:
        rows &= batch.time_us < round(end.timestamp() * 1_000_000)
    return batch if rows.all() else take_rows(batch, rows)


def _ids(columns: Iterable[Ids]) -> Ids:
    found: Ids = np.concatenate([np.zeros(0, "S16"), *columns])
    return found


def _names(batches: Sequence[PredictionBatch], kind: str) -> list[str]:
    return sorted({name for batch in batches for name in getattr(batch, kind)})


def _column(batches: Sequence[PredictionBatch], kind: str, name: str) -> Any:
    """One column over all batches; where one lacks it, its rows are missing."""
    columns = [getattr(batch, kind).get(name) for batch in batches]
    texts = any(isinstance(column, Categories) for column in columns)
    return _outcome(
        [
            _missing(len(batch), texts) if column is None else column
            for batch, column in zip(batches, columns, strict=True)
        ]
    )


def _outcome(columns: Sequence[Any]) -> Any:
    """Columns one after the other; numbers among texts become texts."""
    if any(isinstance(column, Categories) for column in columns):
        columns = [
            column if isinstance(column, Categories) else Categories.of([_text(x) for x in column.tolist()])
            for column in columns
        ]
    return concatenate(columns) if columns else np.zeros(0)


def _missing(n: int, texts: bool) -> Column:
    return Categories(np.full(n, -1, np.int32), ()) if texts else np.full(n, np.nan)


def _text(number: float) -> str | None:
    return None if np.isnan(number) else f"{number:.17g}"


def _numbers(column: Column) -> Floats:
    if isinstance(column, Categories):
        return np.where(column.codes < 0, np.nan, column.codes.astype(np.float64))
    return column


def _plain(column: Any) -> Any:
    return column.to_list() if isinstance(column, Categories | ItemLists) else column
