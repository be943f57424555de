"""What a definition would change of the one in force, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Change:
    """One field, by its path like ``labels.ttl``; None where there is, or will be, no value."""

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.field}: {_text(self.before)} → {_text(self.after)}"


def differences(held: BaseModel, wanted: BaseModel) -> list[Change]:
    """The fields in which two definitions, or two fleet documents, differ, in the order of the contract.

    >>> from streamgauge.schemas.monitor import MonitorDefinition
    >>> held = MonitorDefinition(model="credit", monitors={"accuracy": {"min": 0.8}})
    >>> wanted = MonitorDefinition(model="credit", window="10m")
    >>> [str(change) for change in differences(held, wanted)][:2]
    ['window: 5m → 10m', 'monitors.accuracy.min: 0.8 → none']
    """
    before, after = (dict(_flat(_full(*pair))) for pair in ((held, wanted), (wanted, held)))
    fields = [*after, *(field for field in before if field not in after)]
    return [
        Change(field, before.get(field), after.get(field))
        for field in fields
        if before.get(field) != after.get(field)
    ]


def _full(document: BaseModel, other: BaseModel) -> dict[str, Any]:
    """With all defaults; but of what only one of two has, such as a monitor, what is not the default."""
    full, sparse = document.model_dump(mode="json"), document.model_dump(mode="json", exclude_defaults=True)
    for name in type(document).model_fields:
        mine, theirs = getattr(document, name), getattr(other, name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            full[name] = {key: (full if key in theirs else sparse)[name][key] for key in mine}
    return full


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, Mapping) and (part or not path):
            yield from _flat(part, f"{path}{name}.")
        elif part is not None:
            yield f"{path}{name}", part


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, list) else str(value)
