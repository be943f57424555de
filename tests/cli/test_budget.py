"""`streamgauge budget`, before anything runs; tests/kafka asks a running cluster."""

import json

import numpy as np
import pytest

from streamgauge.cli.main import main
from streamgauge.detectors.baseline import build_profile
from streamgauge.schemas.batch import Categories
from streamgauge.streams.profile_files import write_profile

FILE = """\
model: credit
weight: 2
task: binary
pos_label: approved
monitors: {drift: {weight: 3}, prediction_drift: {enabled: false}}
---
models: 10
"""


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(1)
    said = Categories.of(rng.choice(["approved", "rejected"], 5_000).tolist())
    job = Categories.of(rng.choice(["clerk", "cook", "vet"], 5_000, p=[0.5, 0.3, 0.2]).tolist())
    features = {"age": rng.normal(40, 10, 5_000), "job": job}
    write_profile(build_profile(features, said, None), tmp_path / "credit.json")
    (tmp_path / "monitors.yaml").write_text(FILE)
    return ["--monitors", str(tmp_path / "monitors.yaml"), "--profile", str(tmp_path / "credit.json")]


def test_what_a_definition_promises_and_sees_is_known_before_anything_runs(files, capsys):
    assert main(["budget", *files, "--per-day", "50000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["promised"] == pytest.approx(0.9 * 0.05 * 2 / 10)
    monitors = {monitor["monitor"]: monitor for monitor in found["monitors"]}
    assert "prediction_drift" not in monitors
    assert sum(monitor["share"] for monitor in monitors.values()) == pytest.approx(1.0)
    drift = monitors["drift"]
    assert drift["streams"] == 2
    of_all = drift["share"] / sum(m["share"] for m in monitors.values() if m["monitor"] != "drift")
    assert of_all > 1  # two streams that weigh 3 each
    assert drift["promised"] == pytest.approx(drift["share"] * found["promised"])
    assert drift["sees"].startswith("a shift of 0.")


def test_the_rarer_the_events_the_more_each_is_paid_and_the_less_is_missed(files, capsys):
    def shift(per_day):
        assert main(["budget", *files, "--per-day", str(per_day), "--json"]) == 0
        sees = {m["monitor"]: m["sees"] for m in json.loads(capsys.readouterr().out)["monitors"]}["drift"]
        return float(sees.removeprefix("a shift of ").split()[0])

    assert shift(100) < shift(10_000_000)


def test_people_get_a_table(files, capsys):
    assert main(["budget", *files, "--per-day", "50000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("credit  0.009 false alarms in 30 days promised")
    assert lines[2].split("  ")[-1].strip() == "sees in 1,000 events"
    assert any("drift" in line and "a shift of" in line for line in lines[3:])


def test_a_model_that_the_file_does_not_define_is_not_taken_for_one_of_all_defaults(files, capsys):
    assert main(["budget", *files, "--per-day", "500", "--model", "credti"]) == 1
    assert "monitors.yaml defines no model 'credti'; it defines credit" in capsys.readouterr().err


def test_endless_traffic_is_none(files, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["budget", *files, "--per-day", "inf"])
    assert "takes a number, at least 1; not 'inf'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--per-day"], "say with --per-day"),
        (["--profile"], "--monitors needs --profile"),
    ],
)
def test_what_is_missing_is_said(files, capsys, words, says):
    without = files if words == ["--per-day"] else files[:2]
    assert main(["budget", *without]) == 1
    assert says in capsys.readouterr().err
