"""No release is left behind: edits that would break a sender or a subscriber are refused."""

import copy
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import fastavro
import pytest

from streamgauge.schemas.compatibility import INPUTS, OUTPUTS, breaches, unreadable
from streamgauge.schemas.errors import BadEvent
from streamgauge.schemas.registry import Schema, released, schema

CURRENT = {name: schema(name) for name in INPUTS + OUTPUTS}
Edit = Callable[[dict[str, Any]], None]


def field(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in document["fields"] if each["name"] == name)


def edited(name: str, edit: Edit) -> Schema:
    document = copy.deepcopy(schema(name).document)
    edit(document)
    return Schema.of(name, document)


def changed(name: str, edit: Edit) -> list[str]:
    return breaches({**CURRENT, name: edited(name, edit)}, released())


def add(**attributes: Any) -> Edit:
    return lambda document: document["fields"].append({"doc": "New.", **attributes})


def remove(name: str) -> Edit:
    return lambda document: document["fields"].remove(field(document, name))


def set_in(name: str, key: str, value: Any) -> Edit:
    return lambda document: field(document, name).update({key: value})


def test_the_schemas_in_force_break_nothing() -> None:
    assert breaches(CURRENT, released()) == []


def test_every_schema_is_an_input_or_an_output_and_was_released() -> None:
    here = {entry.name.removesuffix(".avsc") for entry in (files("streamgauge.schemas") / "avro").iterdir()}
    assert here == set(INPUTS) | set(OUTPUTS) == set(released())


