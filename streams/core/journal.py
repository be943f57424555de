"""`Journal`: what all models of a partition were told alike: ticks, and orders for the whole fleet.

A model that nothing concerns lags behind, and reads on from its place when something does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from streamgauge.detectors.evidence.account import MAX_STEP_US
from streamgauge.schemas.control import Define, Silence
from streamgauge.schemas.monitor import Fleet
from streamgauge.streams.core.silences import Silences

LONG_AGO = -(2**62)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a model has read: the number of orders, and the time of the last tick."""

    orders: int = 0
    ticked_us: int = LONG_AGO


@dataclass(frozen=True, slots=True)
class Ticks:
    """From the first to the last, with no pause that an account would not pay for in full."""

    first_us: int
    last_us: int

    def follows(self, before: "Ticks") -> bool:
        """Whether an account is paid for all the time between them."""
        return self.first_us - before.last_us <= MAX_STEP_US


@dataclass(frozen=True, slots=True)
class FleetOrder:
    """A silence, or the fleet document in force from here on and the one before it."""

    number: int
    said: Silence | tuple[Fleet, Fleet]


Entry = Ticks | FleetOrder


class Journal:
    """Entries in order; ticks that nobody needs one by one are kept as their first and last.

    >>> journal = Journal()
    >>> for now_us in (0, 1_000_000, 2_000_000):
    ...     journal.tick(now_us, needed_from_us=0)
    >>> len(list(journal.after(Place())))
    3
    >>> journal.tick(3_000_000, needed_from_us=9_000_000)
    >>> list(journal.after(Place()))
    [Ticks(first_us=0, last_us=3000000)]
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._end = Place()

    @property
    def end(self) -> Place:
        """The place of who has read all of it."""
        return self._end

    def __len__(self) -> int:
        return len(self._entries)

    def tick(self, now_us: int, needed_from_us: int) -> None:
        """Time went on; ticks before `needed_from_us` are needed by nobody one by one."""
        self._end = replace(self._end, ticked_us=now_us)
        packed: list[Entry] = []
        for entry in (*self._entries, Ticks(now_us, now_us)):
            before = packed[-1] if packed else None
            if (
                isinstance(before, Ticks)
                and isinstance(entry, Ticks)
                and entry.last_us < needed_from_us
                and entry.follows(before)
            ):
                packed[-1] = Ticks(before.first_us, entry.last_us)
            else:
                packed.append(entry)
        self._entries = packed

    def order(self, said: Define | Silence, before: Fleet, after: Fleet) -> None:
        """Something was said to the whole fleet."""
        self._end = replace(self._end, orders=self._end.orders + 1)
        meant = said if isinstance(said, Silence) else (before, after)
        self._entries.append(FleetOrder(self._end.orders, meant))

    def after(self, place: Place) -> Iterator[Entry]:
        """What a model has not read."""
        for entry in self._entries:
            if isinstance(entry, FleetOrder):
                if entry.number > place.orders:
                    yield entry
            elif entry.last_us > place.ticked_us:
                yield entry

    def fleet_at(self, place: Place, now: Fleet) -> Fleet:
        """The fleet document that was in force at a place; `now` is the one in force at the end."""
        for entry in self.after(place):
            if isinstance(entry, FleetOrder) and not isinstance(entry.said, Silence):
                return entry.said[0]
        return now

    def forget_before(self, place: Place) -> None:
        """All models have read up to here."""
        self._entries = list(self.after(place))

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "orders": self._end.orders,
            "ticked_us": self._end.ticked_us,
            "entries": [_state(entry) for entry in self._entries],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Journal":
        """What `to_state` gave."""
        journal = cls()
        journal._end = Place(state["orders"], state["ticked_us"])
        journal._entries = [_entry(entry) for entry in state["entries"]]
        return journal


def _state(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Ticks):
        return {"ticks": [entry.first_us, entry.last_us]}
    if isinstance(entry.said, Silence):
        silences = Silences()
        silences.add(entry.said)
        return {"order": entry.number, "silence": silences.to_state()[0]}
    return {"order": entry.number, "fleet": [document.model_dump_json() for document in entry.said]}


def _entry(state: dict[str, Any]) -> Entry:
    if "ticks" in state:
        return Ticks(*state["ticks"])
    if "silence" in state:
        return FleetOrder(state["order"], Silence(**state["silence"]))
    before, after = map(Fleet.model_validate_json, state["fleet"])
    return FleetOrder(state["order"], (before, after))
