"""Columnar messages become batches: a bad column refuses the message, a bad row only itself."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

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
from streamgauge.schemas.columns import ColumnReader
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.limits import Limits
from streamgauge.schemas.registry import Schema, schema
from streamgauge.schemas.times import EARLIEST_US, LATEST_US

#: What was refused, and how many events that was.
Refusals = list[tuple[BadEvent, int]]

_ROWS_NAMED = 20
_LARGEST = float(np.finfo(np.float64).max)


class _Check(NamedTuple):
    reason: Reason
    detail: str
    #: Which rows fail it; None if none does.
    bad: Bools | None


def read_prediction_batch(
    body: bytes, start: int, writer: Schema, limits: Limits
) -> tuple[PredictionBatch | None, Refusals]:
    """The good rows of a columnar message, and what was refused. Raises `BadEvent` if it is not Avro."""
    datum = schema("prediction_batch").read(body, start, writer)
    try:
        return _predictions(datum, limits)
    except BadEvent as error:
        return None, [(error, _events_sent(datum))]


def read_ground_truth_batch(
    body: bytes, start: int, writer: Schema, limits: Limits
) -> tuple[GroundTruthBatch | None, Refusals]:
    """The good rows of a columnar message, and what was refused. Raises `BadEvent` if it is not Avro."""
    datum = schema("ground_truth_batch").read(body, start, writer)
    try:
        return _ground_truth(datum, limits)
    except BadEvent as error:
        return None, [(error, _events_sent(datum))]


def _predictions(datum: dict[str, Any], limits: Limits) -> tuple[PredictionBatch | None, Refusals]:
    if not 0 < datum["sample_rate"] <= 1:
        raise BadEvent(
            Reason.OUT_OF_RANGE, f"sample_rate is {datum['sample_rate']}; it is above 0 and at most 1"
        )
    if datum["dropped"] < 0:
        raise BadEvent(Reason.OUT_OF_RANGE, f"dropped is {datum['dropped']}")
    reader = ColumnReader(datum, limits)
    batch = PredictionBatch(
        model=reader.text("model", 1),
        version=reader.text("version", 0),
        ids=reader.ids,
        time_us=reader.time_us,
        prediction=reader.outcome("prediction"),
        latency_ms=reader.optional_floats("latency_ms"),
        score=reader.optional_floats("score"),
        failed=reader.flags("failed"),
        features=reader.columns("features", limits.features),
        groups=reader.categories("groups", limits.groups),
        segments=reader.categories("segments", limits.segments),
        scores=reader.floats("scores", limits.classes),
        dropped=datum["dropped"],
        sample_rate=datum["sample_rate"],
    )
    missing = _missing(batch.prediction)
    checks = [
        _time_check(batch.time_us),
        _Check(Reason.MISSING_FIELD, "neither prediction nor error is given", missing & ~batch.failed),
        _range_check("latency_ms is negative or infinite", batch.latency_ms, 0.0, _LARGEST),
        _range_check("score lies outside 0 to 1", batch.score, 0.0, 1.0),
        *_outcome_checks("prediction", batch.prediction, limits),
    ]
    if batch.scores:
        scores = np.array(list(batch.scores.values()))
        outside: Bools = np.any((scores < 0) | (scores > 1), axis=0)
        checks.append(_Check(Reason.OUT_OF_RANGE, "one of scores lies outside 0 to 1", outside))
    keep, refusals = _judge(checks)
    if keep is None and not np.count_nonzero(batch.failed):
        return batch, refusals
    to_blank = batch.failed & ~missing
    if keep is None and not np.count_nonzero(to_blank):
        return batch, refusals
    rows: Bools | slice = slice(None) if keep is None else keep
    return _good_predictions(batch, rows, to_blank), refusals


def _good_predictions(batch: PredictionBatch, rows: Bools | slice, to_blank: Bools) -> PredictionBatch | None:
    if not len(batch.ids[rows]):
        return None
    return PredictionBatch(
        model=batch.model,
        version=batch.version,
        ids=batch.ids[rows],
        time_us=batch.time_us[rows],
        prediction=take_column(_blank(batch.prediction, to_blank), rows),
        latency_ms=batch.latency_ms[rows],
        score=batch.score[rows],
        failed=batch.failed[rows],
        features={name: take_column(column, rows) for name, column in batch.features.items()},
        groups=_take_all(batch.groups, rows),
        segments=_take_all(batch.segments, rows),
        scores={name: column[rows] for name, column in batch.scores.items()},
        dropped=batch.dropped,
        sample_rate=batch.sample_rate,
    )


def _ground_truth(datum: dict[str, Any], limits: Limits) -> tuple[GroundTruthBatch | None, Refusals]:
    reader = ColumnReader(datum, limits)
    batch = GroundTruthBatch(
        model=reader.text("model", 1),
        ids=reader.ids,
        time_us=reader.time_us,
        label=reader.outcome("label"),
        revision=reader.optional_codes("revision"),
        retracted=reader.flags("retracted"),
    )
    if isinstance(batch.label, ItemLists):
        batch = replace(batch, label=replace(batch.label, given=~batch.retracted))
    unexplained = _missing(batch.label) & ~batch.retracted
    keep, refusals = _judge(
        [
            _range_check(
                "time lies outside the years 2000 to 2099", batch.time_us, EARLIEST_US, LATEST_US - 1
            ),
            _Check(Reason.MISSING_FIELD, "label is missing, and retracted is not set", unexplained),
            _Check(Reason.OUT_OF_RANGE, "revision is negative", batch.revision < 0),
            *_outcome_checks("label", batch.label, limits),
        ]
    )
    if keep is None:
        return batch, refusals
    if not keep.any():
        return None, refusals
    good = GroundTruthBatch(
        model=batch.model,
        ids=batch.ids[keep],
        time_us=batch.time_us[keep],
        label=take_column(batch.label, keep),
        revision=batch.revision[keep],
        retracted=batch.retracted[keep],
    )
    return good, refusals


def _time_check(time_us: Ints) -> _Check:
    return _range_check("time lies outside the years 2000 to 2099", time_us, EARLIEST_US, LATEST_US - 1)


def _range_check(detail: str, column: Floats | Ints, low: float, high: float) -> _Check:
    """That no value lies outside; NaN is none."""
    if np.fmin.reduce(column) < low or np.fmax.reduce(column) > high:
        return _Check(Reason.OUT_OF_RANGE, detail, (column < low) | (column > high))
    return _Check(Reason.OUT_OF_RANGE, detail, None)


def _outcome_checks(field: str, column: Outcome, limits: Limits) -> list[_Check]:
    if isinstance(column, Categories):
        return []
    if isinstance(column, ItemLists):
        long = column.lengths > limits.items
        checks = [
            _Check(Reason.OVERSIZED, f"{field} has more than {limits.items} items", long),
            _Check(Reason.INCONSISTENT, f"{field} names an item twice", column.repeats()),
        ]
        if column.grades is not None:
            detail = f"a grade of {field} lies outside 0 to 1e6"
            checks.append(_Check(Reason.OUT_OF_RANGE, detail, column.misgraded()))
        return checks
    return [_Check(Reason.OUT_OF_RANGE, f"{field} is infinite", np.isinf(column))]


def _judge(checks: list[_Check]) -> tuple[Bools | None, Refusals]:
    """Which rows to keep (None: all of them); each bad row is refused once, for the first check it fails."""
    bad: Bools | None = None
    refusals: Refusals = []
    for check in checks:
        if check.bad is None or not np.count_nonzero(check.bad):
            continue
        new = check.bad if bad is None else check.bad & ~bad
        bad = new if bad is None else bad | new
        rows = np.flatnonzero(new).tolist()
        if rows:
            named = ", ".join(map(str, rows[:_ROWS_NAMED])) + (", …" if len(rows) > _ROWS_NAMED else "")
            detail = f"{check.detail} in {len(rows)} of {len(new)} rows: {named}"
            refusals.append((BadEvent(check.reason, detail), len(rows)))
    return (None if bad is None else ~bad), refusals


def _missing(column: Outcome) -> Bools:
    if isinstance(column, ItemLists):
        return ~column.given
    return column.codes < 0 if isinstance(column, Categories) else np.isnan(column)


def _blank(column: Outcome, rows: Bools) -> Outcome:
    """The column with `rows` missing: a request that failed has no prediction, whatever was sent."""
    if isinstance(column, ItemLists):
        return replace(column, given=column.given & ~rows)
    if isinstance(column, Categories):
        return Categories(np.where(rows, np.int32(-1), column.codes), column.values)
    return np.where(rows, np.nan, column)


def _take_all(columns: Mapping[str, Categories], rows: Bools | slice) -> dict[str, Categories]:
    return {name: Categories(column.codes[rows], column.values) for name, column in columns.items()}


def _events_sent(datum: dict[str, Any]) -> int:
    return max(1, len(datum["ids"]) // 16)
