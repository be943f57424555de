"""`streamgauge monitors validate`: every mistake is named with its line, field and what would be right."""
# ruff: noqa: E501 (a table of cases, one a line)

import io
import json

import pytest

from streamgauge.cli.main import main
from streamgauge.cli.monitors import check

VALID = """\
alert_budget: {false_alarms: 0.05, horizon: 30d}
---
model: credit
task: binary
window: 5m
monitors:
  accuracy: {min: 0.8, severity: critical}
---
model: prices
task: regression
"""

MISTAKES = {
    "a value outside its list": ("model: a\ntask: binery\n", 2, "task", "'binary', 'multiclass', 'regression' or 'ranking'"),
    "a misspelt field": ("model: a\nwindw: 5m\n", 2, "windw", "did you mean 'window'?"),
    "a field that resembles none": ("model: a\nlabels:\n  xyz: 1\n", 3, "labels.xyz", "it can be expected_within, min_coverage, ttl"),
    "a misspelt field of a rule": ("model: a\nmonitors:\n  drift: {sevrity: info}\n", 3, "monitors.drift.sevrity", "'severity'"),
    "a duration nobody can read": ("model: a\nlabels:\n  ttl: 7 days\n", 3, "labels.ttl", "write for example 30s, 5m"),
    "a number out of range": ("model: a\n\n\nlabels: {min_coverage: 2}\n", 4, "labels.min_coverage", "less than or equal to 1, not 2"),
    "a text for a number": ("model: a\nmonitors: {accuracy: {min: low}}\n", 2, "monitors.accuracy.min", "not 'low'"),
    "an element of a list": ("model: a\nfairness:\n  groups:\n    - sex\n    - 1\n", 5, "fairness.groups.1", "string"),
    "a misspelt monitor": ("model: a\nmonitors:\n  drift: {}\n  acuracy: {min: 0.8}\n", 4, "monitors.acuracy", "did you mean 'accuracy'?"),
    "a monitor that resembles none": ("model: a\nmonitors: {xyz: {}}\n", 2, "monitors.xyz", "no monitor is called 'xyz'; there are concept_drift, data_quality, "),
    "a misspelt reason to retrain": ("model: a\nretrain:\n  on: [accuracy, concept_drft]\n", 3, "retrain.on.1", "did you mean 'concept_drift'?"),
    "a misspelt field of what may be left out": ("model: a\nretrain:\n  gain: {errors: 5, withn: 7d}\n", 3, "retrain.gain.withn", "did you mean 'within'?"),
    "a misspelt monitor of all models": ("defaults: {monitors: {drfit: {}}}\n", 1, "defaults.monitors.drfit", "did you mean 'drift'?"),
    "a text for a list": ("model: a\nfairness: {groups: sex}\n", 2, "fairness.groups", "takes a list, like [a, b], not 'sex'"),
    "a part with nothing in it": ("model: a\nmonitors:\n  drift:\n", 3, "monitors.drift", "{} stands for the defaults"),
    "a number for a part": ("model: a\nlabels: 5\n", 2, "labels", "takes a mapping with fields of expected_within, min_coverage, ttl, not 5"),
    "a fraction for a count": ("model: a\nresolve_after: 2.5\n", 2, "resolve_after", "takes a whole number, not 2.5"),
    "a number for a string": ("model: a\npos_label: 1\n", 2, "pos_label", "in quotes"),
    "a list for a duration": ("model: a\nwindow: [5m]\n", 2, "window", "a number of seconds or a text like '5m'"),
    "a limit that is no number": ("model: a\nmonitors: {accuracy: {min: .nan}}\n", 2, "monitors.accuracy.min", "takes a finite number"),
    "a limit on evidence": ("model: a\nmonitors: {drift: {max: 0.2}}\n", 2, "monitors", "drift takes no min or max"),
    "a limit on an objective": ("model: a\nmonitors: {latency: {max: 200}}\n", 2, "monitors", "latency_p99_ms"),
    "a limit that no interval can cross": ("model: a\nmonitors: {psi: {max: 0.2}}\n", 2, "monitors", "psi has no interval that could lie beyond a limit: say raw: true"),
    "a metric without a limit": ("model: a\nmonitors: {accuracy: {severity: info}}\n", 2, "monitors", "accuracy needs min or max"),
    "a tolerance of a metric that has none": ("model: a\nfairness: {tolerance: {accuracy: 0.1}}\n", 2, "fairness.tolerance.accuracy", "should be 'demographic_parity_difference', 'demographic_parity_ratio', 'equal"),
    "two baselines": ("model: a\nbaseline: {version: '6', profile: a.json}\n", 2, "baseline", "a profile or a version, not both"),
    "intersections of many": ("model: a\nfairness: {groups: [a, b, c, d, e], intersections: true}\n", 2, "fairness.intersections", "of at most 4 groups"),
    "no room for a feature": ("model: a\nfeatures: {age: {min: 100, max: 18}}\n", 2, "features.age", "is above max"),
    "no room": ("model: a\nmonitors: {accuracy: {min: .9, max: .8}}\n", 2, "monitors.accuracy", "is above max"),
    "no weight": ("model: a\nmonitors: {drift: {weight: 0}}\n", 2, "monitors.drift.weight", "greater than"),
    "personal data": ("model: a\nfeatures: {age: {pii: true}}\n", 2, "features.age.pii", "not in this version"),
    "no name": ("model:\n", 1, "model", "string"),
    "a model twice": ("model: a\n---\nmodel: a\n", 3, "", "a is defined before, on line 1"),
    "two fleet documents": ("models: 3\n---\nmodels: 4\n", 3, "", "the fleet document is defined before"),
    "a key twice": ("model: a\nwindow: 5m\nwindow: 6m\n", 3, "window", "given twice"),
    "a misspelt field of the fleet": ("alert_budgt: {}\n", 1, "alert_budgt", "did you mean 'alert_budget'?"),
    "a list for a document": ("- model: a\n", 1, "", "must be a mapping"),
    "broken YAML": ("model: [a\n", 2, "", "not YAML"),
    "a control character": ("model: a\nwindow: \x01\n", 2, "", "not YAML"),
    "a Python object": ("model: !!python/name:os.system x\n", 1, "", "not YAML"),
    "an empty file": ("", 1, "", "nothing is defined"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "field", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_would_be_right(text, line, field, message):
    (problem,) = check("m.yaml", text).problems
    assert (problem.line, problem.field) == (line, field)
    assert message in problem.message


def test_all_mistakes_are_named_at_once_in_the_order_of_lines():
    checked = check("m.yaml", "model: a\ntask: x\n---\nmodel: b\n---\nmodel: c\nwindow: 1\ngrace: x\n")
    assert [problem.line for problem in checked.problems] == [2, 8]
    assert [definition.model for definition in checked.definitions] == ["b"]


def test_words_that_older_yaml_takes_for_booleans_are_words():
    text = "model: NO\npos_label: yes\nretrain: {on: [accuracy]}\n"
    (definition,) = check("m.yaml", text).definitions
    assert (definition.model, definition.pos_label, definition.retrain.on) == ("NO", "yes", ("accuracy",))


def test_booleans_are_true_and_false():
    (definition,) = check("m.yaml", "model: a\nretrain: {dry_run: true}\n").definitions
    assert definition.retrain.dry_run


def test_valid_files_say_what_they_define(tmp_path, capsys):
    path = tmp_path / "m.yaml"
    path.write_text(VALID)
    assert main(["monitors", "validate", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: valid; 2 models and the fleet document\n"


def test_an_invalid_file_is_exit_code_1_and_points_like_a_compiler(tmp_path, capsys):
    path = tmp_path / "m.yaml"
    path.write_text("model: a\ntask: binery\n")
    assert main(["monitors", "validate", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"{path}:2: task: ")


def test_programs_get_json(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(VALID))
    assert main(["monitors", "validate", "-", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["valid"]
    assert list(answer["models"]) == ["credit", "prices"]


def test_a_file_that_is_not_there_is_said_without_a_traceback(capsys):
    assert main(["monitors", "validate", "nowhere.yaml"]) == 1
    assert "cannot read nowhere.yaml" in capsys.readouterr().err
