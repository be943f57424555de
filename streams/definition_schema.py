"""The JSON Schema of a file of definitions, for editors: fields, defaults and names as they are typed."""

from typing import Any

from streamgauge.schemas.durations import format_duration
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.schemas.monitor_names import AT_K, BUILT_IN, METRICS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAMES = sorted({*BUILT_IN, *METRICS})

#: Metrics of rankings, at any cut.
_AT_K = f"^{AT_K.pattern}$"


def definition_schema() -> dict[str, Any]:
    """For one document of the stream: a model's definition if it has `model`, else the fleet document.

    What it accepts can still be wrong, where fields depend on each other: `monitors validate` is the judge.

    >>> schema = definition_schema()
    >>> schema["then"], schema["$defs"]["MonitorDefinition"]["properties"]["window"]["default"]
    ({'$ref': '#/$defs/MonitorDefinition'}, '5m')
    """
    parts: dict[str, Any] = {}
    for kind in (MonitorDefinition, Fleet):
        schema = kind.model_json_schema()
        parts |= schema.pop("$defs", {})
        parts[kind.__name__] = schema
    _name_monitors(parts["MonitorDefinition"], parts["Retrain"])
    defaults = {k: v for k, v in parts["MonitorDefinition"]["properties"].items() if k != "model"}
    parts["Fleet"]["properties"]["defaults"] = {
        "type": "object",
        "properties": defaults,
        "description": "A definition without `model`, for the models that nobody defined.",
        "default": {},
    }
    return {
        "$schema": _DIALECT,
        "title": "Streamgauge monitor definitions",
        "if": {"required": ["model"]},
        "then": {"$ref": "#/$defs/MonitorDefinition"},
        "else": {"$ref": "#/$defs/Fleet"},
        "$defs": {name: _readable(part) for name, part in sorted(parts.items())},
    }


def _name_monitors(definition: dict[str, Any], retrain: dict[str, Any]) -> None:
    """The monitors that there are, for completion; other names only where metrics are defined."""
    monitors = definition["properties"]["monitors"]
    monitors["properties"] = dict.fromkeys(_NAMES, monitors["additionalProperties"])
    definition["if"] = {"not": {"required": ["metrics"]}}
    names = {"anyOf": [{"enum": _NAMES}, {"pattern": _AT_K}]}
    definition["then"] = {"properties": {"monitors": {"propertyNames": names}}}
    for field in ("on", "blocked_by"):
        retrain["properties"][field]["items"] = {"anyOf": [{"enum": _NAMES}, {"type": "string"}]}


def _readable(part: Any) -> Any:
    """Without pydantic's made-up titles; of descriptions the first paragraph; durations as texts."""
    if isinstance(part, list):
        return [_readable(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {name: _readable(each) for name, each in part.items() if not _is_title(name, each)}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split("\n\n")[0].split())
    if kept.get("type") == ["string", "number"] and isinstance(kept.get("default"), int):
        kept["default"] = format_duration(kept["default"])
    return kept


def _is_title(name: str, value: Any) -> bool:
    return name == "title" and isinstance(value, str)
