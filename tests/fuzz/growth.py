"""Messages of up to a megabyte, made to be as costly as their bytes allow: what each costs as it grows.

A family makes a message of about so many bytes. What it costs must grow as its size does.
"""

import json
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import thread_time
from typing import Any, NamedTuple

import numpy as np

from streamgauge.schemas.batch import Categories
from streamgauge.schemas.ids import identities
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.limits import DEFAULT
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.schemas.monitor import Fleet
from streamgauge.schemas.registry import schema
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.definitions import check
from tests.schemas.contract_events import (
    TIME_US,
    encoded,
    ground_truth_batch,
    label,
    prediction,
    prediction_batch,
)

LARGEST = DEFAULT.message_bytes - 1
Make = Callable[[int], bytes]


def _text(**fields: Any) -> bytes:
    return json.dumps(prediction(**fields)).encode()


def _with(literal: Callable[[int], str], field: str = "extra") -> Make:
    def make(size: int) -> bytes:
        return json.dumps(prediction(**{field: "HERE"})).replace('"HERE"', literal(size)).encode()

    return make


def _columns(rows: Callable[[int], int], **columns: Callable[[int], Any]) -> Make:
    def make(size: int) -> bytes:
        n = rows(size)
        return encoded(replace(prediction_batch(n), **{name: made(n) for name, made in columns.items()}))

    return make


def _words(n: int) -> Categories:
    return Categories(np.arange(n, dtype=np.int32), tuple(map(str, range(n))))


