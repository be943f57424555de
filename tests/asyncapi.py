"""Writes docs/reference/asyncapi.yaml from the Avro schemas and the examples of docs/reference/topics.md.

``python -m tests.asyncapi > docs/reference/asyncapi.yaml``; a test says that the file is what this writes.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PREFIX = "streamgauge."

#: topic: schema, what a user of the topic does with it, who that is, what it holds
TOPICS = {
    "predictions": ("prediction", "send", "serving apps", "what models answered"),
    "ground-truth": ("ground_truth", "send", "label sources", "what turned out to be true"),
    "control": ("control", "send", "operators", "definitions, acknowledgements, silences"),
    "retrain-status": ("retrain_status", "send", "training jobs", "answers to retrain requests"),
    "metrics": ("metric", "receive", "consoles and histories", "one number of one window a record"),
    "alerts": ("alert", "receive", "operators", "one step of one alert a record"),
    "retrain-requests": (
        "retrain_request",
        "receive",
        "training jobs",
        "what to train anew, why, on which data",
    ),
    "dead-letters": ("dead_letter", "receive", "whoever repairs senders", "what could not be used, and why"),
}
_HEADING = {name: name.replace("_", " ").capitalize() for name, *_ in TOPICS.values()}
_PLAIN = {
    "null": {"type": "null"}, "string": {"type": "string"}, "boolean": {"type": "boolean"},
    "int": {"type": "integer"}, "long": {"type": "integer"}, "double": {"type": "number"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
}  # fmt: skip
#: As JSON carries them. Inputs may also give a time as whole microseconds since the epoch.
_LOGICAL = {"timestamp-micros": {"type": "string", "format": "date-time"}, "json": {"type": "object"}}


def document(version: str) -> dict[str, Any]:
    """The whole AsyncAPI document."""
    examples = examples_of((ROOT / "docs/reference/topics.md").read_text())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Streamgauge",
            "version": version,
            "description": "What travels between Streamgauge and its users over Kafka, in JSON. Topic names "
            f"begin with a prefix, `{PREFIX}` unless it is set otherwise. Keys are the model's name, spread "
            "by murmur2. Operations are the users': they send inputs, and receive outputs.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            topic: {
                "address": PREFIX + topic,
                "description": f"{holds[0].upper()}{holds[1:]}.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            }
            for topic, (name, _, _, holds) in TOPICS.items()
        },
        "operations": {
            f"{does}_{topic.replace('-', '_')}": {
                "action": does,
                "channel": {"$ref": f"#/channels/{topic}"},
                "summary": f"What {who} {does}.",
                "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"}],
            }
            for topic, (name, does, who, _) in TOPICS.items()
        },
        "components": {
            "messages": {name: message(name, examples[name]) for name, *_ in TOPICS.values()},
            "schemas": {name: json_schema(avro(name)) for name, *_ in TOPICS.values()},
        },
    }


def message(name: str, example: Mapping[str, Any]) -> dict[str, Any]:
    """One kind of message, in JSON."""
    return {
        "name": avro(name)["name"],
        "title": _HEADING[name],
        "summary": avro(name)["doc"],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": "The model's name, UTF-8."}}},
        "examples": [{"name": name, "payload": dict(example)}],
    }


def json_schema(node: Any) -> dict[str, Any]:
    """The JSON form that an Avro schema describes.

    >>> json_schema(["null", "double"]), json_schema({"type": "array", "items": "string"})
    ({'type': ['number', 'null']}, {'type': 'array', 'items': {'type': 'string'}})
    """
    if isinstance(node, str):
        return dict(_PLAIN[node])
    if isinstance(node, list):
        return _union([json_schema(branch) for branch in node if branch != "null"], "null" in node)
    if "logicalType" in node:
        return dict(_LOGICAL[node["logicalType"]])
    if node["type"] == "array":
        return {"type": "array", "items": json_schema(node["items"])}
    if node["type"] == "map":
        return {"type": "object", "additionalProperties": json_schema(node["values"])}
    described = {"description": node["doc"]} if "doc" in node else {}
    return described | {
        "type": "object",
        "required": [field["name"] for field in node["fields"] if "default" not in field],
        "properties": {
            field["name"]: {"description": field["doc"], **json_schema(field["type"])}
            if "doc" in field
            else json_schema(field["type"])
            for field in node["fields"]
        },
    }


def _union(branches: list[dict[str, Any]], nullable: bool) -> dict[str, Any]:
    null = ["null"] if nullable else []
    if len(branches) == 1:
        return branches[0] | {"type": [branches[0]["type"], *null]} if nullable else branches[0]
    if all(list(branch) == ["type"] for branch in branches):
        return {"type": [*dict.fromkeys(branch["type"] for branch in branches), *null]}
    return {"anyOf": [*branches, *([{"type": "null"}] if nullable else [])]}


def avro(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "schemas/avro" / f"{name}.avsc").read_text())
    return found


def examples_of(page: str) -> dict[str, Any]:
    """By schema, the first block of JSON under its heading."""
    found = {}
    for name, heading in _HEADING.items():
        section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        blocks = re.findall(r"(?ms)^```json\n(.*?)^```$", section)
        found[name] = json.loads(blocks[0])
    return found


def text(version: str) -> str:
    """The file."""
    head = "# Written by `make asyncapi` from schemas/avro and topics.md; a test holds it to them.\n"
    return head + yaml.safe_dump(document(version), sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    import tomllib

    print(text(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]), end="")
