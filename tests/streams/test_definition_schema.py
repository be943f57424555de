"""The schema that editors are given: it accepts every example, and catches what is typed wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streamgauge.cli.main import main
from streamgauge.schemas import monitor_names
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.streams.definition_schema import definition_schema
from streamgauge.streams.definitions import check
from streamgauge.streams.safe_yaml import documents

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(definition_schema())
EXAMPLES = [
    pytest.param(match[1], id=f"{page.relative_to(ROOT)}:{page.read_text().count(chr(10), 0, match.start())}")
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    for match in re.finditer(r"(?ms)^```yaml\n(.*?)^```$", page.read_text())
    if not check("", match[1]).problems
]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(definition_schema())


@pytest.mark.parametrize("text", [*EXAMPLES, (ROOT / "demo" / "definitions.yaml").read_text()])
def test_every_documented_definition_is_valid(text: str) -> None:
    for document in documents(text):
        VALIDATOR.validate(document)


def test_every_name_of_a_monitor_is_completed_and_no_other() -> None:
    names = definition_schema()["$defs"]["MonitorDefinition"]["properties"]["monitors"]["properties"]
    assert set(names) == {*monitor_names.BUILT_IN, *monitor_names.METRICS}
    rankings = {"model": "a", "task": "ranking", "monitors": {"ndcg_at_5": {"min": 0.3}}}
    assert VALIDATOR.is_valid(rankings)
    assert not VALIDATOR.is_valid(rankings | {"monitors": {"ndcg_at_0": {"min": 0.3}}})


def test_there_are_documented_definitions() -> None:
    assert EXAMPLES


@pytest.mark.parametrize(
    "document",
    [
        {"model": "a", "task": "binery"},
        {"model": "a", "windw": "5m"},
        {"model": "a", "monitors": {"acuracy": {"min": 0.8}}},
        {"model": "a", "monitors": {"drift": {"severity": "high"}}},
        {"model": "a", "labels": {"min_coverage": 2}},
        {"model": "a", "features": {"age": {"kind": "number"}}},
        {"model": "a", "window": True},
        {"model": 5},
        {"alert_budgt": {}},
        {"defaults": {"task": "binery"}},
    ],
    ids=str,
)
def test_what_is_typed_wrong_is_marked(document: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document)


durations = st.sampled_from(["1s", "30s", "5m", "1h30m", "7d", 60, 0.5])
rules = st.fixed_dictionaries(
    {}, optional={"severity": st.sampled_from(["info", "critical"]), "raw": st.booleans()}
)


@given(
    st.fixed_dictionaries(
        {"model": st.text(min_size=1, max_size=20)},
        optional={
            "task": st.sampled_from(["binary", "multiclass", "regression"]),
            "window": durations,
            "labels": st.fixed_dictionaries({"ttl": durations, "min_coverage": st.floats(0, 1)}),
            "baseline": st.fixed_dictionaries({"first": st.integers(200, 1_000)}),
            "monitors": st.dictionaries(st.sampled_from(["drift", "fairness", "latency"]), rules),
            "retrain": st.fixed_dictionaries({"on": st.lists(st.sampled_from(["drift", "accuracy"]))}),
        },
    )
)
def test_what_the_worker_accepts_the_schema_accepts_as_typed_and_as_held(document: dict[str, Any]) -> None:
    held = MonitorDefinition.model_validate(document).model_dump(mode="json")
    for form in (document, json.loads(json.dumps(held))):
        VALIDATOR.validate(form)


def test_a_fleet_document_is_valid_as_it_is_held() -> None:
    VALIDATOR.validate(Fleet(defaults={"window": "10m"}).model_dump(mode="json"))


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitors", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == definition_schema()
