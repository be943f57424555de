"""`streamgauge baseline`: what is built from files is what a worker learns, and can be looked at."""

import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from streamgauge.cli.main import main
from streamgauge.detectors.baseline import build_profile
from streamgauge.detectors.profile_merge import merge_profiles
from streamgauge.detectors.profile_review import review
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.schemas.profile_schema import profile_schema
from tests.core.scenario import SECOND_US, START_US, Feed, Run, define
from tests.streams.histories import FORMATS
from tests.streams.histories import write as write_as

Row = dict[str, Any]


def rows(
    n: int = 400, model: str = "m", version: str = "7", regression: bool = False
) -> tuple[list[Row], list[Row]]:
    """Predictions in the order of their time, and labels in another."""
    chance = random.Random(f"{n} {version}")
    predictions, labels = [], []
    for i in range(n):
        answer: Any = chance.gauss(10, 3) if regression else chance.choice(["yes", "no"])
        failed = i % 40 == 7
        event = {
            "prediction_id": f"p{i}",
            "model": model,
            "version": version,
            "time": START_US + i * SECOND_US,
            "prediction": None if failed else answer,
            "error": "timeout" if failed else None,
            "score": None if regression else chance.random(),
            "features": {"age": chance.gauss(40, 10), "job": chance.choice(["cook", "vet", None])},
        }
        predictions.append(event)
        truth: Any = answer + 1 if regression else answer if i % 10 else {"yes": "no", "no": "yes"}[answer]
        labels.append({"prediction_id": f"p{i}", "model": model, "time": event["time"], "label": truth})
    chance.shuffle(labels)
    return predictions, labels


