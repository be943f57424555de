"""What senders write, with nothing but fastavro and numpy: columnar batches, single events, outputs."""

from typing import Any

import numpy as np

from streamgauge.schemas.batch import Categories, Column, Floats, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.registry import schema


def encode_prediction_batch(batch: PredictionBatch) -> bytes:
    """A batch as one columnar message, single-object Avro."""
    return schema("prediction_batch").write(
        {
            "model": batch.model,
            "version": batch.version,
            "ids": batch.ids.tobytes(),
            "time_us": batch.time_us.astype("<i8", copy=False).tobytes(),
            "prediction": _column(batch.prediction),
            "latency_ms": _unless_missing(batch.latency_ms),
            "score": _unless_missing(batch.score),
            "failed": batch.failed.tobytes() if batch.failed.any() else None,
            "features": {name: _column(column) for name, column in batch.features.items()},
            "groups": {name: _column(column) for name, column in batch.groups.items()},
            "segments": {name: _column(column) for name, column in batch.segments.items()},
            "scores": {name: _floats(column) for name, column in batch.scores.items()},
            "dropped": batch.dropped,
            "sample_rate": batch.sample_rate,
        }
    )


def encode_ground_truth_batch(batch: GroundTruthBatch) -> bytes:
    """A batch as one columnar message, single-object Avro."""
    return schema("ground_truth_batch").write(
        {
            "model": batch.model,
            "ids": batch.ids.tobytes(),
            "time_us": batch.time_us.astype("<i8", copy=False).tobytes(),
            "label": _column(batch.label),
            "revision": batch.revision.astype("<i4", copy=False).tobytes() if batch.revision.any() else None,
            "retracted": batch.retracted.tobytes() if batch.retracted.any() else None,
        }
    )


def _column(column: Column) -> bytes | dict[str, Any]:
    if isinstance(column, Categories):
        return {"codes": column.codes.astype("<i4", copy=False).tobytes(), "values": list(column.values)}
    return _floats(column)


def _floats(column: Floats) -> bytes:
    return column.astype("<f8", copy=False).tobytes()


def _unless_missing(column: Floats) -> bytes | None:
    return None if np.isnan(column).all() else _floats(column)