def _dictionary(size: int) -> bytes:
    """One event, whose column names a word for every ten bytes."""
    words = tuple(f"{i:08}" for i in range(size // 10))
    return encoded(replace(prediction_batch(1), features={"a": Categories(np.zeros(1, np.int32), words)}))


def _ranked(size: int) -> bytes:
    rows = min(max(size // 4_000, 1), DEFAULT.events)
    lists = ItemLists.of([[str(i) for i in range(900)]] * rows)
    return encoded(replace(prediction_batch(rows), prediction=lists, score=np.full(rows, np.nan), scores={}))


def _labels(size: int) -> bytes:
    n = min(size // 40, DEFAULT.events)
    return encoded(
        replace(ground_truth_batch(n), label=np.arange(n) + 0.5, ids=identities(map(str, range(n))))
    )


def _avro_map(size: int) -> bytes:
    """More keys than are allowed: they are read before they are counted."""
    return schema("prediction").write(
        prediction(time=TIME_US, groups={f"{i:07}": "x" for i in range(size // 11)})
    )


def _order(document: Mapping[str, Any], kind: str = "define", **more: Any) -> bytes:
    order = {"kind": kind, "actor": "a", "time": TIME_US, "model": "credit", "document": document, **more}
    return json.dumps(order).encode()


DATA: dict[str, tuple[str, Make]] = {
    "json: spaces": (PREDICTIONS, lambda size: _text() + b" " * size),
    "json: escapes": (PREDICTIONS, _with(lambda size: '"' + "\\u0041" * (size // 6) + '"')),
    "json: brackets in a text": (PREDICTIONS, _with(lambda size: '"' + "[" * size + '"')),
    "json: quotes": (PREDICTIONS, _with(lambda size: '"' + '\\"' * (size // 2) + '"')),
    "json: open quotes": (PREDICTIONS, _with(lambda size: '"\\' * (size // 2))),
    "json: brackets side by side": (PREDICTIONS, _with(lambda size: "[" + "[]," * (size // 3) + "[]]")),
    "json: digits": (PREDICTIONS, _with(lambda size: "9" * size, "latency_ms")),
    "json: digits of a fraction": (PREDICTIONS, _with(lambda size: "0." + "9" * size, "latency_ms")),
    "json: an exponent": (PREDICTIONS, _with(lambda size: "1e-" + "9" * size, "latency_ms")),
    "json: a long time": (PREDICTIONS, _with(lambda size: '"' + "2" * size + '"', "time")),
    "json: many features": (PREDICTIONS, lambda size: _text(features={str(i): i for i in range(size // 15)})),
    "json: one feature again and again": (
        PREDICTIONS,
        _with(lambda size: "{" + '"a":1,' * (size // 6) + '"a":1}', "features"),
    ),
    "avro: a map of many keys": (PREDICTIONS, _avro_map),
    "columns: a large dictionary": (PREDICTIONS, _dictionary),
    "columns: a class of its own each": (
        PREDICTIONS,
        _columns(lambda size: min(size // 100, DEFAULT.events), prediction=_words),
    ),
    "columns: a number of its own each": (
        PREDICTIONS,
        _columns(lambda size: min(size // 100, DEFAULT.events), prediction=lambda n: np.arange(n) + 0.25),
    ),
    "columns: 50 groups of many values": (
        PREDICTIONS,
        _columns(lambda size: max(size // 1_000, 1), groups=lambda n: {str(i): _words(n) for i in range(50)}),
    ),
    "columns: 50 segments of many values": (
        PREDICTIONS,
        _columns(
            lambda size: max(size // 1_000, 1), segments=lambda n: {str(i): _words(n) for i in range(50)}
        ),
    ),
    "columns: 1,000 features": (
        PREDICTIONS,
        _columns(
            lambda size: max(size // 9_000, 1),
            features=lambda n: {str(i): np.arange(n) for i in range(1_000)},
        ),
    ),
    "columns: 50 features of many values": (
        PREDICTIONS,
        _columns(
            lambda size: max(size // 1_000, 1), features=lambda n: {str(i): _words(n) for i in range(50)}
        ),
    ),
    "columns: long rankings": (PREDICTIONS, _ranked),
    "columns: labels": (GROUND_TRUTH, _labels),
    "json label: relevance": (
        GROUND_TRUTH,
        lambda size: json.dumps(label(label=None, relevance={str(i): 1 for i in range(size // 14)})).encode(),
    ),
    "control: a definition of many features": (
        CONTROL,
        lambda size: _order({"model": "credit", "features": {str(i): {} for i in range(size // 13)}}),
    ),
    "control: a definition of unknown fields": (
        CONTROL,
        lambda size: _order({"model": "credit"} | {f"f{i}": i for i in range(size // 20)}),
    ),
    "control: pairs of segments": (
        CONTROL,
        lambda size: _order({"model": "credit", "segments": {"pairs": [["a", "b"]] * (size // 12)}}),
    ),
    "control: a profile of many features": (
        CONTROL,
        lambda size: _order(
            {"schema": 1, "rows": 0, "prediction": None, "score": None, "errors": None}
            | {"features": {f"{i}": _CATEGORICAL for i in range(size // 240)}},
            "baseline",
        ),
    ),
    "control: a profile of many categories": (
        CONTROL,
        lambda size: _order(
            {"schema": 1, "rows": 0, "prediction": None, "score": None, "errors": None}
            | {"features": {"a": _many_categories(size // 14)}},
            "baseline",
        ),
    ),
}
_CATEGORICAL: dict[str, Any] = {
    "n": 1,
    "categories": ["a"],
    "counts": [1],
    "design_effects": [1.0],
    "stationary": True,
    "missing": {"k": 0, "n": 1},
    "novelty": [],
    "complete": True,
    "kind": "categorical",
}


def _many_categories(n: int) -> dict[str, Any]:
    return _CATEGORICAL | {"n": n, "categories": [f"{i:06}" for i in range(n)], "counts": [1] * n}


DEFINITIONS: dict[str, Make] = {
    "yaml: unknown fields": lambda size: b"model: a\n" + b"".join(b"f%d: 1\n" % i for i in range(size // 10)),
    "yaml: one field again and again": lambda size: b"model: a\n" + b"model: b\n" * (size // 9),
    "yaml: a long text": lambda size: b"model: " + b"a" * size,
    "yaml: a long duration": lambda size: b"model: a\nwindow: " + b"1m" * (size // 2),
    "yaml: digits": lambda size: b"model: a\ncooldown: " + b"9" * size,
    "yaml: sixties": lambda size: b"model: a\ncooldown: 1" + b":59" * (size // 3),
    "yaml: brackets": lambda size: b"model: a\nfeatures: " + b"[" * size,
    "yaml: braces": lambda size: b"model: a\nfeatures: " + b"{a: " * (size // 4),
    "yaml: many features": lambda size: (
        b"model: a\nfeatures:\n" + b"".join(b" f%d: {min: 1}\n" % i for i in range(size // 20))
    ),
    "yaml: aliases": lambda size: b"model: a\nx: &a [b]\ny: [" + b"*a," * (size // 3) + b"]",
    "yaml: documents": lambda size: b"".join(b"---\nmodel: m%d\n" % i for i in range(size // 18)),
    "yaml: comments": lambda size: b"model: a\n" + b"#\n" * (size // 2),
    "yaml: spaces": lambda size: b"model: a\nwindow:" + b" " * size + b"5m",
}


class Cost(NamedTuple):
    """What one message took: processor time, and memory at its peak beyond what there was before."""

    bytes: int
    seconds: float
    peak_bytes: int


def cost(family: str, size: int, traced: bool = False) -> Cost:
    """Of a message of about `size` bytes, through the core, or through what reads definitions.

    Memory is only known if it is `traced`, which takes several times as long.
    """
    if family in DEFINITIONS:
        text = DEFINITIONS[family](size).decode()
        return _measured(len(text), lambda: check("m.yaml", text), traced)
    topic, make = DATA[family]
    message = Message(topic, 1, TIME_US, b"credit", make(size))
    partition = Partition(0, CoreSettings(Fleet(max_models=3)))
    partition.apply([Message(PREDICTIONS, 0, TIME_US, b"credit", _text())])

    def run() -> None:
        partition.apply([message])
        partition.checkpoint()

    return _measured(len(message.value or b""), run, traced)


def _measured(size: int, run: Callable[[], object], traced: bool) -> Cost:
    if traced:
        tracemalloc.start()
    began = thread_time()
    run()
    seconds = thread_time() - began
    peak = tracemalloc.get_traced_memory()[1] if traced else 0
    tracemalloc.stop()
    return Cost(size, seconds, peak)
