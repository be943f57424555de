"""`streamgauge replay`: what it compares, what it tells, and what it refuses to begin with."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from streamgauge.cli.main import main
from streamgauge.cli.progress import ProgressBar
from tests.core.scenario import SECOND_US, START_US

MONITORS = """\
model: credit
task: binary
pos_label: "yes"
window: 1m
grace: 10s
lateness: 2m
labels: {{ttl: 5m, min_coverage: 0.3}}
monitors: {{accuracy: {{min: {minimum}}}}}
"""


@pytest.fixture
def history(tmp_path: Path) -> list[str]:
    """Half an hour of predictions; from the 10th to the 20th minute six of ten are wrong, else one is."""
    predictions, labels = [], []
    for i in range(1_800):
        wrong = i % 10 < (6 if 600 <= i < 1_200 else 1)
        event = {"prediction_id": f"p{i}", "model": "credit", "time": START_US + i * SECOND_US}
        predictions.append({**event, "prediction": "yes" if i % 2 else "no"})
        labels.append(
            {**event, "time": event["time"] + 5 * SECOND_US, "label": "yes" if i % 2 != wrong else "no"}
        )
    for name, events in (("predictions", predictions), ("labels", labels)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    for name, minimum in (("loose", 0.5), ("usual", 0.8), ("strict", 0.95)):
        (tmp_path / f"{name}.yaml").write_text(MONITORS.format(minimum=minimum))
    return [f"--predictions={tmp_path}/predictions.jsonl", f"--ground-truth={tmp_path}/labels.jsonl"]


def compare(history: list[str], tmp_path: Path, a: str, b: str, *more: str) -> int:
    return main(
        ["replay", *history, f"--monitors={tmp_path}/{a}.yaml", f"--what-if={tmp_path}/{b}.yaml", *more]
    )


def test_what_if_tells_which_alerts_only_one_file_gives(
    history: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(history, tmp_path, "loose", "usual", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["only_a"], found["changed"]) == (0, [], [])
    [episode] = found["only_b"]
    assert (episode["model"], episode["monitor"], episode["segment"]) == ("credit", "accuracy", {})
    assert "2026-11-21T10:10" < episode["opened_at"] < episode["ended_at"] < "2026-11-21T10:25"
    assert found["counts"]["a"]["applied"] == found["counts"]["b"]["applied"] == 3_600


def test_what_if_tells_which_alerts_come_at_another_time(
    history: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(history, tmp_path, "usual", "strict") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == (
        "alerts: 0 the same, 1 at another time or severity, 0 only with usual.yaml, 0 only with strict.yaml"
    )
    assert lines[0].startswith("both, usual.yaml")
    assert lines[1].strip().startswith("strict.yaml")
    assert "credit accuracy" in lines[0]


def test_what_if_says_when_nothing_differs_and_writes_both_if_asked(
    history: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert compare(history, tmp_path, "usual", "usual", f"--out={out}") == 0
    assert capsys.readouterr().out.startswith("alerts: 1 the same, 0 at another time")
    for name in ("metrics", "alerts", "retrain-requests", "dead-letters"):
        assert (out / f"{name}.jsonl").read_bytes() == (out / "what-if" / f"{name}.jsonl").read_bytes()


def test_a_window_that_is_too_short_for_the_traffic_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "thin.jsonl"
    event = {"model": "credit", "prediction": "yes"}
    events = [{**event, "prediction_id": f"p{i}", "time": START_US + i * 60 * SECOND_US} for i in range(120)]
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    assert main(["replay", f"--predictions={path}", f"--out={tmp_path / 'out'}"]) == 0
    told = capsys.readouterr().err
    assert "doubtful: credit: a window of 5m holds 5.0 predictions on average" in told
    assert "window: 6h would hold" in told


def test_what_if_gives_what_two_replays_give(history: list[str], tmp_path: Path) -> None:
    assert compare(history, tmp_path, "usual", "strict", f"--out={tmp_path / 'both'}") == 0
    for name, out in (("usual", tmp_path / "both"), ("strict", tmp_path / "both" / "what-if")):
        alone = tmp_path / name
        assert main(["replay", *history, f"--monitors={tmp_path}/{name}.yaml", f"--out={alone}"]) == 0
        for topic in ("metrics", "alerts"):
            assert (alone / f"{topic}.jsonl").read_bytes() == (out / f"{topic}.jsonl").read_bytes()


@pytest.mark.parametrize(("monitors", "still_open"), [("usual", 0), ("strict", 1)])
def test_the_summary_says_how_many_alerts_are_open_at_the_end(
    monitors: str, still_open: int, history: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replay = ["replay", *history, f"--monitors={tmp_path}/{monitors}.yaml", f"--out={tmp_path / 'out'}"]
    assert main(replay) == 0
    assert f"({still_open} still open at the end)" in capsys.readouterr().out
    assert main([*replay, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["still_open"] == still_open


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of the arguments --predictions --from-topics is required"),
        (["--predictions=p.jsonl"], "--out"),
        (["--predictions=p.jsonl", "--from-topics", "--out=o"], "not allowed with argument"),
        (["--from-topics", "--ground-truth=l.jsonl", "--out=o"], "without --ground-truth"),
        (["--predictions=p.jsonl", "--since=2026-11-21T10:00:00Z", "--out=o"], "go with --from-topics"),
        (["--from-topics", "--since=yesterday", "--out=o"], "for example 2026-11-21T10:00:00Z"),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_is_missing(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["replay", *arguments])
    assert exit.value.code == 2
    assert said in capsys.readouterr().err


def test_columns_of_no_use_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.csv"
    path.write_text("prediction_id,model,time,prediction,feature.age\na,m,2026-11-21T10:00:00Z,yes,41\n")
    assert main(["replay", f"--predictions={path}", f"--out={tmp_path / 'out'}"]) == 0
    assert f"{path}: columns that are not read: feature.age" in capsys.readouterr().err


def test_what_is_odd_in_a_history_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Any] = [
        {"prediction_id": f"p{i}", "model": "m", "time": START_US + i, "prediction": 1} for i in range(20)
    ]
    events[3]["time"] += 10**15
    events[5]["prediction"] = events[6]["prediction"] = None
    events[8]["prediction_id"] = "p7"
    events[9]["model"] = "m" * 9_999
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert main(["replay", f"--predictions={path}", f"--out={tmp_path / 'out'}"]) == 0
    told = capsys.readouterr()
    summary = "16 events applied, 3 refused, 1 that had come before, 1 with a time from the future: "
    assert told.out.startswith(summary)
    assert told.err.splitlines() == [
        f"refused: 2 missing_field; the first: {path}:6: neither prediction nor error is given",
        f"refused: 1 oversized; the first: {path}:10: model: expected str of length <= 256",
        f"{tmp_path / 'out' / 'dead-letters.jsonl'} has all of them",
    ]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.5
        return self.now


def test_progress_is_a_line_for_each_tenth_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streamgauge.cli.progress.time", Clock())
    with ProgressBar("replaying") as bar:
        for done in range(1_001):
            bar(done, 1_000)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" in ")[0] for line in lines] == [
        f"replaying: {tenth} %" for tenth in range(10, 101, 10)
    ]


def test_progress_is_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streamgauge.cli.progress.time", Clock())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ProgressBar("replaying") as bar:
        for done in range(10):
            bar(done, 9)
    assert "replaying" in capsys.readouterr().err
