"""Events in every encoding, and how to compare batches: shared by the tests of the contract."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from streamgauge.schemas.batch import Categories, Column, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.decode import DecodeResult, decode_messages
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.ids import identities
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message

TIME_US = 1_795_255_200_123_456
PREDICTION: dict[str, Any] = {
    "prediction_id": "01975bcd-0000-7000-8000-0123456789ab",
    "model": "credit",
    "version": "7",
    "time": "2026-11-21T10:00:00.123456Z",
    "latency_ms": 12.5,
    "prediction": "approved",
    "ranked": None,
    "score": 0.83,
    "scores": {"approved": 0.83, "rejected": 0.17},
    "features": {"age": 41, "income": 52000.0, "job": "clerk", "member": True, "balance": None},
    "groups": {"sex": "f"},
    "segments": {"country": "NO"},
    "error": None,
    "traceparent": None,
}
LABEL: dict[str, Any] = {
    "prediction_id": "01975bcd-0000-7000-8000-0123456789ab",
    "model": "credit",
    "time": "2026-11-21T10:00:00.123456Z",
    "label": "rejected",
    "relevance": None,
    "revision": 2,
    "retracted": False,
}


def prediction(**changes: Any) -> dict[str, Any]:
    """The example of the contract with some fields changed; `...` takes a field out."""
    return {key: value for key, value in {**PREDICTION, **changes}.items() if value is not ...}


def label(**changes: Any) -> dict[str, Any]:
    """The example of the contract with some fields changed; `...` takes a field out."""
    return {key: value for key, value in {**LABEL, **changes}.items() if value is not ...}


def message(value: Any, topic: str = PREDICTIONS, offset: int = 0, **headers: bytes) -> Message:
    """A record as it comes from Kafka; what is not bytes is sent as JSON."""
    encoded = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    named = tuple((name.replace("_type", "-type"), content) for name, content in headers.items())
    return Message(topic, offset, TIME_US, b"credit", encoded, named)


def decode(*values: Any, topic: str = PREDICTIONS) -> DecodeResult:
    return decode_messages(topic, [message(value, topic, offset) for offset, value in enumerate(values)])


def prediction_batch(n: int = 3, **changes: Any) -> PredictionBatch:
    """A columnar batch with every kind of column."""
    columns: dict[str, Any] = {
        "model": "credit",
        "version": "7",
        "ids": identities([f"event-{i}" for i in range(n)]),
        "time_us": TIME_US + np.arange(n) * 1_000,
        "prediction": Categories.of([("approved", "rejected")[i % 2] for i in range(n)]),
        "latency_ms": 10.0 + np.arange(n),
        "score": (1.0 + np.arange(n)) / (n + 1),
        "failed": np.zeros(n, np.bool_),
        "features": {
            "age": 30.0 + np.arange(n),
            "balance": np.where(np.arange(n) == 1, np.nan, 0.5),
            "job": Categories.of([None if i == 1 else "clerk" for i in range(n)]),
        },
        "groups": {"sex": Categories.of([("f", "m")[i % 2] for i in range(n)])},
        "segments": {"country": Categories.of(["NO"] * n)},
        "scores": {"approved": np.full(n, 0.75), "rejected": np.full(n, 0.25)},
        "dropped": 4,
        "sample_rate": 0.5,
    }
    return PredictionBatch(**(columns | changes))


def ground_truth_batch(n: int = 3, **changes: Any) -> GroundTruthBatch:
    """A columnar batch with every kind of column."""
    columns: dict[str, Any] = {
        "model": "credit",
        "ids": identities([f"event-{i}" for i in range(n)]),
        "time_us": TIME_US + np.arange(n) * 1_000,
        "label": Categories.of([None if i == 1 else "approved" for i in range(n)]),
        "revision": np.arange(n, dtype=np.int32),
        "retracted": np.arange(n) == 1,
    }
    return GroundTruthBatch(**(columns | changes))


def encoded(batch: PredictionBatch | GroundTruthBatch) -> bytes:
    if isinstance(batch, PredictionBatch):
        return encode_prediction_batch(batch)
    return encode_ground_truth_batch(batch)


def topic_of(batch: PredictionBatch | GroundTruthBatch) -> str:
    return PREDICTIONS if isinstance(batch, PredictionBatch) else GROUND_TRUTH


def as_lists(batch: PredictionBatch | GroundTruthBatch) -> dict[str, Any]:
    """A batch as plain lists, NaN as None, so that == compares it."""
    return {name: _plain(getattr(batch, name)) for name in type(batch).__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(column) for name, column in value.items()}
    if isinstance(value, Categories | ItemLists):
        return value.to_list()
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "S":
            return [value.tobytes()[i : i + 16].hex() for i in range(0, 16 * len(value), 16)]
        return [None if cell != cell else cell for cell in value.tolist()]
    return value


def row(batch: PredictionBatch | GroundTruthBatch, at: int = 0) -> dict[str, Any]:
    """One event of a batch."""

    def pick(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: column[at] for name, column in value.items()}
        return value[at] if isinstance(value, list) else value

    return {name: pick(value) for name, value in as_lists(batch).items()}


def column_kinds(columns: Mapping[str, Column]) -> dict[str, str]:
    return {
        name: "strings" if isinstance(column, Categories) else "numbers" for name, column in columns.items()
    }
