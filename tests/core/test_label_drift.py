"""Label drift: alerts when labels come otherwise than at first, and distances that corrections restate."""

import random
from typing import Any

import numpy as np
import pytest

from streamgauge.detectors.divergence import js_distance, shares
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.times import parse_time
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, define, length_us
from tests.core.test_feature_exactness import cut_by
from tests.core.test_partition_alerts import ALONE, Columns, Rng, classifier, regressor, story

FIRST = 200
TASKS: dict[str, dict[str, Any]] = {
    "classes": {"task": "binary", "pos_label": "yes"},
    "numbers": {"task": "regression"},
}


def sent(task: str, seed: int, n: int = 600) -> list[Sent]:
    """Every prediction gets its label a minute later; of some it is corrected, of some retracted."""
    chance = random.Random(seed)
    events: list[tuple[int, str, dict[str, Any]]] = []

    def value(i: int) -> Any:
        if task == "classes":
            return chance.choice(["yes", "no"] if i < 400 else ["yes", "yes", "yes", "no"])
        return chance.gauss(50 if i < 400 else 58, 10)

    for i in range(n):
        time_us, ident = START_US + i * SECOND_US, {"prediction_id": f"p{i}", "model": "m"}
        events.append((time_us, PREDICTIONS, ident | {"version": "1", "prediction": value(i)}))
        late_us = time_us + chance.randrange(50, 70) * SECOND_US
        events.append((late_us, GROUND_TRUTH, ident | {"label": value(i)}))
        if chance.random() < 0.2:
            change = (
                {"label": value(i), "revision": 1}
                if chance.random() < 0.7
                else {"label": None, "revision": 1}
            )
            events.append(
                (late_us + SECOND_US, GROUND_TRUTH, ident | change | {"retracted": change["label"] is None})
            )
    events.sort(key=lambda event: event[0])
    return [(topic, event | {"time": time_us}) for time_us, topic, event in events]


def told(task: str, events: list[Sent], sizes: list[int], restarts: bool = False) -> Run:
    feed = Feed()
    definitions = feed.definitions([define("m", baseline={"first": FIRST}, **TASKS[task])])
    return cut_by(definitions + feed.singles(events), sizes, restarts)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_distances_are_those_of_the_labels_that_count_in_the_end(task: str) -> None:
    events = sent(task, 1)
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for topic, event in events:
        if topic == GROUND_TRUTH:
            if event["label"] is not None:
                first.setdefault(event["prediction_id"], event["label"])
            last[event["prediction_id"]] = event["label"]
    reference = list(first)[:FIRST]
    values = np.array([first[ident] for ident in reference])
    if task == "classes":
        edges = None
        bins = ["yes", "no"]
        expected = np.array([(values == b).sum() for b in bins])
    else:
        ranks = np.quantile(values, np.arange(1, 20) / 20, method="inverted_cdf")
        edges = np.unique(ranks)
        expected = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    found = {
        r["window"]["start"]: r
        for r in told(task, events, [40]).final().values()
        if r["feature"] == "label" and r["metric"] == "js_distance" and length_us(r) == 60 * SECOND_US
    }
    assert found
    windows: dict[int, list[Any]] = {}
    for ident, label in last.items():
        if ident not in reference and label is not None:
            time_us = START_US + int(ident[1:]) * SECOND_US
            windows.setdefault(time_us - time_us % (60 * SECOND_US), []).append(label)
    for start, record in found.items():
        labels = np.array(windows[parse_time(start)])
        counts = (
            np.array([(labels == b).sum() for b in bins])
            if edges is None
            else np.bincount(np.searchsorted(edges, labels), minlength=len(edges) + 1)
        )
        assert record["value"] == pytest.approx(js_distance(shares(expected), shares(counts)), abs=1e-12)
        assert record["n"] == len(labels)
    assert len(found) == len(windows)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_how_messages_are_cut_does_not_show(task: str) -> None:
    events = sent(task, 2)
    whole = told(task, events, [len(events) + 1])
    for sizes in ([1], [7, 1, 60]):
        assert told(task, events, sizes).final() == whole.final()


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_restarts_do_not_show(task: str) -> None:
    events = sent(task, 3)
    steady, interrupted = told(task, events, [45]), told(task, events, [45], restarts=True)
    assert interrupted.outputs == steady.outputs
    assert interrupted.state == steady.state


def other_labels(rng: Rng, n: int, *, turned: float = 0.0) -> Columns:
    """Only the labels change: answers stay as they were."""
    columns = classifier(rng, n)
    label = np.where(rng.random(n) < turned, 1, columns["label"].codes).astype(np.int32)
    return columns | {"label": Categories(label, ("no", "yes"))}


def larger_labels(rng: Rng, n: int, *, more: float = 0.0) -> Columns:
    columns = regressor(rng, n)
    return columns | {"label": columns["label"] + more}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "change", "says"),
    [
        (other_labels, {"turned": 0.4}, ("label no down", "label yes up")),
        (larger_labels, {"more": 6.0}, ("label up",)),
    ],
    ids=["classes", "numbers"],
)
def test_labels_that_change_open_one_alert_and_their_end_resolves_it(
    columns: Any, change: dict[str, float], says: tuple[str, ...]
) -> None:
    definition = {"task": "regression"} if columns is larger_labels else {}
    run = story(columns, **ALONE, **definition).tell(15, columns)
    assert run.alerts() == []
    run.tell(10, columns, **change).tell(40, columns)
    assert run.states("label_drift") == ["opened", "resolved"]
    opened = run.alerts("label_drift")[0]
    assert [c["feature"] for c in opened["contributors"]] == ["label"]
    assert any(words in opened["summary"] for words in says)


def test_a_switched_off_monitor_says_nothing_and_its_distances_stay() -> None:
    run = story(other_labels, monitors={"label_drift": {"enabled": False}}).tell(15, other_labels)
    run.tell(10, other_labels, turned=0.4)
    assert run.alerts("label_drift") == []
    distances = [r for r in run.run.final().values() if r["feature"] == "label" and r["metric"] == "psi"]
    assert max(r["value"] for r in distances) > 0.1


@pytest.mark.slow
def test_a_window_whose_labels_were_all_retracted_has_no_distance() -> None:
    events = sent("classes", 4)
    gone = [
        (topic, event | {"label": None, "retracted": True, "revision": 9, "time": event["time"] + 1})
        for topic, event in events
        if topic == GROUND_TRUTH and event.get("revision", 0) == 0 and int(event["prediction_id"][1:]) >= 540
    ]
    records = told("classes", sorted(events + gone, key=lambda e: e[1]["time"]), [30]).final().values()
    last = [
        r for r in records if r["feature"] == "label" and r["window"]["start"].startswith("2026-11-21T10:09")
    ]
    assert {r["metric"] for r in last} >= {"psi", "js_distance", "chi2"}
    assert [(r["value"], r["n"]) for r in last if r["metric"] == "psi"] == [(None, 0)]
