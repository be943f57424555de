"""docs/reference/asyncapi.yaml: generated, valid against AsyncAPI's own schema, and true of what travels."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError

from streamgauge.schemas.control import encode_control, encode_retrain_status
from streamgauge.schemas.encode import encode_output
from tests.asyncapi import ROOT, TOPICS, text
from tests.schemas.contract_outputs import CONTROLS, OUTPUTS, STATUS

DOCUMENT = yaml.safe_load((ROOT / "docs/reference/asyncapi.yaml").read_text())
SPECIFICATION = json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_text())


def test_the_file_is_what_is_generated() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (ROOT / "docs/reference/asyncapi.yaml").read_text() == text(version), "run `make asyncapi`"


def test_it_is_valid_against_the_specifications_schema() -> None:
    Draft7Validator.check_schema(SPECIFICATION)
    Draft7Validator(SPECIFICATION).validate(DOCUMENT)


@pytest.mark.parametrize("wrong", [{"action": "sends"}, {"channel": "metrics"}, {"channels": []}])
def test_the_schema_refuses_what_is_wrong(wrong: dict[str, object]) -> None:
    operation = DOCUMENT["operations"]["receive_metrics"] | wrong
    with pytest.raises(ValidationError):
        Draft7Validator(SPECIFICATION).validate(DOCUMENT | {"operations": {"receive_metrics": operation}})


def test_every_reference_leads_somewhere() -> None:
    def references(node: object) -> list[str]:
        if isinstance(node, list):
            return [each for item in node for each in references(item)]
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [each for value in node.values() for each in references(value)]
        return []

    found = references(DOCUMENT)
    assert len(found) >= 4 * len(TOPICS)
    for reference in found:
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


@pytest.mark.parametrize("name", list(DOCUMENT["components"]["messages"]))
def test_every_example_fits_its_schema_and_a_field_of_another_type_does_not(name: str) -> None:
    validator = Draft202012Validator(DOCUMENT["components"]["schemas"][name])
    [example] = DOCUMENT["components"]["messages"][name]["examples"]
    validator.validate(example["payload"])
    for field in DOCUMENT["components"]["schemas"][name]["required"]:
        with pytest.raises(ValidationError):
            validator.validate(example["payload"] | {field: {"a": [1]} if field != "data" else 5})
        with pytest.raises(ValidationError):
            validator.validate({key: value for key, value in example["payload"].items() if key != field})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, encode_output(output)[0]) for name, output in OUTPUTS.items()),
        *(("control", encode_control(order)[0]) for order in CONTROLS.values()),
        ("retrain_status", encode_retrain_status(STATUS)[0]),
    ],
)
def test_what_is_really_sent_fits_its_schema(name: str, value: bytes) -> None:
    Draft202012Validator(DOCUMENT["components"]["schemas"][name]).validate(json.loads(value))
