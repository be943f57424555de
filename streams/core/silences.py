"""Which alerts an operator means, and which of them are to keep quiet from when until when."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from streamgauge.schemas.control import MATCHED_FIELDS, Silence, is_matched
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.streams.core.findings import Segment


def check_matcher(wanted: Iterable[str]) -> None:
    """Raises `BadEvent` for a field that no alert has.

    >>> check_matcher({"segment.country": "NO", "monitor": "drift"})
    """
    for field in wanted:
        if not is_matched(field):
            known = ", ".join((*MATCHED_FIELDS, "segment.<key>"))
            raise BadEvent(Reason.REFUSED, f"alerts have no field {field!r} to match; they have {known}")


def alert_fields(
    fingerprint: str, model: str, version: str, monitor: str, metric: str, severity: str, segment: Segment
) -> dict[str, str]:
    """What matchers are compared with."""
    values = (fingerprint, model, version, monitor, metric, severity)
    fields = dict(zip(MATCHED_FIELDS, values, strict=True))
    return fields | {f"segment.{key}": value for key, value in segment}


class Silences:
    """Silences in the order in which they were said, at most `limit` of them.

    >>> silences = Silences()
    >>> silences.add(Silence(actor="ann", time_us=10, until_us=100, matcher={"monitor": "drift"}))
    >>> [silences.cover({"monitor": "drift"}, now_us) for now_us in (9, 10, 99, 100)]
    [True, True, True, False]
    """

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._held: list[Silence] = []

    def add(self, silence: Silence) -> None:
        """It takes the place of those of its matcher that it meets. Raises `BadEvent`, as `check_matcher`.

        Beyond the limit the one that would have ended first goes.
        """
        check_matcher(silence.matcher)
        self._held = [held for held in self._held if not _replaces(silence, held)]
        self._held.append(silence)
        if len(self._held) > self._limit:
            self._held.remove(min(self._held, key=lambda held: held.until_us))

    def cover(self, fields: Mapping[str, str], now_us: int) -> bool:
        """Whether the alert with these fields is silenced now."""
        return any(
            _start_us(held) <= now_us < held.until_us
            and all(fields.get(field) == value for field, value in held.matcher.items())
            for held in self._held
        )

    def drop_ended(self, now_us: int) -> None:
        """Forget what no longer holds."""
        self._held = [held for held in self._held if now_us < held.until_us]

    def __iter__(self) -> Iterator[Silence]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return [
            {name: value for name in _FIELDS if (value := getattr(held, name)) is not None}
            for held in self._held
        ]

    @classmethod
    def from_state(cls, state: Iterable[Any], limit: int = 1_000) -> "Silences":
        """The silences that `to_state` was called on."""
        silences = cls(limit)
        silences._held = [Silence(**held) for held in state]
        return silences


_FIELDS = Silence.__dataclass_fields__
_LONG_AGO = -(2**62)


def _start_us(silence: Silence) -> int:
    """One that begins at once holds for what came before it too, where a backlog is still being read."""
    return _LONG_AGO if silence.start_us is None else silence.start_us


def _replaces(new: Silence, old: Silence) -> bool:
    """Whether both have one matcher, and a moment in common."""
    return new.matcher == old.matcher and _start_us(old) < new.until_us and _start_us(new) < old.until_us
