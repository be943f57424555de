"""Whether a schema may be changed: every released version must still be able to talk to this one.

Inputs are BACKWARD_TRANSITIVE: what any released sender writes is read here. Outputs are FULL_TRANSITIVE:
what is written here is also read by the subscribers of every release. Avro's own rules of resolution
(specification, "Schema Resolution") apply, and two more: a logical type stays what it is, and strings and
bytes do not turn into each other.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from streamgauge.schemas.registry import Schema

INPUTS = (
    "prediction",
    "ground_truth",
    "prediction_batch",
    "ground_truth_batch",
    "control",
    "retrain_status",
)
OUTPUTS = ("metric", "alert", "retrain_request", "dead_letter")

_PROMOTIONS = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
}


def breaches(current: Mapping[str, Schema], released: Mapping[str, Mapping[str, Schema]]) -> list[str]:
    """What the current schemas break, a sentence each; empty if nothing.

    `released` holds, by name and version, what was ever released.

    >>> from streamgauge.schemas.registry import released, schema
    >>> breaches({name: schema(name) for name in INPUTS + OUTPUTS}, released())
    []
    """
    found = []
    for name, versions in released.items():
        for version, old in versions.items():
            if name not in current:
                found.append(f"{name}: released in {version}, and gone")
                continue
            new = current[name].document
            found += [f"{name}: does not read {version}: {why}" for why in unreadable(new, old.document)]
            if name in OUTPUTS:
                found += [
                    f"{name}: {version} does not read it: {why}" for why in unreadable(old.document, new)
                ]
    return found


def unreadable(reader: Any, writer: Any) -> list[str]:
    """Why data of the schema `writer` cannot be read with the schema `reader`; empty if all of it can.

    >>> unreadable({"type": "array", "items": "int"}, {"type": "array", "items": "long"})
    ['items: long is not readable as int']
    """
    return list(_unreadable(reader, writer, _Names(reader), _Names(writer), ""))


class _Names:
    """The named types of one schema."""

    def __init__(self, document: Any) -> None:
        self._types: dict[str, Any] = {}
        self._gather(document)

    def __call__(self, node: Any) -> Any:
        """The definition behind a reference; primitives as dicts too."""
        if isinstance(node, str):
            return self._types.get(node.rpartition(".")[2], {"type": node})
        return node

    def _gather(self, node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                self._gather(item)
        elif isinstance(node, dict):
            if node.get("type") in ("record", "enum", "fixed"):
                self._types[node["name"].rpartition(".")[2]] = node
            for value in node.values():
                self._gather(value)


def _unreadable(reader: Any, writer: Any, ours: _Names, theirs: _Names, path: str) -> Iterator[str]:
    if isinstance(writer, list):
        for branch in writer:
            yield from _unreadable(reader, branch, ours, theirs, path)
        return
    if isinstance(reader, list):
        if not any(not list(_unreadable(branch, writer, ours, theirs, path)) for branch in reader):
            yield f"{path}{_kind(theirs(writer))} is in no branch of the reader"
        return
    reader, writer = ours(reader), theirs(writer)
    kind, written = reader["type"], writer["type"]
    if kind != written:
        if kind not in _PROMOTIONS.get(written, ()):
            yield f"{path}{_kind(writer)} is not readable as {_kind(reader)}"
    elif reader.get("logicalType") != writer.get("logicalType"):
        yield f"{path}{_kind(writer)} is not readable as {_kind(reader)}"
    elif kind in ("array", "map"):
        key = "items" if kind == "array" else "values"
        yield from _unreadable(reader[key], writer[key], ours, theirs, f"{path}{key}: ")
    elif kind in ("record", "enum", "fixed"):
        yield from _unreadable_named(reader, writer, ours, theirs, path)


def _unreadable_named(
    reader: dict[str, Any], writer: dict[str, Any], ours: _Names, theirs: _Names, path: str
) -> Iterator[str]:
    if writer["name"] not in (reader["name"], *reader.get("aliases", ())):
        yield f"{path}{writer['name']} is now {reader['name']}"
    elif reader["type"] == "enum":
        lost = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if lost and "default" not in reader:
            yield f"{path}the symbols {', '.join(lost)} are unknown to the reader"
    elif reader["type"] == "fixed":
        if reader["size"] != writer["size"]:
            yield f"{path}{writer['size']} bytes are not readable as {reader['size']}"
    else:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = [name for name in (field["name"], *field.get("aliases", ())) if name in written]
            if names:
                source = written[names[0]]["type"]
                yield from _unreadable(field["type"], source, ours, theirs, f"{path}{field['name']}: ")
            elif "default" not in field:
                yield f"{path}{field['name']}: is not written, and the reader has no default"


def _kind(node: Mapping[str, Any]) -> str:
    return f"{node['type']} ({node['logicalType']})" if "logicalType" in node else str(node["type"])