def write(path: Path, lines: list[Row]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def build(
    tmp_path: Path, *arguments: str, predictions: list[Row], labels: list[Row] | None = None
) -> BaselineProfile:
    out = tmp_path / "profile.json"
    words = ["build", "--predictions", write(tmp_path / "predictions.jsonl", predictions), "--out", str(out)]
    if labels is not None:
        words += ["--ground-truth", write(tmp_path / "labels.jsonl", labels)]
    assert main(["baseline", *words, *arguments]) == 0
    return BaselineProfile.from_json(json.loads(out.read_text()))


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_what_is_built_from_a_file_is_what_a_worker_learns_from_its_rows(tmp_path: Path, task: str) -> None:
    predictions, _ = rows(regression=task == "regression")
    predictions.insert(50, predictions[49])  # a repeated id counts once
    built = build(tmp_path, "--rows", "250", predictions=predictions)
    feed = Feed()
    run = Run().apply(feed.definitions([define("m", baseline={"first": 250})]))
    run.apply(feed.singles((PREDICTIONS, event) for event in predictions))
    assert built.profile_id == run.partition.models["m"].intake.versions["7"].watch.baseline_id
    assert built.rows == 250


@pytest.mark.parametrize("format", FORMATS)
def test_files_of_every_format_give_the_same_profile(tmp_path: Path, format: str) -> None:
    predictions, labels = rows(100)
    files = write_as(tmp_path, "p", format, predictions), write_as(tmp_path, "l", format, labels)
    words = [
        "--predictions",
        str(files[0]),
        "--ground-truth",
        str(files[1]),
        "--out",
        str(tmp_path / "o.json"),
    ]
    assert main(["baseline", "build", *words]) == 0
    found = BaselineProfile.from_json(json.loads((tmp_path / "o.json").read_text()))
    assert found.profile_id == build(tmp_path, predictions=predictions, labels=labels).profile_id


def test_replay_judges_by_the_profile_that_its_definitions_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, _ = rows()
    path = write(tmp_path / "predictions.jsonl", predictions)
    stored(tmp_path / "normal.json", 1)
    monitors = tmp_path / "m.yaml"
    monitors.write_text("model: m\nwindow: 1m\nbaseline: {profile: normal.json}\n")
    words = ["--predictions", path, "--monitors", str(monitors), "--out", str(tmp_path / "out")]
    assert main(["replay", *words]) == 0
    metrics = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    first = [m for m in metrics if m["feature"] == "walk" and m["metric"] == "missing_rate"]
    assert first[0]["value"] == 1.0  # from the first window on, without learning
    assert first[0]["n"] == 60
    (tmp_path / "normal.json").unlink()
    assert main(["replay", *words]) == 1
    assert "cannot read" in capsys.readouterr().err


def test_errors_are_those_of_predictions_with_a_label(tmp_path: Path) -> None:
    predictions, labels = rows()
    labels += [{**labels[0], "label": None, "retracted": True, "revision": 1}]
    labels += [{**labels[1], "label": "yes", "revision": 2}, {**labels[1], "label": "no", "revision": 1}]
    found = build(tmp_path, predictions=predictions, labels=labels[:200] + labels[400:]).errors
    answers = {p["prediction_id"]: p["prediction"] for p in predictions}
    true = {label["prediction_id"]: label["label"] for label in labels[:200]}
    true[labels[0]["prediction_id"]] = None
    true[labels[1]["prediction_id"]] = "yes"
    pairs = [(answers[i], label) for i, label in true.items() if answers[i] and label]
    assert found is not None
    assert (found.k, found.n) == (sum(a != b for a, b in pairs), len(pairs))  # type: ignore[union-attr]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_what_labels_teach_is_what_a_worker_learns_from_them(tmp_path: Path, task: str) -> None:
    predictions, labels = rows(300, regression=task == "regression")
    labels.sort(key=lambda label: label["time"])
    built = build(tmp_path, "--rows", "300", predictions=predictions, labels=labels)
    assert built.errors is not None
    first = built.errors.n if task == "binary" else 300
    feed = Feed()
    run = Run().apply(feed.definitions([define("m", task=task, baseline={"first": first})]))
    run.apply(feed.singles((PREDICTIONS, event) for event in predictions))
    run.apply(feed.singles((GROUND_TRUTH, event) for event in labels))
    assert built.estimator is not None
    assert built.estimator.residuals.n == built.errors.n
    if task == "binary":
        assert run.partition.models["m"].intake.versions["7"].watch.estimates.estimator == built.estimator


def test_errors_of_a_regression_are_absolute(tmp_path: Path) -> None:
    predictions, labels = rows(regression=True)
    found = build(tmp_path, predictions=predictions, labels=labels).errors
    assert found is not None
    assert found.mean == pytest.approx(1.0)  # type: ignore[union-attr]
    assert found.n == 390


def test_what_was_used_of_the_files_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predictions, labels = rows()
    build(tmp_path, "--rows", "300", predictions=[*predictions, {"model": "m"}], labels=labels)
    said = capsys.readouterr().out
    assert "300 predictions of m, 2026-11-21T10:00 to 2026-11-21T10:04, 292 of them labelled" in said
    assert "100 after them were left out (--rows); 1 rows could not be read" in said
    assert "! 300 rows: shifts below half a deviation go unseen" in said
    build(tmp_path, "--json", predictions=predictions)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["labelled"], told["left"]) == (400, 0, 0)


