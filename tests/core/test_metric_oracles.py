"""Every metric of every window agrees with scikit-learn, fairlearn, scipy or River, computed from the rows.

The windows are those in which formulas break: one class, one group, one event, nothing labelled, nothing
answered; and random ones.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamgauge.schemas.batch import Categories, Column, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.merge import take_rows
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.monitor import Fleet
from streamgauge.schemas.monitor_names import ERROR_DETECTORS
from streamgauge.schemas.monitor_names import METRICS as NAMES
from streamgauge.schemas.times import parse_time
from streamgauge.streams.core.bag import MOST_EXACT
from tests.core.oracles import ORACLES, Rows
from tests.core.scenario import SECOND_US, START_US, Feed, Run, define

WINDOW_US = 60 * SECOND_US
REFERENCE_WINDOWS, A_WINDOW = 5, 300
Rng = np.random.Generator
#: How far a value may be off; 1e-9 where nothing is said. Quantiles are relative.
TOLERANCE = {"latency": 0.0101, "label_lag": 0.0101, "wasserstein": 1e-4}
#: In windows of more than two thousand predictions, ranks of scores are read from 2,048 bins.
IN_BINS = {"roc_auc": 0.002, "average_precision": 0.002}
JOBS = np.array([None, "vet", "cook", "clerk", "smith", "poet"], object)


def binary(rng: Rng, n: int, **change: Any) -> Rows:
    """A classifier whose scores are far from calibrated, with everything that may be missing."""
    given = {
        "wrong": 0.1,
        "failing": 0.05,
        "labelled": 0.8,
        "jobs": 4,
        "age": 40.0,
        "unscored": 0.03,
        "mistyped": 0.05,
    } | change
    said = np.where(rng.random(n) < 0.5, "yes", "no").astype(object)
    true = np.where(rng.random(n) < given["wrong"], np.where(said == "yes", "no", "yes"), said)
    logit = rng.normal(np.where(true == "yes", 2.0, -1.0), 1.5)
    mistyped = rng.random(n) < given["mistyped"]
    age = np.where(rng.random(n) < 0.04, np.nan, rng.normal(given["age"], 10, n).round(1))
    return Rows(
        said=said,
        true=np.where(rng.random(n) < given["labelled"], true, None),
        failed=rng.random(n) < given["failing"],
        latency_ms=np.where(rng.random(n) < 0.03, np.nan, rng.lognormal(3, 1, n)),
        lag_s=rng.integers(1, 50, n).astype(float),
        score=np.where(rng.random(n) < given["unscored"], np.nan, 1 / (1 + np.exp(-logit))),
        features={
            "age": np.where(mistyped, np.nan, age),
            "job": JOBS[rng.integers(0, given["jobs"], n)],
        },
        groups={"sex": np.array(["f", "m", "x", None], object)[rng.choice(4, n, p=[0.5, 0.3, 0.18, 0.02])]},
        segments={"country": np.array(["NO", "SE"], object)[rng.integers(0, 2, n)]},
        pos_label="yes",
        live=frozenset(["NO", "SE"]),
        ranges={"age": (0.0, 60.0)},
        mistyped={"age": mistyped},
        repeats=n // 20,
    )  # fmt: skip


def regression(rng: Rng, n: int, **change: Any) -> Rows:
    given = {"spread": 1.0, "failing": 0.05, "labelled": 0.8, "size": 50.0} | change
    true = rng.normal(given["size"], 10, n)
    return Rows(
        said=true + rng.normal(0, given["spread"], n) * (1 + (true > 50)),
        true=np.where(rng.random(n) < given["labelled"], true, None),
        failed=rng.random(n) < given["failing"],
        latency_ms=rng.lognormal(3, 1, n),
        lag_s=rng.integers(1, 50, n).astype(float),
        score=np.full(n, np.nan),
        features={"size": np.where(rng.random(n) < 0.04, np.nan, true.round(1))},
    )


def multiclass(rng: Rng, n: int, **change: Any) -> Rows:
    rows = binary(rng, n, **change)
    classes = np.array(["red", "green", "blue"], object)
    true = rng.integers(0, 3, n)
    rows.said = classes[np.where(rng.random(n) < 0.3, rng.integers(0, 3, n), true)]
    rows.true = np.where(rng.random(n) < change.get("labelled", 0.8), classes[true], None)
    rows.score, rows.pos_label = np.full(n, np.nan), None
    rows.groups, rows.segments, rows.ranges = {}, {}, {}
    return rows


def ranking(rng: Rng, n: int, **change: Any) -> Rows:
    """Lists of 0 to 15 items out of 30, of which up to 5 are relevant, ranked or not."""
    given = {"failing": 0.05, "labelled": 0.8, "relevant": 6} | change
    items = [f"item-{number}" for number in range(30)]
    said, true = np.empty(n, object), np.full(n, None, object)
    for row in range(n):
        said[row] = rng.choice(items, rng.integers(1, 16), replace=False).tolist()
        if rng.random() < given["labelled"]:
            graded = rng.choice(items, rng.integers(0, given["relevant"]), replace=False).tolist()
            true[row] = {item: float(rng.integers(1, 4)) for item in graded}
    return Rows(
        said=said,
        true=true,
        failed=rng.random(n) < given["failing"],
        latency_ms=rng.lognormal(3, 1, n),
        lag_s=rng.integers(1, 50, n).astype(float),
        score=np.full(n, np.nan),
    )


def watched(rows: Rows) -> Rows:
    """Without what the definition says nothing of."""
    rows.groups, rows.segments, rows.ranges = {}, {}, {}
    return rows


def but(rows: Rows, **columns: Any) -> Rows:
    """The same with columns of one value each."""
    for name, value in columns.items():
        if name in rows.groups | rows.segments | rows.features:
            for kind in (rows.groups, rows.segments, rows.features):
                if name in kind:
                    kind[name] = np.full(rows.n, value, object if isinstance(value, str | None) else float)
        else:
            setattr(rows, name, np.full(rows.n, value, getattr(rows, name).dtype))
    return rows


Make = Callable[[Rng], Rows]
NO_EVENT = "no event"
#: Name of the task → (definition, reference, windows by name).
TASKS: dict[str, tuple[dict[str, Any], Callable[..., Rows], dict[str, Make]]] = {
    "binary": (
        {
            "task": "binary",
            "pos_label": "yes",
            "features": {"age": {"min": 0, "max": 60}},
            "fairness": {"groups": ["sex"], "min_n": 1},
            "segments": {"max": 2},
            "monitors": {"hddm_w": {}},
        },
        binary,
        {
            "random": lambda rng: binary(rng, 1_500),
            "drifted": lambda rng: binary(rng, 1_500, age=55.0, jobs=6),
            "many": lambda rng: binary(rng, 3_000),
            "another country": lambda rng: but(binary(rng, 200), country="DK"),
            "few": lambda rng: binary(rng, 30),
            "one class said": lambda rng: but(binary(rng, 200), said="no"),
            "one class true": lambda rng: but(binary(rng, 200), true="yes"),
            "one class": lambda rng: but(binary(rng, 200), true="yes", said="yes"),
            "one group": lambda rng: but(binary(rng, 200), sex="f"),
            "no group, no value": lambda rng: but(binary(rng, 200), sex=None, age=np.nan, job=None),
            "no score": lambda rng: but(binary(rng, 200), score=np.nan),
            "one event": lambda rng: binary(rng, 1, failing=0, labelled=1),
            "one event without a label": lambda rng: binary(rng, 1, failing=0, labelled=0),
            "two events": lambda rng: binary(rng, 2, failing=0, labelled=1),
            "nothing labelled": lambda rng: binary(rng, 200, labelled=0),
            "nothing answered": lambda rng: binary(rng, 200, failing=1.1),
            NO_EVENT: lambda rng: binary(rng, 0),
            "mostly wrong": lambda rng: binary(rng, 1_500, wrong=0.7),
        },
    ),
    "a classifier that all of River's detectors watch": (
        {"task": "binary", "pos_label": "yes", "monitors": {name: {} for name in ERROR_DETECTORS}},
        binary,
        {
            "as before": lambda rng: watched(binary(rng, 500)),
            "mostly wrong": lambda rng: watched(binary(rng, 500, wrong=0.9)),
            "right again": lambda rng: watched(binary(rng, 500)),
        },
    ),
    "a regression that all of River's detectors watch": (
        {"task": "regression", "monitors": {name: {} for name in ERROR_DETECTORS}},
        regression,
        {
            "as before": lambda rng: regression(rng, 500),
            "far off": lambda rng: regression(rng, 500, spread=20.0),
        },
    ),
    "regression": (
        {"task": "regression"},
        regression,
        {
            "random": lambda rng: regression(rng, 1_500),
            "drifted": lambda rng: regression(rng, 1_500, size=70.0),
            "few": lambda rng: regression(rng, 7),
            "one label": lambda rng: but(regression(rng, 200), true=50.0),
            "a label of zero": lambda rng: but(regression(rng, 200), true=0.0),
            "one event": lambda rng: regression(rng, 1, failing=0, labelled=1),
            "one event without a label": lambda rng: regression(rng, 1, failing=0, labelled=0),
            "nothing answered": lambda rng: regression(rng, 200, failing=1.1),
            "far off": lambda rng: regression(rng, 1_500, spread=20.0),
        },
    ),
    "ranking": (
        {"task": "ranking"},
        ranking,
        {
            "random": lambda rng: ranking(rng, 500),
            "nothing relevant": lambda rng: ranking(rng, 200, relevant=1),
            "one event": lambda rng: ranking(rng, 1, failing=0, labelled=1.1),
            "one event without a label": lambda rng: ranking(rng, 1, failing=0, labelled=0),
            "nothing answered": lambda rng: ranking(rng, 200, failing=1.1),
        },
    ),
    "multiclass": (
        {"task": "multiclass"},
        multiclass,
        {
            "random": lambda rng: multiclass(rng, 1_500),
            "one class": lambda rng: but(multiclass(rng, 200), true="red", said="red"),
            "one class said": lambda rng: but(multiclass(rng, 200), said="red"),
            "one event": lambda rng: multiclass(rng, 1, failing=0, labelled=1),
            "few": lambda rng: multiclass(rng, 6, failing=0, labelled=1),
        },
    ),
}  # fmt: skip
CASES = [(task, window) for task, (_, _, windows) in TASKS.items() for window in windows]


@pytest.fixture(scope="module")
def told() -> dict[tuple[str, str], tuple[Rows, list[Mapping[str, Any]]]]:
    """The rows of every window, and what was finally published of it."""
    return {key: found for task in TASKS for key, found in tell(task)}


def tell(task: str) -> Iterator[tuple[tuple[str, str], tuple[Rows, list[Mapping[str, Any]]]]]:
    definition, make, windows = TASKS[task]
    rng, run, feed = np.random.default_rng(7), Run(Fleet(models=1, streams=20)), Feed()
    first = REFERENCE_WINDOWS * A_WINDOW
    run.apply(feed.definitions([define("m", **{"baseline": {"first": first}, **definition})]))
    before: list[Rows] = []
    for number, name in enumerate([""] * (REFERENCE_WINDOWS + 1) + [*windows, ""]):
        rows = (
            windows[name](rng) if name else make(rng, A_WINDOW, failing=0, labelled=1, unscored=0, mistyped=0)
        )
        rows.reference = joined(before[:REFERENCE_WINDOWS]) if len(before) >= REFERENCE_WINDOWS else None
        rows.before = tuple(before[REFERENCE_WINDOWS:])
        if rows.n:
            send(run, feed, rng, rows, START_US + number * WINDOW_US)
        before.append(rows)
    found: dict[int, list[Mapping[str, Any]]] = {}
    for record in run.finish().final().values():
        if record["segment"] == {}:
            found.setdefault(parse_time(record["window"]["start"]), []).append(record)
    for number, name in enumerate(windows, REFERENCE_WINDOWS + 1):
        yield (task, name), (before[number], found.get(START_US + number * WINDOW_US, []))


def send(run: Run, feed: Feed, rng: Rng, rows: Rows, start_us: int) -> None:
    ids = np.frombuffer(rng.bytes(16 * rows.n), "S16")
    time_us = start_us + np.sort(rng.integers(0, WINDOW_US, rows.n))
    labels = np.array([true is not None for true in rows.true], bool)
    said = rows.said.copy()
    if said.dtype == object:
        said[rows.failed] = None
    else:
        said[rows.failed] = np.nan
    mistyped = rows.mistyped.get("age", np.zeros(rows.n, bool))
    predictions = PredictionBatch(
        model="m", version="1", ids=ids, time_us=time_us, prediction=column(said),
        latency_ms=rows.latency_ms, score=np.where(rows.failed, np.nan, rows.score), failed=rows.failed,
        features={name: column(values) for name, values in rows.features.items()},
        groups={name: Categories.of(values.tolist()) for name, values in rows.groups.items()},
        segments={name: Categories.of(values.tolist()) for name, values in rows.segments.items()},
    )  # fmt: skip
    text = Categories.of(["old"] * int(mistyped.sum()))
    parts = [take_rows(predictions, ~mistyped), take_rows(predictions, mistyped)]
    parts[1] = replace(parts[1], features={**parts[1].features, "age": text})
    parts.append(take_rows(predictions, np.arange(rows.n) < rows.repeats))
    run.apply([feed.message(PREDICTIONS, encode_prediction_batch(part)) for part in parts if len(part)])
    if labels.any():
        none, no = np.zeros(labels.sum(), np.int32), np.zeros(labels.sum(), np.bool_)
        due_us = time_us + np.rint(rows.lag_s * SECOND_US).astype(np.int64)
        true = rows.true[labels].astype(rows.said.dtype)
        batch = GroundTruthBatch("m", ids[labels], due_us[labels], column(true), none, no)
        run.apply([feed.message(GROUND_TRUTH, encode_ground_truth_batch(batch))])
    run.commit()


def column(values: np.ndarray[Any, Any]) -> Column | ItemLists:
    if values.dtype != object:
        return values.astype(np.float64)
    kinds = {type(value) for value in values.tolist() if value is not None}
    if kinds == {list}:
        return ItemLists.of(values.tolist())
    if kinds == {dict}:
        return ItemLists.graded(values.tolist())
    return Categories.of(values.tolist())


def joined(parts: list[Rows]) -> Rows:
    def stacked(name: str) -> Any:
        first = getattr(parts[0], name)
        if isinstance(first, dict):
            return {key: np.concatenate([getattr(part, name)[key] for part in parts]) for key in first}
        return np.concatenate([getattr(part, name) for part in parts])

    names = ("said", "true", "failed", "latency_ms", "lag_s", "score", "features", "groups", "segments")
    return Rows(**{name: stacked(name) for name in names}, pos_label=parts[0].pos_label)


def test_every_metric_has_an_oracle_and_every_oracle_a_metric() -> None:
    assert set(ORACLES) == NAMES


@pytest.mark.parametrize(("task", "window"), CASES, ids=[": ".join(case) for case in CASES])
def test_what_is_published_is_what_the_oracles_say(told: Any, task: str, window: str) -> None:
    rows, records = told[task, window]
    assert bool(records) == (window != NO_EVENT)
    wrong = []
    for record in records:
        metric, feature, group = record["metric"], record["feature"], record["group"] or record["class"]
        value = ORACLES[metric](rows, feature, group)
        if not agrees(metric, record["value"], value, rows.n):
            wrong.append((metric, feature, group, record["value"], value))
    assert not wrong


def test_every_metric_has_a_value_in_some_window_and_the_defined_ones_are_never_left_out(told: Any) -> None:
    valued = {r["metric"] for _, records in told.values() for r in records if r["value"] is not None}
    assert valued == NAMES


def agrees(metric: str, found: float | None, value: float | None, n: int) -> bool:
    if found is None or value is None:
        return found is value
    allowed = TOLERANCE | (IN_BINS if n > MOST_EXACT else {})
    tolerance = next((off for name, off in allowed.items() if metric.startswith(name)), 1e-9)
    if metric.startswith(("latency", "label_lag")):
        return math.isclose(found, value, rel_tol=tolerance)
    return math.isclose(found, value, rel_tol=1e-9, abs_tol=tolerance)
