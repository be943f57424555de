"""Schemas that come from a schema registry: taken only if their data cannot claim more memory than it has."""

import re
from typing import Any

from fastavro.schema import SchemaParseException

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.registry import Schema

#: What the parser, or what looks at a schema here, makes of JSON that is none.
_MALFORMED = (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
_DETAIL = 500
_TIME = "timestamp-micros"
_WORD = re.compile("(?<=[a-z0-9])(?=[A-Z])")


def foreign_schema(document: dict[str, Any]) -> Schema:
    """The writer's schema that a `Resolver` gives back, from the registry's JSON.

    It is named by its record: ``PredictionBatch`` becomes ``prediction_batch``, and is read as that. Raises
    `BadEvent` (unknown_schema) for what is no record schema, for one that contains itself, for one with
    values that take no bytes (20 bytes could claim an array of 10^18 of those), and for a `time` in another
    unit than microseconds.

    >>> field = {"name": "model", "type": "string"}
    >>> foreign_schema({"type": "record", "name": "acme.GroundTruth", "fields": [field]}).name
    'ground_truth'
    """
    try:
        if document["type"] != "record":
            raise BadEvent(Reason.UNKNOWN_SCHEMA, "not the schema of a record")
        schema = Schema.of(_WORD.sub("_", _short(document["name"])).lower(), document)
        _check_bounded(document, {}, inside=False)
        _check_time(document)
        return schema
    except (SchemaParseException, *_MALFORMED) as error:
        detail = f"not an Avro record schema: {error}"[:_DETAIL]  # some of these quote all of it
        raise BadEvent(Reason.UNKNOWN_SCHEMA, detail) from error


def _check_time(document: dict[str, Any]) -> None:
    """In another unit it would be read as a moment in 1970, which says nothing of what is wrong."""
    for field in document["fields"]:
        node = field["type"]
        unit = node.get("logicalType", _TIME) if isinstance(node, dict) else _TIME
        if field["name"] == "time" and unit != _TIME:
            raise BadEvent(Reason.UNKNOWN_SCHEMA, f"its time is of the type {unit}; it is read as {_TIME}")


def _check_bounded(node: Any, is_open: dict[str, bool], inside: bool) -> None:
    """`inside`: whether an array repeats this node."""
    if isinstance(node, dict) and node["type"] == "null":
        node = "null"
    if isinstance(node, list):
        for branch in node:
            _check_bounded(branch, is_open, False)
    elif isinstance(node, str):
        if is_open.get(_short(node), False):
            raise BadEvent(Reason.UNKNOWN_SCHEMA, f"{node} contains itself")
        if inside and node == "null":
            raise BadEvent(Reason.UNKNOWN_SCHEMA, "an array of nulls")
    elif node["type"] in ("array", "map"):
        repeated = node["items" if node["type"] == "array" else "values"]
        _check_bounded(repeated, is_open, node["type"] == "array")
    elif node["type"] == "fixed":
        if node["size"] < 1:
            raise BadEvent(Reason.UNKNOWN_SCHEMA, f"{node['name']} takes no bytes")
    elif node["type"] == "record":
        if all(field["type"] in ("null", {"type": "null"}) for field in node["fields"]):
            raise BadEvent(Reason.UNKNOWN_SCHEMA, f"{node['name']} takes no bytes")
        is_open[_short(node["name"])] = True
        for field in node["fields"]:
            _check_bounded(field["type"], is_open, False)
        is_open[_short(node["name"])] = False
    elif not isinstance(node["type"], str):
        _check_bounded(node["type"], is_open, inside)


def _short(name: str) -> str:
    return name.rpartition(".")[2]