def test_ranges_of_the_definitions_and_a_choice_of_features_are_kept(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("model: m\nfeatures: {age: {min: 18, max: 100}}\n")
    predictions, _ = rows()
    words = ("--monitors", str(tmp_path / "m.yaml"), "--feature", "age")
    found = build(tmp_path, *words, predictions=predictions)
    assert list(found.features) == ["age"]
    age = found.features["age"]
    assert (age.low, age.high) == (18.0, 100.0)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lines", "arguments", "said"),
    [
        ([], [], "holds no predictions"),
        ([{"model": "m"}], [], "holds no predictions"),
        (rows(5)[0] + rows(5, model="other")[0], [], "several models (m, other): name one"),
        (rows(5)[0] + rows(5, version="8")[0], [], "several versions of m ('7', '8'): name one"),
        (rows(5)[0], ["--version", "9"], "no predictions of version 9"),
        (rows(5)[0], ["--feature", "wage"], "has no feature wage"),
        (rows(5)[0], ["--monitors", "absent.yaml"], "cannot read absent.yaml"),
    ],
)
def test_what_cannot_be_built_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[Row], arguments: list[str], said: str
) -> None:
    path = write(tmp_path / "p.jsonl", lines)
    out = tmp_path / "out.json"
    assert main(["baseline", "build", "--predictions", path, "--out", str(out), *arguments]) == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_one_of_several_versions_can_be_named(tmp_path: Path) -> None:
    both = rows(300)[0] + [
        {**row, "prediction_id": f"x{i}"} for i, row in enumerate(rows(200, version="8")[0])
    ]
    assert build(tmp_path, "--version", "8", predictions=both).rows == 200


def stored(path: Path, seed: int, shift: float = 0.0, n: int = 2_000) -> str:
    rng = np.random.default_rng(seed)
    profile = build_profile(
        {
            "age": rng.normal(40 + shift, 10, n),
            "job": Categories.of(rng.choice(["cook", "vet"], n).tolist()),
            "walk": np.cumsum(rng.normal(size=n)),
        },
        Categories.of(rng.choice(["yes", "no"], n).tolist()),
        rng.random(n),
        (rng.random(n) < 0.1).astype(float),
    )
    path.write_text(json.dumps(profile.to_json()))
    return str(path)


def test_a_profile_of_next_to_nothing_is_not_said_to_see_half_a_deviation() -> None:
    rows = np.random.default_rng(0).normal(size=900)
    said = [review(build_profile({"age": rows[:n]}))[0].text for n in (900, 20)]
    assert said == [
        "900 rows: shifts below half a deviation go unseen",
        "20 rows: all but gross shifts may go unseen",
    ]


def test_inspect_shows_features_errors_and_what_to_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(tmp_path / "a.json", 1)
    assert main(["baseline", "inspect", path]) == 0
    said = capsys.readouterr().out
    assert "2,000 rows, sha256:" in said
    assert "wrong, of 2,000 labelled rows" in said
    assert "! walk: 2,000 rows, of which" in said
    assert {line.split()[0] for line in said.splitlines() if line} >= {
        "age",
        "job",
        "walk",
        "score",
        "prediction",
    }
    assert main(["baseline", "inspect", path, "--json"]) == 0
    [remark] = json.loads(capsys.readouterr().out)["remarks"]
    assert (remark["feature"], remark["problem"]) == ("walk", "too_dependent")


