"""`Version`: the windows and the watch of one version of a model."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from streamgauge.schemas.batch import Bools, Floats, Ints
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.streams.core.latest import LatestRows
from streamgauge.streams.core.rollups import Rollups
from streamgauge.streams.core.segments import LiveSegments
from streamgauge.streams.core.watch import Watch
from streamgauge.streams.core.windows import Window


@dataclass(frozen=True, slots=True)
class Adoption:
    """Who replaced a baseline by which, when and why; None stands for one that is learned."""

    actor: str
    time_us: int
    before: str | None
    after: str | None
    note: str | None


class Version:
    """Open windows by their start, what they roll up to, and the detectors of one version."""

    def __init__(self, name: str, watch: Watch, segments: LiveSegments, window_us: int) -> None:
        self.name = name
        self.watch = watch
        self.segments = segments
        self.window_us = window_us
        self.rollups = Rollups(window_us)
        self.windows: dict[int, Window] = {}
        self.gone: set[int] = set()
        self.first_served_us = self.last_served_us = 0
        #: How many were served, and how many got a first label.
        self.served_rows = self.labelled_rows = 0
        #: The latest order that replaced its baseline.
        self.adopted: Adoption | None = None
        #: Where there are segments, what a change can be traced to.
        self.latest = LatestRows()

    def serves(self, time_us: Ints) -> None:
        """Predictions of these times, int64 (n,), n at least 1."""
        self.first_served_us = self.first_served_us or int(time_us.min())
        self.last_served_us = max(self.last_served_us, int(time_us.max()))
        self.served_rows += len(time_us)

    def counted(self) -> list[int]:
        """When it served, and how much: for the snapshot, and for what takes its place."""
        return [self.first_served_us, self.last_served_us, self.served_rows, self.labelled_rows]

    def count(self, counted: Sequence[int]) -> None:
        """Goes on from what `counted` gave."""
        self.first_served_us, self.last_served_us, self.served_rows, self.labelled_rows = counted

    def window(self, start_us: int, classes: bool) -> Window:
        """The window that starts at `start_us`, made when first needed, or what it was folded into."""
        found = self.windows.get(start_us)
        if found is None:
            end_us = start_us + self.window_us
            if end_us < self.rollups.folded_us:
                found = next(self.rollups.of(start_us, classes))
            else:
                found = self.windows[start_us] = Window(start_us, end_us, classes)
                self.gone.discard(start_us)
        elif found.classes != classes:
            found.learned(classes)
        found.touched = True
        self.rollups.touch(start_us)
        return found

    def served(self, start_us: int, classes: bool) -> Window:
        """As `window`, for predictions: it and its roll-ups are to be told anew."""
        return self._to_tell("served_dirty", start_us, classes)

    def repeat(self, again: Bools, time_us: Ints, paid: Floats, classes: bool) -> None:
        """Which predictions had come before, bool (n,): each counts in the window of its own time."""
        self.watch.repeat(again, time_us, paid)
        if not np.count_nonzero(again):
            return
        starts = time_us[again] - time_us[again] % self.window_us
        starts, counts = np.unique(starts, return_counts=True)
        for start_us, count in zip(starts.tolist(), counts.tolist(), strict=True):
            self.served(start_us, classes).repeats += count

    def labelled(self, start_us: int, classes: bool) -> Window:
        """As `served`, for labels."""
        return self._to_tell("labels_dirty", start_us, classes)

    def _to_tell(self, what: str, start_us: int, classes: bool) -> Window:
        window = self.window(start_us, classes)
        setattr(window, what, True)
        for rollup in self.rollups.of(start_us, classes):
            if not getattr(rollup, what):  # one that waits to be told need not be stored again
                setattr(rollup, what, True)
                rollup.touched = True
        return window

    def fold(self, window: Window) -> None:
        """It is held no more but in its roll-ups."""
        self.rollups.fold(window)
        del self.windows[window.start_us]
        self.gone.add(window.start_us)

    def rebase(self, profile: BaselineProfile | None) -> tuple[str, ...]:
        """Another baseline from now on, or none, to learn one; gives the monitors that start over.

        Features of open windows are counted anew.
        """
        for window in (*self.windows.values(), *self.rollups.held.values()):
            window.rebase()
            if profile is None:
                window.labels = None
        self.rollups.forget()
        self.latest = LatestRows()
        return self.watch.rebase(profile)

    def renew(self, segments: LiveSegments) -> None:
        """Its live segments are chosen anew, so what had the slots of the old ones is forgotten."""
        self.segments, self.latest = segments, LatestRows()

    def replaces(self, other: "Version") -> None:
        """This empty one takes another's place: what is stored of that is to be deleted."""
        self.gone = other.gone | set(other.windows)
        self.rollups.gone = other.rollups.gone | set(other.rollups.held)
        self.count(other.counted())
        self.watch.replaces(other.watch)

    def in_order(self) -> Iterator[Window]:
        for start in sorted(self.windows):
            yield self.windows[start]

    def labels_may_reach(self) -> Iterator[Window]:
        """Where what was predicted is counted as long as labels may come: in windows, or in their hours."""
        yield from self.rollups.standing_in()
        yield from self.in_order()

    def since(self, onset_us: int | None) -> "Range":
        """What the windows from `onset_us` on hold: for alerts and retrain requests to point at."""
        found = Range()
        for window in self.labels_may_reach():
            if onset_us is None or window.end_us > onset_us:
                found.add(window)
        return found

    def to_state(self) -> list[Any]:
        """All but the windows, which are records of their own."""
        parts = self.segments.to_state(), self.watch.to_state()
        adopted = None if self.adopted is None else list(astuple(self.adopted))
        return [self.name, self.counted(), self.rollups.folded_us, self.latest.to_state(), adopted, *parts]

    def changed_windows(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """(start, state or None if it is gone) of what changed since the last call."""
        for start in sorted(self.gone):
            yield start, None
        self.gone.clear()
        for start, window in self.windows.items():
            if window.touched:
                window.touched, window.used = False, True
                window.measure()
                yield start, window.to_state()


class Range:
    """Time, input offsets and label counts of a run of windows."""

    def __init__(self) -> None:
        self.start_us: int | None = None
        self.end_us: int | None = None
        self.answered = 0
        self.labelled = 0
        self.offsets: dict[str, list[int]] = {}

    def add(self, window: Window) -> None:
        self.start_us = window.start_us if self.start_us is None else min(self.start_us, window.start_us)
        self.end_us = window.end_us if self.end_us is None else max(self.end_us, window.end_us)
        bag = window.whole
        self.answered += bag.n - bag.failed
        self.labelled += bag.labelled
        for topic, (first, last) in window.offsets.items():
            span = self.offsets.setdefault(topic, [first, last])
            span[0], span[1] = min(span[0], first), max(span[1], last)

    @property
    def coverage(self) -> float | None:
        return self.labelled / self.answered if self.answered else None
