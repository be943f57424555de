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
    ['window: 5m → 10m', 'monitors.accuracy.enabled: true → none']
    """
    before, after = (dict(_flat(document.model_dump(mode="json"))) for document in (held, wanted))
    fields = [*after, *(field for field in before if field not in after)]
    return [
        Change(field, before.get(field), after.get(field))
        for field in fields
        if before.get(field) != after.get(field)
    ]


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, Mapping):
            yield from _flat(part, f"{path}{name}.")
        elif part is not None:
            yield f"{path}{name}", part


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, list) else str(value)
