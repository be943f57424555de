"""How much memory a model takes, by its definition and its rate: measured on the core itself, and scaled."""

import gc
import sys
import types
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from streamgauge.schemas.batch import Categories, Column, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.durations import SECOND_US, format_duration
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.parking import PARKED_BYTES
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.core.rollups import FOLD_AFTER_US, Rollups
from streamgauge.streams.core.shelf import DictShelf

#: Enough that what a table reserves ahead does not count for much.
_EVENTS = 8_192
_WINDOWS = 4
_CATEGORIES = 8
_GROUPS = 3
_LONGEST_WINDOW_US = 86_400 * SECOND_US
_START_US = 1_800_000_000_000_000
#: What all objects of a process share, and what is not in its memory but here.
_SHARED = (
    type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, DictShelf,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sizing:
    """One version of one model.

    `rows` are predictions that a label can still reach, of which `cold_row_bytes` each stay in memory when
    they have left it. `windows` are all that are held, hours and days among them.
    """

    model: str
    rows: int
    row_bytes: float
    cold_row_bytes: float
    windows: int
    window_bytes: int
    other_bytes: int

    @property
    def total_bytes(self) -> int:
        """Memory of the worker that has the model's partition; about half as much is in the state topic."""
        return round(self.rows * self.row_bytes) + self.windows * self.window_bytes + self.other_bytes

    @property
    def least_bytes(self) -> int:
        """What stays in memory of a model that has traffic when all else is on the local disk."""
        return round(self.rows * self.cold_row_bytes) + self.windows * PARKED_BYTES + self.other_bytes


def size_of(definition: MonitorDefinition, rate_per_s: float, features: int = 0, segments: int = 0) -> Sizing:
    """Of a model that gets `rate_per_s` predictions a second, all labelled, of one version.

    `features` is how many an event has, if more than are declared; `segments` how many segments are live.

    >>> sizing = size_of(MonitorDefinition(model="credit", labels={"ttl": "1h"}), rate_per_s=10)
    >>> sizing.rows, sizing.windows, 30 < sizing.row_bytes < 300, sizing.least_bytes < sizing.total_bytes
    (36000, 19, True, True)
    """
    model = _fed(definition, features, segments)
    rows = ceil(rate_per_s * definition.labels.ttl / SECOND_US)
    (version,) = model.intake.versions.values()
    whole, windows = deep_bytes(model), len(version.windows)
    rows_bytes = deep_bytes(model.intake.join)
    version.windows.clear()
    gc.collect()
    without = deep_bytes(model)
    model.intake.join.predictions.settle()
    model.intake.join.predictions.cool(0)
    gc.collect()
    cold_bytes = deep_bytes(model.intake.join)
    learning = (definition.baseline.first or 0) * (2 + max(features, len(definition.features))) * 8
    return Sizing(
        definition.model,
        rows=rows,
        row_bytes=rows_bytes / _EVENTS,
        cold_row_bytes=cold_bytes / _EVENTS,
        windows=_held(definition),
        window_bytes=(whole - without) // windows,
        other_bytes=without - rows_bytes + learning,
    )


def _held(definition: MonitorDefinition) -> int:
    """Windows, hours and days that are held at a time, each about as large as a window."""
    ttl, lateness, grace = definition.labels.ttl, definition.lateness, definition.grace
    lengths, keeps = Rollups(definition.window).lengths, max(lateness, FOLD_AFTER_US)
    patience_us = max(ttl, lateness) + grace
    folds = bool(lengths) and ttl > keeps
    held = [(keeps + grace if folds else patience_us, definition.window)]
    held += [(patience_us, length) for length in lengths]
    return sum(ceil(time_us / length) + 1 for time_us, length in held)


def deep_bytes(root: object) -> int:
    """Everything that can be reached from an object, arrays included; what all objects share is left out."""
    total, seen, waiting = 0, set[int](), [root]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, _SHARED):
            continue
        seen.add(id(found))
        if isinstance(found, np.ndarray):
            # an array that owns its data has it in its size; a view's are its base's
            total += sys.getsizeof(found)
            waiting += [] if found.base is None else [found.base]
            continue
        total += sys.getsizeof(found)
        waiting += gc.get_referents(found)
    return total


def _fed(definition: MonitorDefinition, features: int, segments: int) -> ModelState:
    """A model like the one that is defined, after a few windows of made-up events."""
    # a longer window takes as much, and years of minutes to feed
    window = min(definition.window, _LONGEST_WINDOW_US)
    stored: dict[bytes, bytes] = {}
    partition = Partition(0, CoreSettings(clock="events"), DictShelf(stored))
    kept = ("model", "task", "pos_label", "features", "fairness")
    document = {name: value for name, value in definition.model_dump(mode="json").items() if name in kept}
    # nothing that was fed may be forgotten before it is measured
    document |= {"baseline": {"first": 200}, "lateness": "3660d", "labels": {"ttl": "3660d"}}
    document["window"] = format_duration(window)
    order = Define(actor="sizing", time_us=_START_US, model=definition.model, document=document)
    partition.apply([Message(CONTROL, 0, 0, None, encode_control(order)[0])])
    rng = np.random.default_rng(0)
    ids = np.frombuffer(rng.bytes(16 * _EVENTS), "S16")
    times = _START_US + np.sort(rng.integers(0, _WINDOWS * window, _EVENTS))
    said: Column = rng.normal(size=_EVENTS)
    if definition.task != "regression":
        said = _categories(rng, (definition.pos_label or "yes", "no"))
    columns: dict[str, Column] = {
        name: _categories(rng, _names(_CATEGORIES))
        if feature.kind == "categorical"
        else rng.normal(size=_EVENTS)
        for name, feature in definition.features.items()
    }
    columns |= {f"_{n}": rng.normal(size=_EVENTS) for n in range(features - len(columns))}
    for start in range(0, _EVENTS, 1_024):
        rows = slice(start, start + 1_024)
        served = PredictionBatch(
            model=definition.model,
            version="1",
            ids=ids[rows],
            time_us=times[rows],
            prediction=_rows(said, rows),
            score=rng.random(1_024),
            latency_ms=rng.lognormal(3.0, 1.0, 1_024),
            failed=np.zeros(1_024, np.bool_),
            features={name: _rows(column, rows) for name, column in columns.items()},
            groups={
                name: _rows(_categories(rng, _names(_GROUPS)), rows)
                for name in definition.fairness.groups or ()
            },
            segments={"segment": _rows(_categories(rng, _names(segments)), rows)} if segments else {},
        )
        none = np.zeros(1_024, np.int32)
        labels = GroundTruthBatch(definition.model, ids[rows], times[rows], _rows(said, rows), none, none > 0)
        partition.apply([Message(PREDICTIONS, start, 0, None, encode_prediction_batch(served))])
        partition.apply([Message(GROUND_TRUTH, start, 0, None, encode_ground_truth_batch(labels))])
    stored.update((key, value) for key, value in partition.checkpoint().changes if value is not None)
    return partition.models[definition.model]


def _names(count: int) -> tuple[str, ...]:
    return tuple(f"v{n}" for n in range(count))


def _categories(rng: np.random.Generator, values: tuple[str, ...]) -> Categories:
    return Categories(rng.integers(0, len(values), _EVENTS).astype(np.int32), values)


def _rows(column: Any, rows: slice) -> Any:
    return Categories(column.codes[rows], column.values) if isinstance(column, Categories) else column[rows]