def test_compare_puts_what_differs_most_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = stored(tmp_path / "a.json", 1), stored(tmp_path / "b.json", 2, shift=5.0)
    assert main(["baseline", "compare", *paths]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["walk", "age"]
    assert "*" in lines[2]
    assert lines[2].endswith("+0.45 sd")
    assert main(["baseline", "compare", *paths, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["features"]
    assert [d["feature"] for d in found][:2] == ["walk", "age"]
    assert found[1]["psi"] > found[1]["psi_noise_level"]


def test_merge_writes_the_profile_of_all_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [stored(tmp_path / f"{i}.json", i) for i in range(3)]
    out = tmp_path / "all.json"
    assert main(["baseline", "merge", *paths, "--out", str(out), "--json"]) == 0
    merged = BaselineProfile.from_json(json.loads(out.read_text()))
    assert json.loads(capsys.readouterr().out)["profile"] == merged.profile_id
    assert merged.rows == 6_000
    assert main(["baseline", "merge", paths[0], "--out", str(out)]) == 1
    assert "two or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "schema None; this version reads 1"),
        ('{"schema": 1}', "not a baseline profile"),
    ],
)
def test_a_file_that_is_no_profile_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    assert main(["baseline", "inspect", str(path)]) == 1
    assert said in capsys.readouterr().err
    assert main(["baseline", "inspect", str(tmp_path / "none.json")]) == 1
    assert "cannot read" in capsys.readouterr().err


def test_a_profile_too_large_for_kafka_is_not_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    many = {
        f"c{i}": Categories.of([f"a rather long category {i}-{j}" for j in range(1_000)]) for i in range(40)
    }
    profile = build_profile({**many, "x": rng.normal(size=1_000)})
    path = tmp_path / "large.json"
    path.write_text(json.dumps(profile.to_json()))
    words = [
        "baseline",
        "adopt",
        "--model",
        "m",
        "--profile",
        str(path),
        "--bootstrap-servers",
        "localhost:1",
    ]
    assert main(words) == 1
    assert "too large to send" in capsys.readouterr().err


def test_adopt_takes_a_profile_or_current(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--profile", "a.json", "--current"]):
        with pytest.raises(SystemExit) as stopped:
            main(["baseline", "adopt", "--model", "m", *words])
        assert stopped.value.code == 2


def test_profiles_are_as_their_schema_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == json.loads(json.dumps(profile_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    a, b = (json.loads(Path(stored(tmp_path / f"{i}.json", i)).read_text()) for i in range(2))
    merged = merge_profiles(BaselineProfile.from_json(a), BaselineProfile.from_json(b)).to_json()
    regression = build_profile({}, np.arange(300.0), None, np.arange(300.0)).to_json()
    for document in (a, merged, regression, BaselineProfile(0).to_json()):
        jsonschema.validate(json.loads(json.dumps(document)), schema)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.update(schema=99),
        lambda d: d.pop("rows"),
        lambda d: d.update(surprise=1),
        lambda d: d["features"]["age"].update(kind="text"),
        lambda d: d["features"]["age"].pop("edges"),
        lambda d: d["features"]["age"].update(sd="wide"),
        lambda d: d["features"]["job"]["categories"].append(1),
        lambda d: d.update(score=d["features"]["job"]),
    ],
)
def test_what_the_schema_refuses_is_refused_by_the_reader_too(tmp_path: Path, damage: Any) -> None:
    document = json.loads(Path(stored(tmp_path / "a.json", 1)).read_text())
    damage(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, profile_schema())
    if document.keys() - {"surprise"} == document.keys():  # a reader may know less than a writer
        with pytest.raises(ValueError):
            BaselineProfile.from_json(document)


def of_relation(tmp_path: Path, name: str, relation: float) -> str:
    x, noise = np.random.default_rng(1).normal(size=(2, 2_000))
    profile = build_profile({"weight": x, "height": relation * x + np.sqrt(1 - relation**2) * noise})
    path = tmp_path / name
    path.write_text(json.dumps(profile.to_json()))
    return str(path)


def test_features_that_go_together_are_shown_compared_and_left_out_of_a_merged_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = of_relation(tmp_path, "a.json", 0.6), of_relation(tmp_path, "b.json", 0.0)
    assert main(["baseline", "inspect", first]) == 0
    assert "height with weight: in the same half in 70% of 2,000 rows" in capsys.readouterr().out
    assert main(["baseline", "compare", first, second]) == 0
    assert "height with weight: in the same half in 70% of the rows, now in 48%" in capsys.readouterr().out
    assert main(["baseline", "compare", first, first]) == 0
    assert "height with weight" not in capsys.readouterr().out
    assert main(["baseline", "merge", first, second, "--out", str(tmp_path / "c.json")]) == 0
    assert "(multivariate_drift) cannot be merged" in capsys.readouterr().out
    merged = json.loads((tmp_path / "c.json").read_text())
    assert merged["pairs"] == []
    jsonschema.validate(json.loads(Path(first).read_text()), profile_schema())
