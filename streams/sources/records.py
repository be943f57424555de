"""Rows as plain dictionaries, in the JSON form of the topics: read by the rules of single events."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from streamgauge.schemas.collect import collect_ground_truth, collect_predictions
from streamgauge.schemas.decode import DecodeResult
from streamgauge.schemas.errors import BadEvent
from streamgauge.schemas.framing import Frame
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.message import PREDICTIONS, Message
from streamgauge.schemas.rows import GroundTruthRow, PredictionRow, read_ground_truth, read_prediction

Record = Mapping[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode_records(
    topic: str, records: Iterable[tuple[int, Record]], quote: Callable[[int, Record], bytes]
) -> DecodeResult:
    """Batches of (place, record); `quote` gives what a dead letter shows of a refused one.

    Null is absent, and so is NaN; an infinite feature is missing.

    >>> record = {"prediction_id": "a", "model": "m", "time": 1795255200000000, "prediction": 3}
    >>> result = decode_records("predictions", [(1, record)], as_json)
    >>> [(batch.prediction.tolist(), places.tolist()) for batch, places in result.batches]
    [([3.0], [1])]
    """
    result = DecodeResult()
    predictions: list[PredictionRow] = []
    labels: list[GroundTruthRow] = []
    places: list[int] = []
    for place, record in records:
        frame = Frame(None, b"", data=_plain(record))
        try:
            if topic == PREDICTIONS:
                predictions.append(read_prediction(frame, DEFAULT))
            else:
                labels.append(read_ground_truth(frame, DEFAULT))
            places.append(place)
        except BadEvent as error:
            result.refused.append((Message(topic, place, 0, None, quote(place, record)), error))
    result.refused_rows = len(result.refused)
    numbers = np.array(places, np.int64)
    for batch, rows in collect_predictions(predictions):
        result.batches.append((batch, numbers[rows]))
    for truth, rows in collect_ground_truth(labels):
        result.batches.append((truth, numbers[rows]))
    return result


def as_json(_: int, record: Record) -> bytes:
    """The record as one line of JSONL; what JSON cannot hold is written as text.

    >>> as_json(1, {"model": "m", "time": _EPOCH, "score": float("nan")})
    b'{"model":"m","time":"1970-01-01T00:00:00Z","score":null}'
    """
    return json.dumps(_jsonable(record), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _plain(record: Record) -> dict[str, Any]:
    plain = {}
    for name, value in record.items():
        if value is None or value != value:
            continue
        if isinstance(value, datetime) and value.tzinfo is not None:
            elapsed = value - _EPOCH
            value = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
        elif isinstance(value, Mapping):
            value = {key: _known(entry, name == "features") for key, entry in value.items()}
            if name == "scores":
                value = {key: entry for key, entry in value.items() if entry is not None}
        plain[name] = value
    return plain


def _known(value: Any, finite: bool) -> Any:
    missing = isinstance(value, float) and (math.isnan(value) or (finite and math.isinf(value)))
    return None if missing else value


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str | int | None) else str(value)
