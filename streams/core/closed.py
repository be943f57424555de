"""`ClosedEpisodes`: what is remembered of alerts that have ended: numbers, and when they opened and ended."""

from collections.abc import Iterable, Iterator
from typing import Any

from streamgauge.streams.core.alert_states import FLAP_SPAN_US, FLAPS_AT
from streamgauge.streams.core.findings import Segment

#: Version, monitor and segment of an episode.
Key = tuple[str, str, Segment]
#: Fingerprints whose last episode number is remembered; beyond it the one closed longest ago goes.
MAX_CLOSED = 1_000


class ClosedEpisodes:
    """By key the last episode's number, when it ended, and when the latest ones opened.

    No forgotten one got beyond the number `floor`.

    >>> closed = ClosedEpisodes()
    >>> closed.note(("7", "drift", ()), 3, now_us=100, opened_us=[20, 60])
    >>> closed.cools(("7", "drift", ()), now_us=150, cooldown_us=60), closed.take(("7", "drift", ()))
    (True, 3)
    """

    def __init__(self, floor: int = 0) -> None:
        self._floor = floor
        self._known: dict[Key, tuple[int, int, tuple[int, ...]]] = {}

    @property
    def last_number(self) -> int:
        """No episode has had a higher one."""
        return max([self._floor, *(number for number, *_ in self._known.values())])

    def take(self, key: Key) -> int:
        """The last number of one that begins again."""
        return self._known.pop(key, (self._floor, 0, ()))[0]

    def numbers(self) -> Iterator[tuple[Key, int]]:
        """The last number of each that is known."""
        return ((key, number) for key, (number, *_) in self._known.items())

    def cools(self, key: Key, now_us: int, cooldown_us: int) -> bool:
        """Whether it ended so short a time ago that it does not open again."""
        return key in self._known and now_us < self._known[key][1] + cooldown_us

    def lately(self, key: Key, now_us: int) -> tuple[int, ...]:
        """When those opened that flap with one that opens now, if they are enough."""
        opened_us = self._known.get(key, (0, 0, ()))[2]
        return tuple(each for each in opened_us if now_us - each < FLAP_SPAN_US)

    def note(self, key: Key, number: int | None, now_us: int, opened_us: Iterable[int] = ()) -> None:
        """An episode ended, and those of its key opened then; without a number, what another one told of."""
        if number is None:
            number, _, opened_us = self._known.pop(key, (self._floor, 0, ()))
        self._known[key] = number, now_us, tuple(opened_us)[-(FLAPS_AT - 1) :]
        if len(self._known) > MAX_CLOSED:
            forgotten, *_ = self._known.pop(next(iter(self._known)))
            self._floor = max(self._floor, forgotten)

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        rows = [
            [version, monitor, [list(pair) for pair in segment], number, ended_us, list(opened_us)]
            for (version, monitor, segment), (number, ended_us, opened_us) in self._known.items()
        ]
        return [self._floor, rows]

    @classmethod
    def from_state(cls, state: Iterable[Any]) -> "ClosedEpisodes":
        """What `to_state` gave."""
        floor, rows = state
        closed = cls(floor)
        for version, monitor, pairs, number, ended_us, opened_us in rows:
            segment = tuple((key, value) for key, value in pairs)
            closed._known[version, monitor, segment] = number, ended_us, tuple(opened_us)
        return closed