FORBIDDEN: dict[str, tuple[str, Edit, str]] = {
    "an input gains a field without default": (
        "prediction", add(name="tenant", type="string"), "tenant: is not written"),
    "an input's field changes its type": (
        "prediction", set_in("model", "type", "long"), "model: string is not readable as long"),
    "an input's field is renamed": (
        "ground_truth", set_in("model", "name", "model_id"), "model_id: is not written"),
    "an input's record is renamed": (
        "prediction", lambda d: d.update(name="Inference"), "Prediction is now Inference"),
    "an input's field is no longer nullable": (
        "prediction", lambda d: field(d, "latency_ms").update(type="double", default=0.0),
        "latency_ms: null is not readable as double"),
    "an input's union loses a branch": (
        "ground_truth", set_in("label", "type", ["null", "string"]), "label: boolean is in no branch"),
    "an input's time changes its unit": (
        "prediction", set_in("time", "type", {"type": "long", "logicalType": "timestamp-millis"}),
        "time: long (timestamp-micros) is not readable as long (timestamp-millis)"),
    "an input's map changes its values": (
        "prediction_batch", set_in("scores", "type", {"type": "map", "values": "double"}), "values: bytes"),
    "an input's bytes become a string": (
        "ground_truth_batch", set_in("ids", "type", "string"), "ids: bytes is not readable as string"),
    "an input's integer narrows": (
        "retrain_status", set_in("attempt", "type", "boolean"), "attempt: int is not readable as boolean"),
    "an output loses a field that subscribers need": (
        "alert", remove("summary"), "0.1.0 does not read it: summary: is not written"),
    "an output gains a field without default": (
        "metric", add(name="unit", type="string"), "unit: is not written"),
    "an output's integer widens": (
        "dead_letter", set_in("partition", "type", "long"), "0.1.0 does not read it: partition: long"),
    "an output's field becomes nullable": (
        "metric", set_in("n", "type", ["null", "long"]), "0.1.0 does not read it: n: null"),
    "an output's nested record loses a field": (
        "retrain_request",
        lambda d: field(d, "reasons")["type"]["items"]["fields"].pop(),
        "0.1.0 does not read it: reasons: items: fingerprint: is not written"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "edit", "why"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_an_edit_that_breaks_somebody_is_refused(name: str, edit: Edit, why: str) -> None:
    assert any(why in found for found in changed(name, edit)), changed(name, edit)


def test_a_schema_that_disappears_is_refused() -> None:
    without = {name: each for name, each in CURRENT.items() if name != "alert"}
    assert breaches(without, released()) == ["alert: released in 0.1.0, and gone"]


ALLOWED: dict[str, tuple[str, Edit]] = {
    "an input gains a field with a default": ("prediction", add(name="tenant", type="string", default="")),
    "an input's field goes": ("prediction", remove("traceparent")),
    "an input's integer widens": ("ground_truth", set_in("revision", "type", "long")),
    "an input's union gains a branch": (
        "ground_truth", set_in("label", "type", ["null", "boolean", "long", "double", "string", "bytes"])),
    "an input's field is renamed with an alias": (
        "prediction", lambda d: field(d, "model").update(name="model_id", aliases=["model"])),
    "an output gains a field with a default": (
        "metric", add(name="unit", type=["null", "string"], default=None)),
    "an output's optional field goes": ("alert", remove("note")),
    "an output's documentation changes": ("alert", set_in("note", "doc", "Other words.")),
}  # fmt: skip


@pytest.mark.parametrize(("name", "edit"), ALLOWED.values(), ids=ALLOWED)
def test_an_edit_that_breaks_nobody_is_allowed(name: str, edit: Edit) -> None:
    assert changed(name, edit) == []


@pytest.mark.parametrize(
    ("reader", "writer", "readable"),
    [
        (
            {"type": "enum", "name": "E", "symbols": ["a", "b"]},
            {"type": "enum", "name": "E", "symbols": ["a"]},
            True,
        ),
        (
            {"type": "enum", "name": "E", "symbols": ["a"]},
            {"type": "enum", "name": "E", "symbols": ["a", "b"]},
            False,
        ),
        ({"type": "fixed", "name": "F", "size": 16}, {"type": "fixed", "name": "F", "size": 16}, True),
        ({"type": "fixed", "name": "F", "size": 16}, {"type": "fixed", "name": "F", "size": 8}, False),
        ("double", "int", True),
        ("int", "double", False),
        (["null", "double"], "long", True),
        ("long", ["long", "null"], False),
    ],
)
def test_resolution_follows_the_avro_specification(reader: Any, writer: Any, readable: bool) -> None:
    assert (unreadable(reader, writer) == []) is readable


EXAMPLE = {
    "prediction_id": "a",
    "model": "m",
    "time": 1_795_255_200_000_000,
    "latency_ms": None,
    "label": True,
}
#: fastavro reads a record of any name, and here no logical types.
NOT_FASTAVRO_S = ("an input's record is renamed", "an input's time changes its unit")
REFUSED = [c for c, (name, _, _) in FORBIDDEN.items() if name in INPUTS[:2] and c not in NOT_FASTAVRO_S]
READ = [c for c, (name, _) in ALLOWED.items() if name in INPUTS[:2]]


def example(name: str) -> bytes:
    fields = {each["name"] for each in schema(name).document["fields"]}
    return schema(name).write({key: value for key, value in EXAMPLE.items() if key in fields})


@pytest.mark.parametrize("case", REFUSED)
def test_fastavro_agrees_that_a_forbidden_edit_loses_data(case: str) -> None:
    name, edit, _ = FORBIDDEN[case]
    with pytest.raises(BadEvent):
        edited(name, edit).read(example(name), 10, schema(name))


@pytest.mark.parametrize("case", READ)
def test_fastavro_agrees_that_an_allowed_edit_reads_old_data(case: str) -> None:
    name, edit = ALLOWED[case]
    assert edited(name, edit).read(example(name), 10, schema(name))


def _undocumented(node: Any, path: str) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in _undocumented(item, path)]
    if not isinstance(node, dict):
        return []
    found = [path] if ("name" in node and not node.get("doc")) else []
    for key in ("type", "items", "values", "fields"):
        if key in node:
            found += _undocumented(node[key], f"{path}/{node.get('name', '')}")
    return found


@pytest.mark.parametrize("name", CURRENT)
def test_every_field_says_what_it_is(name: str) -> None:
    assert _undocumented(schema(name).document, name) == []


@pytest.mark.parametrize("name", CURRENT)
def test_schemas_are_plain_avro_that_others_can_read(name: str) -> None:
    text = (files("streamgauge.schemas") / "avro" / f"{name}.avsc").read_text("utf-8")
    assert fastavro.parse_schema(json.loads(text))["name"].startswith("io.streamgauge.")
