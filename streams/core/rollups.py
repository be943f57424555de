"""`Rollups`: the hours and days of one model version, from the same aggregates as its windows.

A window that nothing can change any more, or that is older than a day, is folded into its hour; an hour
that nothing can change any more into its day. So what is held is bounded, whatever *labels.ttl* is. What an
hour says is what was folded into it together with its windows that were not yet.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any

from streamgauge.streams.core.windows import Window

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
#: So old is a window that is folded although labels may still come: they restate its hour.
FOLD_AFTER_US = DAY_US
_NEVER = -(2**62)

#: Length and start of a roll-up.
Place = tuple[int, int]


class Rollups:
    """Roll-ups by length and start. A window that does not divide an hour, or a day, has none of these.

    `folded_us`: windows that end before this have been folded.
    """

    def __init__(self, window_us: int) -> None:
        self.lengths = tuple(
            length for length in (HOUR_US, DAY_US) if length > window_us and length % window_us == 0
        )
        self.held: dict[Place, Window] = {}
        self.gone: set[Place] = set()
        self.folded_us = _NEVER
        #: Hours with their windows, by their start, as long as nothing in them changes.
        self._kept: dict[int, Window] = {}

    def fold_before(self, time_us: int) -> None:
        """From now on windows that end before this are folded, and labels of theirs go to their hours."""
        if self.lengths:
            self.folded_us = max(self.folded_us, time_us)

    def of(self, start_us: int, classes: bool) -> Iterator[Window]:
        """The roll-ups of a window that begins then, made when first needed; the shortest first."""
        for length in self.lengths:
            yield self._at(length, start_us, classes)

    def fold(self, window: Window) -> None:
        """A window, or a shorter roll-up, is held no more; what it counted is."""
        self.touch(window.start_us)
        longer = [length for length in self.lengths if length > window.end_us - window.start_us]
        if longer:
            whole = self._at(longer[0], window.start_us, window.classes)
            whole.merge(window)
            whole.touched = True

    def close(self, rollup: Window) -> None:
        """Nothing can change it any more."""
        self.fold(rollup)
        place = (rollup.end_us - rollup.start_us, rollup.start_us)
        del self.held[place]
        self.gone.add(place)

    def in_order(self) -> list[tuple[int, Window]]:
        """(length, roll-up): the shortest lengths first."""
        return [(length, self.held[length, start_us]) for length, start_us in sorted(self.held)]

    def standing_in(self) -> list[Window]:
        """Those that have taken the place of windows whose labels may still come."""
        return [
            rollup
            for length, rollup in self.in_order()
            if length == self.lengths[0]
            and rollup.start_us < self.folded_us
            and not rollup.sealed
            and rollup.whole.n
        ]

    def whole(self, rollup: Window, windows: Iterable[Window]) -> Window:
        """The roll-up with its parts that are not folded yet, out of the shorter ones and `windows`.

        Only to be read: that of an hour is kept, so that a day is merged from hours and not from windows.
        """
        inside = [window for window in windows if rollup.start_us <= window.start_us < rollup.end_us]
        shortest = self.lengths[0]
        if rollup.end_us - rollup.start_us == shortest:
            whole = self._shortest(rollup, inside)
        else:
            by_part: dict[int, list[Window]] = {}
            for window in inside:
                by_part.setdefault(window.start_us - window.start_us % shortest, []).append(window)
            whole = _merged(rollup)
            for length, part in self.in_order():
                if length == shortest and rollup.start_us <= part.start_us < rollup.end_us:
                    whole.merge(self._shortest(part, by_part.get(part.start_us, ())))
        if rollup.features_over and whole.features is not None:
            whole = copy(whole)
            whole.features = None
        return whole

    def touch(self, time_us: int) -> None:
        """A window that begins then is about to change: what is kept of its hour holds no more."""
        if self._kept:
            self._kept.pop(time_us - time_us % self.lengths[0], None)

    def forget(self) -> None:
        """As `touch`, of all windows."""
        self._kept.clear()

    def changes(self) -> Iterator[tuple[Place, dict[str, Any] | None]]:
        """(place, state or None if it is gone) of what changed since the last call."""
        for place in sorted(self.gone):
            yield place, None
        self.gone.clear()
        for place, rollup in self.held.items():
            if rollup.touched:
                rollup.touched, rollup.used = False, True
                rollup.measure()
                yield place, rollup.to_state()

    def _shortest(self, rollup: Window, windows: Sequence[Window]) -> Window:
        if not windows:
            return rollup
        kept = self._kept.get(rollup.start_us)
        if kept is None:
            kept = self._kept[rollup.start_us] = _merged(rollup, *windows)
        return kept

    def _at(self, length: int, time_us: int, classes: bool) -> Window:
        start_us = time_us - time_us % length
        found = self.held.get((length, start_us))
        if found is None:
            found = self.held[length, start_us] = Window(start_us, start_us + length, classes)
            self.gone.discard((length, start_us))
        elif found.classes != classes:
            found.learned(classes)
        return found


def _merged(rollup: Window, *parts: Window) -> Window:
    whole = Window(rollup.start_us, rollup.end_us, rollup.classes)
    for part in (rollup, *parts):
        whole.merge(part)
    return whole
