"""`streamgauge replay`: files through the core, from the command line."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamgauge.cli.main import main
from streamgauge.schemas.times import format_time, parse_time
from tests.core.naive import Naive, differences
from tests.core.scenario import SECOND_US, START_US, define

MONITORS = """\
models: 1
---
model: credit
task: binary
pos_label: "yes"
window: 1m
grace: 10s
lateness: 2m
labels: {ttl: 5m, min_coverage: 0.3}
fairness: {min_n: 5}
"""
FILES = ("metrics.jsonl", "alerts.jsonl", "retrain-requests.jsonl", "dead-letters.jsonl")


def write(path: Path, rows: Iterable[Any]) -> Path:
    """One event a line; text as it is."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def prediction(number: int, second: float, **changes: Any) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}",
        "model": "credit",
        "version": "7",
        "time": format_time(START_US + int(second * SECOND_US)),
        "prediction": ["yes", "no"][number % 3 == 0],
        "score": number % 17 / 17,
        "latency_ms": 1.0 + number % 40,
        "groups": {"sex": "fm"[number % 2]},
        "segments": {"country": ["NO", "SE"][number % 5 == 0]},
        **changes,
    }


def label(number: int, second: float, **changes: Any) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}",
        "model": "credit",
        "time": format_time(START_US + int(second * SECOND_US)),
        "label": ["yes", "no"][number % 4 == 0],
        **changes,
    }


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Ten minutes of predictions, and labels that come 30 s later; the arguments that name them."""
    predictions = [prediction(i, 3 * i) for i in range(200)]
    labels = [label(i, 3 * i + 30) for i in range(200) if i % 7]
    (tmp_path / "monitors.yaml").write_text(MONITORS)
    return [
        f"--predictions={write(tmp_path / 'predictions.jsonl', predictions)}",
        f"--ground-truth={write(tmp_path / 'labels.jsonl', labels)}",
        f"--monitors={tmp_path / 'monitors.yaml'}",
    ]


def test_twice_gives_the_same_bytes(files: list[str], tmp_path: Path) -> None:
    for out in ("one", "two"):
        assert main(["replay", *files, f"--out={tmp_path / out}"]) == 0
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "metrics.jsonl").stat().st_size > 0


@pytest.mark.slow
def test_files_are_merged_by_time_and_every_window_says_what_their_events_say(
    files: list[str], tmp_path: Path
) -> None:
    assert main(["replay", *files, f"--out={tmp_path / 'out'}"]) == 0
    naive = Naive([define("credit", task="binary", pos_label="yes", fairness={"min_n": 5})])
    for event in read(tmp_path / "predictions.jsonl"):
        naive.predict(event)
    naive.models["credit"].now_us = START_US  # labels came between the predictions, not after them
    for event in read(tmp_path / "labels.jsonl"):
        naive.label(event)
    assert differences(read(tmp_path / "out" / "metrics.jsonl"), naive.metrics()) == []


def test_the_end_of_the_files_makes_every_window_final(files: list[str], tmp_path: Path) -> None:
    assert main(["replay", *files, f"--out={tmp_path / 'out'}"]) == 0
    status: dict[Any, str] = {}
    for record in read(tmp_path / "out" / "metrics.jsonl"):
        status[record["metric"], record["window"]["start"], str(record["segment"])] = record["status"]
    assert set(status.values()) == {"final"}
    assert len({start for _, start, _ in status}) == 10 + 1  # and the day; the hour begins with a window


def test_a_dead_letter_names_the_line_it_came_from(tmp_path: Path) -> None:
    rows = [prediction(0, 0), "", "no json", prediction(1, 1), prediction(2, 2, latency_ms=-1)]
    predictions = write(tmp_path / "predictions.jsonl", rows)
    labels = write(
        tmp_path / "labels.jsonl", [label(0, 5), label(1, 6, label=None), label(9, 7), label(1, 8)]
    )
    (tmp_path / "monitors.yaml").write_text(MONITORS)
    assert (
        main(
            [
                "replay",
                f"--predictions={predictions}",
                f"--ground-truth={labels}",
                f"--monitors={tmp_path / 'monitors.yaml'}",
                f"--out={tmp_path / 'out'}",
            ]
        )
        == 0
    )
    letters = [
        (letter["topic"].rpartition(".")[2], letter["offset"], letter["reason"])
        for letter in read(tmp_path / "out" / "dead-letters.jsonl")
    ]
    assert sorted(letters) == [
        ("ground-truth", 2, "missing_field"),
        ("ground-truth", 3, "orphaned"),
        ("predictions", 3, "undecodable"),
        ("predictions", 5, "out_of_range"),
    ]
    [quoted] = [x for x in read(tmp_path / "out" / "dead-letters.jsonl") if x["reason"] == "undecodable"]
    assert base64.b64decode(quoted["value"]) == b"no json"


def test_the_summary_counts_every_event_once(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", *files, f"--out={tmp_path / 'out'}", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    sent = len(read(tmp_path / "predictions.jsonl")) + len(read(tmp_path / "labels.jsonl"))
    intake = ("applied", "duplicate", "stale_revision", "late", "dead_lettered")
    assert sum(counts[name] for name in intake) == sent
    assert counts["metrics"] == len(read(tmp_path / "out" / "metrics.jsonl"))


def test_predictions_alone_are_enough(files: list[str], tmp_path: Path) -> None:
    assert main(["replay", files[0], f"--out={tmp_path / 'deep' / 'out'}"]) == 0
    assert {record["metric"] for record in read(tmp_path / "deep" / "out" / "metrics.jsonl")} >= {
        "throughput_per_s",
        "label_coverage",
    }


@pytest.mark.parametrize("missing", ["predictions", "ground-truth", "monitors"])
def test_a_file_that_is_not_there_is_named_and_nothing_is_written(
    missing: str, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument for argument in files if not argument.startswith(f"--{missing}")]
    arguments = ["replay", *given, f"--{missing}={tmp_path / 'nowhere.jsonl'}", f"--out={tmp_path / 'out'}"]
    assert main(arguments) == 1
    assert "nowhere.jsonl" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_monitors_file_that_is_wrong_is_refused_before_anything_is_read(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "monitors.yaml").write_text("model: credit\nwindw: 1m\n")
    assert main(["replay", *files, f"--out={tmp_path / 'out'}"]) == 1
    assert "windw" in capsys.readouterr().err


QUIET = """\
models: 3
streams: 60
---
model: approval
task: binary
pos_label: "yes"
baseline: {first: 1000}
latency: {objective_ms: 200, target: 0.99}
fairness: {min_n: 30}
monitors: {accuracy: {min: 0.8}}
---
model: animals
task: multiclass
baseline: {first: 1000}
---
model: prices
task: regression
baseline: {first: 1000}
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_without_drift_there_is_no_alert(seed: int, tmp_path: Path) -> None:
    """Three models of twelve features, forty windows of five minutes."""
    rng = np.random.default_rng(seed)
    predictions, labels = [], []
    n = 40 * 60
    for model in ("approval", "animals", "prices"):
        time_us = START_US + np.sort(rng.integers(0, 40 * 300 * SECOND_US, n))
        numbers = {
            f"x{j}": draw.tolist()
            for j, draw in enumerate(
                [*rng.normal(size=(4, n)), *rng.lognormal(size=(2, n)), *rng.poisson(3, size=(2, n))]
            )
        }
        words = {
            f"c{j}": rng.choice(list("abcdef"), n, p=[0.4, 0.3, 0.15, 0.1, 0.04, 0.01]).tolist()
            for j in range(4)
        }
        missing = rng.random((n, 12)) < 0.01
        wrong = (rng.random(n) < 0.1).tolist()
        true: list[Any]
        if model == "prices":
            true = rng.normal(50, 10, n).tolist()
            answer = (np.array(true) + rng.normal(0, 2, n)).tolist()
        else:
            classes = ["yes", "no"] if model == "approval" else ["cat", "dog", "eel"]
            true = rng.choice(classes, n).tolist()
            answer = [
                classes[(classes.index(t) + w) % len(classes)] for t, w in zip(true, wrong, strict=True)
            ]
        failed = (rng.random(n) < 0.002).tolist()
        sex = rng.choice(["f", "m"], n).tolist()
        latency = rng.gamma(2, 15, n).tolist()
        for i in range(n):
            features = {name: column[i] for name, column in {**numbers, **words}.items()}
            features = {
                name: None if gone else v
                for (name, v), gone in zip(features.items(), missing[i], strict=True)
            }
            event = {
                "prediction_id": f"{model}-{i}", "model": model, "version": "1", "time": int(time_us[i]),
                "latency_ms": latency[i], "features": features, "groups": {"sex": sex[i]},
                "prediction": None if failed[i] else answer[i], "error": "timeout" if failed[i] else None,
            }  # fmt: skip
            predictions.append(event)
            labels.append(
                {"prediction_id": f"{model}-{i}", "model": model, "label": true[i],
                 "time": int(time_us[i]) + 60 * SECOND_US}
            )  # fmt: skip
    by_time = {"key": lambda event: event["time"]}
    (tmp_path / "monitors.yaml").write_text(QUIET)
    arguments = [
        f"--predictions={write(tmp_path / 'predictions.jsonl', sorted(predictions, **by_time))}",
        f"--ground-truth={write(tmp_path / 'labels.jsonl', sorted(labels, **by_time))}",
        f"--monitors={tmp_path / 'monitors.yaml'}",
    ]
    assert main(["replay", *arguments, f"--out={tmp_path / 'out'}"]) == 0
    assert read(tmp_path / "out" / "alerts.jsonl") == []
    assert read(tmp_path / "out" / "dead-letters.jsonl") == []
    metrics = read(tmp_path / "out" / "metrics.jsonl")
    spans = {(r["model"], parse_time(r["window"]["start"]), parse_time(r["window"]["end"])) for r in metrics}
    assert len([start for _, start, end in spans if end - start == 300 * SECOND_US]) == 120
    assert "psi" in {record["metric"] for record in metrics}
