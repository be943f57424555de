"""Which alerts an operator means, and which of them are to keep quiet until when."""

from collections.abc import Iterable, Mapping
from typing import Any

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.streams.core.findings import Segment

#: What a matcher may ask for, and ``segment.<key>``.
FIELDS = ("fingerprint", "model", "version", "monitor", "metric", "severity")

#: Field and value pairs, sorted; all must hold, so that the empty one means every alert.
Matcher = tuple[tuple[str, str], ...]


def matcher_of(wanted: Mapping[str, str]) -> Matcher:
    """A matcher from a control event. Raises `BadEvent` for a field that no alert has.

    >>> matcher_of({"segment.country": "NO", "monitor": "drift"})
    (('monitor', 'drift'), ('segment.country', 'NO'))
    """
    for field in wanted:
        if field not in FIELDS and not field.startswith("segment."):
            known = ", ".join((*FIELDS, "segment.<key>"))
            raise BadEvent(Reason.REFUSED, f"alerts have no field {field!r} to match; they have {known}")
    return tuple(sorted(wanted.items()))


def alert_fields(
    fingerprint: str, model: str, version: str, monitor: str, metric: str, severity: str, segment: Segment
) -> dict[str, str]:
    """What matchers are compared with."""
    values = (fingerprint, model, version, monitor, metric, severity)
    fields = dict(zip(FIELDS, values, strict=True))
    return fields | {f"segment.{key}": value for key, value in segment}


def matches(matcher: Matcher, fields: Mapping[str, str]) -> bool:
    """Whether the alert with these fields is meant.

    >>> matches((("monitor", "drift"),), {"monitor": "drift", "version": "7"})
    True
    """
    return all(fields.get(field) == value for field, value in matcher)


class Silences:
    """Matchers with the time until which they hold (exclusive), at most `limit` of them.

    >>> silences = Silences()
    >>> silences.add((("monitor", "drift"),), until_us=100)
    >>> [silences.cover({"monitor": "drift"}, now_us) for now_us in (99, 100)]
    [True, False]
    """

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._until_us: dict[Matcher, int] = {}

    def add(self, matcher: Matcher, until_us: int) -> None:
        """A later silence of the same matcher replaces the earlier one, so a past time ends it.

        Beyond the limit the one that would have ended first goes.
        """
        self._until_us[matcher] = until_us
        if len(self._until_us) > self._limit:
            del self._until_us[min(self._until_us, key=self._until_us.__getitem__)]

    def cover(self, fields: Mapping[str, str], now_us: int) -> bool:
        """Whether the alert with these fields is silenced now."""
        return any(
            now_us < until_us and matches(matcher, fields) for matcher, until_us in self._until_us.items()
        )

    def drop_ended(self, now_us: int) -> None:
        """Forget what no longer holds."""
        self._until_us = {m: until_us for m, until_us in self._until_us.items() if now_us < until_us}

    def __len__(self) -> int:
        return len(self._until_us)

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return [[[list(pair) for pair in matcher], until_us] for matcher, until_us in self._until_us.items()]

    @classmethod
    def from_state(cls, state: Iterable[Any], limit: int = 1_000) -> "Silences":
        """The silences that `to_state` was called on."""
        silences = cls(limit)
        for pairs, until_us in state:
            silences._until_us[tuple((field, value) for field, value in pairs)] = until_us
        return silences
