"""The same events give the same metrics, in whichever format they are kept."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.message import ALERTS, DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS
from streamgauge.streams.core.partition import CoreSettings
from streamgauge.streams.replay import Replayed, Variant, replay
from streamgauge.streams.sources.history import FileHistory
from tests.core.naive import Naive, differences
from tests.core.scenario import SECOND_US, START_US, Feed, define
from tests.examples import examples
from tests.streams.histories import FORMATS, Event, write

BINARY = {"task": "binary", "pos_label": "yes", "fairness": {"min_n": 5}, "baseline": {"first": 200}}


def replayed(folder: Path, predictions: Path, labels: Path | None, *definitions: Any) -> Replayed:
    paths = {PREDICTIONS: predictions} | ({} if labels is None else {GROUND_TRUTH: labels})
    control = tuple(Feed().definitions(definitions))
    with FileHistory(paths) as history:
        [result] = replay(history, [Variant(CoreSettings(clock="events"), control, folder)])
    return result


def records(folder: Path, topic: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{topic}.jsonl").read_text().splitlines()]


def traffic(rng: np.random.Generator, n: int = 600, models: Sequence[str] = ("m",)) -> list[Event]:
    """Predictions with everything that an event can have, and with gaps."""
    events = []
    for i in range(n):
        score = float(rng.random())
        failed = bool(rng.random() < 0.02)
        events.append(
            {
                "prediction_id": f"p{i}",
                "model": models[i % len(models)],
                "version": ["7", "8"][int(rng.random() < 0.3)],
                "time": START_US + i * SECOND_US,
                "latency_ms": None if rng.random() < 0.1 else float(rng.gamma(2, 10)),
                "prediction": None if failed else ["no", "yes"][int(score > 0.5)],
                "score": score,
                "scores": {"yes": score, "no": 1 - score},
                "features": {
                    "age": None if rng.random() < 0.1 else float(rng.integers(18, 90)),
                    "income": float(rng.lognormal(10, 1)),
                    "job": None if rng.random() < 0.1 else str(rng.choice(["clerk", "cook", "pilot"])),
                },
                "groups": {"sex": str(rng.choice(["f", "m"]))},
                "segments": {"country": None if rng.random() < 0.1 else str(rng.choice(["NO", "SE"]))},
                "error": "timeout" if failed else None,
            }
        )
    return events


def answers(rng: np.random.Generator, predictions: Sequence[Event]) -> list[Event]:
    return [
        {
            "prediction_id": event["prediction_id"],
            "model": event["model"],
            "time": event["time"] + 20 * SECOND_US,
            "label": ["no", "yes"][int(rng.random() < event["score"])],
            "revision": 0,
            "retracted": False,
        }
        for event in predictions
        if rng.random() < 0.9
    ]


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS[1:])
def test_every_format_gives_the_bytes_that_jsonl_gives(format: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    predictions = traffic(rng, models=("m", "other"))
    labels = answers(rng, predictions)
    found = {}
    for name in ("jsonl", format):
        found[name] = replayed(
            tmp_path / name,
            write(
                tmp_path, "predictions", name, predictions, **({"text": ["version"]} if name == "csv" else {})
            ),
            write(tmp_path, "labels", name, labels),
            define("m", **BINARY),
        )
        assert not records(tmp_path / name, DEAD_LETTERS)
    metrics = [(tmp_path / name / f"{METRICS}.jsonl").read_bytes() for name in ("jsonl", format)]
    assert metrics[0] == metrics[1]
    assert len(metrics[0]) > 10_000
    assert found["jsonl"].counts == found[format].counts
    alerts = [records(tmp_path / name, ALERTS) for name in ("jsonl", format)]
    for alert in (*alerts[0], *alerts[1]):
        del alert["offsets"]  # numbers of lines; a CSV has one more
    assert alerts[0] == alerts[1]


def rankings(rng: np.random.Generator, n: int = 400) -> tuple[list[Event], list[Event]]:
    """What rankers answer, failures among it, and what was relevant: grades, corrected and taken back too."""
    predictions: list[Event] = []
    labels: list[Event] = []
    for i in range(n):
        event = {"prediction_id": f"p{i}", "model": "m", "version": "7", "time": START_US + i * SECOND_US}
        items = [f"item-{code}" for code in rng.permutation(30)[: rng.integers(0, 12)].tolist()]
        answer = {"error": "timeout"} if rng.random() < 0.05 else {"ranked": items}
        predictions.append({**event, **answer, "latency_ms": float(rng.gamma(2, 10))})
        del event["version"]
        event["time"] += 20 * SECOND_US
        relevance = {f"item-{code}": float(code % 4) for code in rng.permutation(30)[:5].tolist()}
        labels.append({**event, "relevance": relevance, "revision": 0, "retracted": False})
        if rng.random() < 0.1:
            labels.append({**event, "relevance": {"item-1": 1.0}, "revision": 1, "retracted": False})
        if rng.random() < 0.1:
            labels.append({**event, "relevance": None, "revision": 2, "retracted": True})
    return predictions, labels


@pytest.mark.parametrize("format", FORMATS[1:])
@pytest.mark.parametrize("listed", [False, True], ids=["grades", "lists"])
def test_rankings_give_the_bytes_that_jsonl_gives(format: str, listed: bool, tmp_path: Path) -> None:
    predictions, labels = rankings(np.random.default_rng(6))
    if listed:  # of items that are as relevant as each other
        labels = [{**event, "relevance": list(event["relevance"] or {}) or None} for event in labels]
    found = []
    for name in ("jsonl", format):
        texts = {"text": ["version"]} if name == "csv" else {}
        told = write(tmp_path, "predictions", name, predictions, **texts)
        replayed(tmp_path / name, told, write(tmp_path, "labels", name, labels), define("m", task="ranking"))
        assert not records(tmp_path / name, DEAD_LETTERS)
        found.append((tmp_path / name / f"{METRICS}.jsonl").read_bytes())
    assert found[0] == found[1]
    assert b'"ndcg_at_10"' in found[0]


@pytest.mark.parametrize("format", FORMATS[1:])
def test_rankers_and_classifiers_may_share_a_file(format: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    ranked, relevant = rankings(rng, 200)
    classes = [
        {**{key: value for key, value in event.items() if key != "features"}, "model": "other"}
        for event in traffic(rng, 200)
    ]
    truths = answers(rng, classes)
    found = []
    for name in ("jsonl", format):
        texts = {"text": ["version"]} if name == "csv" else {}
        told = write(tmp_path, "predictions", name, _by_time([*ranked, *classes]), **texts)
        labels = write(tmp_path, "labels", name, _by_time([*relevant, *truths]))
        replayed(tmp_path / name, told, labels, define("m", task="ranking"), define("other", **BINARY))
        assert not records(tmp_path / name, DEAD_LETTERS)
        found.append((tmp_path / name / f"{METRICS}.jsonl").read_bytes())
    assert found[0] == found[1]
    assert all(metric in found[0] for metric in (b'"mrr"', b'"accuracy"'))


def _by_time(events: list[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event["time"])


#: A list of items that cannot be one, and why; typed files hold no text in its place.
_WRONG_RANKINGS = {
    "a text": ("a", "wrong_type", ("jsonl", "csv")),
    "an item twice": (["a", "b", "a"], "inconsistent", FORMATS),
    "too many items": ([f"i{n}" for n in range(1_001)], "oversized", FORMATS),
    "a name that is too long": (["x" * 257], "oversized", FORMATS),
}


@pytest.mark.parametrize(
    ("format", "what"), [(format, what) for what, row in _WRONG_RANKINGS.items() for format in row[2]]
)
def test_a_wrong_ranking_is_a_dead_letter_and_the_rows_beside_it_count(
    format: str, what: str, tmp_path: Path
) -> None:
    value, reason, _ = _WRONG_RANKINGS[what]
    predictions, _ = rankings(np.random.default_rng(8), 50)
    predictions[20] = {**predictions[20], "ranked": value, "error": None}
    replayed(tmp_path, write(tmp_path, "predictions", format, predictions), None, define("m", task="ranking"))
    [letter] = records(tmp_path, DEAD_LETTERS)
    assert letter["reason"] == reason
    [served, *_] = [r for r in records(tmp_path, METRICS) if r["metric"] == "failure_rate"]
    assert served["n"] == 49


@pytest.mark.parametrize(
    ("grades", "reason"),
    [({"a": -1.0}, "out_of_range"), ({"a": 1e7}, "out_of_range")],
    ids=["below", "above"],
)
@pytest.mark.parametrize("format", FORMATS)
def test_grades_beyond_their_range_are_dead_letters(
    format: str, grades: dict[str, float], reason: str, tmp_path: Path
) -> None:
    predictions, labels = rankings(np.random.default_rng(9), 50)
    labels[20] = {**labels[20], "relevance": grades}
    told = write(tmp_path, "predictions", format, predictions)
    replayed(tmp_path, told, write(tmp_path, "labels", format, labels), define("m", task="ranking"))
    assert [letter["reason"] for letter in records(tmp_path, DEAD_LETTERS)] == [reason]


@pytest.mark.slow
def test_columns_are_counted_as_the_naive_model_counts_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    predictions = [{**event, "features": {}} for event in traffic(rng)]
    labels = answers(rng, predictions)
    definition = define("m", **(BINARY | {"baseline": {"first": 100_000}}))
    replayed(
        tmp_path / "out",
        write(tmp_path, "predictions", "parquet", predictions),
        write(tmp_path, "labels", "csv", labels),
        definition,
    )
    naive = Naive([definition])
    for event in predictions:
        naive.predict(event)
    naive.models["m"].now_us = START_US
    for event in labels:
        naive.label(event)
    assert differences(records(tmp_path / "out", METRICS), naive.metrics()) == []


_words = st.sampled_from(["yes", "no", "clerk", "æøå", "a,b", 'say "hi"', "1e5x", "true"])
_numbers = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-1_000, 1_000).map(float)
_good = st.fixed_dictionaries(
    {"prediction_id": st.sampled_from(["a", "b", "01975bcd-0000-7000-8000-0123456789ab", "c"])},
    optional={
        "version": st.sampled_from(["7", "8", ""]),
        "latency_ms": st.none() | st.floats(0, 1e6),
        "score": st.none() | st.floats(0, 1),
        "error": st.none() | st.sampled_from(["timeout", ""]),
        "features": st.fixed_dictionaries({}, optional={"x": st.none() | _numbers, "w": st.none() | _words}),
        "groups": st.fixed_dictionaries({}, optional={"sex": st.none() | _words}),
        "segments": st.fixed_dictionaries({}, optional={"country": st.none() | _words}),
        "scores": st.fixed_dictionaries({}, optional={"yes": st.floats(0, 1)}),
    },
)
#: What is wrong in a row, each with a type that all formats can hold.
_flaws = st.sampled_from(
    [{}] * 8
    + [{"latency_ms": -1.0}, {"score": 1.5}, {"prediction": None, "error": None}, {"time": 1}, {"model": ""}]
)


@examples(60)
@given(
    events=st.lists(
        st.tuples(_good, _words | st.none(), st.integers(-30, 90), _flaws), min_size=1, max_size=30
    ),
    task=st.sampled_from(["binary", "regression"]),
)
def test_whatever_the_events_are_the_formats_agree(
    events: list[tuple[dict[str, Any], Any, int, dict[str, Any]]], task: str
) -> None:
    time_us = START_US
    predictions = []
    for event, word, step, flaw in events:
        time_us += step * SECOND_US
        prediction = word if task == "binary" or word is None else float(len(word))
        given = {"model": "m", "time": time_us, "prediction": prediction, **event, **flaw}
        if given["prediction"] is None and not given.get("error") and not flaw:
            given["error"] = "timeout"
        predictions.append(given)
    definition = define("m", task=task)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        said = set()
        for format in FORMATS:
            # what Avro cannot leave out, the others may
            written = [{**event, "version": event.get("version", "")} for event in predictions]
            path = write(here, "p", format, written)
            counts = replayed(here / format, path, None, definition).counts
            letters = records(here / format, DEAD_LETTERS)
            shift = 1 if format == "csv" else 0
            said.add(
                (
                    (here / format / f"{METRICS}.jsonl").read_bytes(),
                    json.dumps(dict(counts), sort_keys=True),
                    json.dumps(sorted((letter["offset"] - shift, letter["reason"]) for letter in letters)),
                )
            )
        assert len(said) == 1, said


@pytest.mark.slow
def test_rows_may_be_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    predictions = traffic(rng)
    labels = answers(rng, predictions)
    outs = []
    for rows, block in ((1_000, 8_192), (37, 8_192), (1_000, 50)):
        monkeypatch.setattr("streamgauge.streams.sources.parquet.BLOCK_ROWS", block)
        monkeypatch.setattr("streamgauge.streams.sources.lines.BLOCK_ROWS", block)
        out = tmp_path / f"{rows}-{block}"
        replayed(
            out,
            write(tmp_path, "predictions", "parquet", predictions, rows=rows),
            write(tmp_path, "labels", "jsonl", labels),
            define("m", **BINARY),
        )
        outs.append((out / f"{METRICS}.jsonl").read_bytes())
    assert len(set(outs)) == 1
