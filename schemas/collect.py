"""A run of rows becomes column batches, one per model and version, in the order in which they came.

Which rows share a batch must not show in any result: a key that is absent from a row is the same as null,
and a column that changes its type, number to string or back, starts a new batch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from streamgauge.schemas.batch import Categories, Column, Floats, GroundTruthBatch, Outcome, PredictionBatch
from streamgauge.schemas.ids import identities
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.rows import GroundTruthRow, PredictionRow, Value

#: Rows with more different keys than one event may have don't share a batch: columns times rows is memory.
MAX_COLUMNS = DEFAULT.features + DEFAULT.groups + DEFAULT.segments + DEFAULT.classes

Row = TypeVar("Row", PredictionRow, GroundTruthRow)
Batch = TypeVar("Batch", PredictionBatch, GroundTruthBatch)
_NUMBERS = frozenset((float, type(None)))
#: What cannot share a column; everything else is a text.
_KINDS = {float: "numbers", list: "items", dict: "items"}


def collect_predictions(rows: Sequence[PredictionRow]) -> list[tuple[PredictionBatch, list[int]]]:
    """Batches, each with the positions in `rows` of its events, ascending."""
    return _collect(rows, lambda row: (row.model, row.version), _predictions, _columns_of_prediction)


def collect_ground_truth(rows: Sequence[GroundTruthRow]) -> list[tuple[GroundTruthBatch, list[int]]]:
    """Batches, each with the positions in `rows` of its events, ascending."""
    return _collect(
        rows, lambda row: row.model, _ground_truth, lambda row: {"label": _outcome(row.label, row.relevance)}
    )


class _UnlikeError(Exception):
    """These rows cannot share one batch."""


def _collect(
    rows: Sequence[Row],
    lane_of: Callable[[Row], object],
    build: Callable[[list[Row]], Batch],
    columns_of: Callable[[Row], Mapping[Any, Any]],
) -> list[tuple[Batch, list[int]]]:
    lanes: dict[object, list[int]] = {}
    for position, row in enumerate(rows):
        lanes.setdefault(lane_of(row), []).append(position)
    batches = []
    for lane in lanes.values():
        try:
            batches.append((build([rows[i] for i in lane]), lane))
        except _UnlikeError:
            runs = _like_runs(rows, lane, columns_of)
            batches.extend((build([rows[i] for i in run]), run) for run in runs)
    return batches


def _like_runs(
    rows: Sequence[Row], lane: list[int], columns_of: Callable[[Row], Mapping[Any, Any]]
) -> Iterator[list[int]]:
    run: list[int] = []
    kinds: dict[Any, str | None] = {}
    for position in lane:
        found = {
            column: None if value is None else _KINDS.get(value.__class__, "texts")
            for column, value in columns_of(rows[position]).items()
        }
        changed = any(
            kind is not None and kinds.get(column) not in (None, kind) for column, kind in found.items()
        )
        if run and (changed or len(kinds.keys() | found.keys()) > MAX_COLUMNS + 1):
            yield run
            run, kinds = [], {}
        run.append(position)
        for column, kind in found.items():
            if kind is not None or column not in kinds:
                kinds[column] = kind
    yield run


def _columns_of_prediction(row: PredictionRow) -> Mapping[Any, Any]:
    families = (row.features, row.groups, row.segments, row.scores)
    columns: dict[Any, Any] = {
        (family, name): value
        for family, entries in enumerate(families)
        for name, value in (entries or {}).items()
    }
    columns["prediction"] = _outcome(row.prediction, row.ranked)
    return columns


def _predictions(rows: list[PredictionRow]) -> PredictionBatch:
    features = [row.features or {} for row in rows]
    groups = [row.groups or {} for row in rows]
    segments = [row.segments or {} for row in rows]
    scores = [row.scores or {} for row in rows]
    names = [
        list(dict.fromkeys(chain.from_iterable(family))) for family in (features, groups, segments, scores)
    ]
    if len(rows) > 1 and sum(map(len, names)) > MAX_COLUMNS:
        raise _UnlikeError
    return PredictionBatch(
        model=rows[0].model,
        version=rows[0].version,
        ids=identities([row.prediction_id for row in rows]),
        time_us=np.array([row.time for row in rows], np.int64),
        prediction=_outcomes([_outcome(row.prediction, row.ranked) for row in rows], ItemLists.of),
        latency_ms=_floats([row.latency_ms for row in rows]),
        score=_floats([row.score for row in rows]),
        failed=np.array([bool(row.error) for row in rows], np.bool_),
        features={name: _column([entries.get(name) for entries in features]) for name in names[0]},
        groups={name: _categories([entries.get(name) for entries in groups]) for name in names[1]},
        segments={name: _categories([entries.get(name) for entries in segments]) for name in names[2]},
        scores={name: _floats([entries.get(name) for entries in scores]) for name in names[3]},
    )


def _ground_truth(rows: list[GroundTruthRow]) -> GroundTruthBatch:
    return GroundTruthBatch(
        model=rows[0].model,
        ids=identities([row.prediction_id for row in rows]),
        time_us=np.array([row.time for row in rows], np.int64),
        label=_outcomes([_outcome(row.label, row.relevance) for row in rows], ItemLists.graded),
        revision=np.array([row.revision for row in rows], np.int32),
        retracted=np.array([row.retracted for row in rows], np.bool_),
    )


def _outcome(value: Value, items: Any) -> Any:
    return value if items is None else items


def _outcomes(values: list[Any], lists: Callable[[list[Any]], ItemLists]) -> Outcome:
    kinds = {_KINDS.get(value.__class__, "texts") for value in values if value is not None}
    if "items" not in kinds:
        return _column(values)
    if len(kinds) > 1:
        raise _UnlikeError
    return lists(values)


def _column(values: Sequence[Value]) -> Column:
    types = set(map(type, values))
    if types <= _NUMBERS:
        return _floats(values)
    if float in types:
        raise _UnlikeError
    return _categories(values)


def _floats(values: Sequence[Any]) -> Floats:
    return np.array(values, np.float64)


def _categories(values: Sequence[str | bool | int | float | None]) -> Categories:
    return Categories.of([v if v is None or v.__class__ is str else _text(v) for v in values])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
