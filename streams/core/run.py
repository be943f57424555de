"""`Run`: the batches of a run of messages in the order of their offsets, so that it can be cut anywhere."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np

from streamgauge.schemas.batch import Bools, Floats, GroundTruthBatch, Ints, PredictionBatch
from streamgauge.schemas.monitor import MonitorDefinition

Timed = TypeVar("Timed", PredictionBatch, GroundTruthBatch)


class Beside(NamedTuple):
    """What goes with the rows of a batch, (n,) each: the offsets they came from, the watermark at which each
    came, and the account's balance; and `cuts`, rows before which a round begins that changes nothing, among
    them or beyond."""

    offsets: Ints
    watermark: Ints
    paid: Floats
    cuts: tuple[int, ...] = ()

    def take(self, rows: Bools | slice) -> "Beside":
        """What goes with some of the rows."""
        if isinstance(rows, slice):
            cuts = tuple(cut - rows.start for cut in self.cuts)
        else:
            cuts = tuple(int(np.count_nonzero(rows[: max(cut, 0)])) for cut in self.cuts)
        return Beside(self.offsets[rows], self.watermark[rows], self.paid[rows], cuts)


def pieces(n: int, cuts: Sequence[int]) -> list[slice]:
    """Rows between cuts, wherever there are some; n is 1 or more.

    >>> pieces(9, (-2, 4, 4, 6)), pieces(9, (0, 9))
    ([slice(0, 4, None), slice(4, 6, None), slice(6, 9, None)], [slice(0, 9, None)])
    """
    inside = {cut for cut in cuts if 0 < cut < n}
    return [slice(start, stop) for start, stop in pairwise(sorted({0, n, *inside}))]


class Run:
    """Parts of (times, offsets), int64 (n,) each, of one model; `now_us` is the latest time before them.

    `latest_us` int64 (N + 1,) is the latest time before each row in order, and after the last.

    >>> run = Run(5, [(np.array([9, 1]), np.array([0, 2])), (np.array([7]), np.array([1]))])
    >>> run.latest_us.tolist(), list(run.parts(0, 2)), run.before(0).tolist()
    ([5, 9, 9, 9], [(0, slice(0, 1, None)), (1, slice(0, 1, None))], [5, 9])
    """

    def __init__(self, now_us: int, parts: Sequence[tuple[Ints, Ints]]) -> None:
        time = parts[0][0]
        #: Of each part, the places of its rows in the order; they rise.
        self._places: list[Ints] | None = None
        if len(parts) > 1:
            time = np.concatenate([part for part, _ in parts])
            ends = np.cumsum([len(part) for part, _ in parts])
            order = np.argsort(np.concatenate([offsets for _, offsets in parts]), kind="stable")
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            self._places, time = np.split(place, ends[:-1]), time[order]
        self.latest_us: Ints = np.empty(len(time) + 1, np.int64)
        self.latest_us[0], self.latest_us[1:] = now_us, time
        np.maximum.accumulate(self.latest_us, out=self.latest_us)

    def __len__(self) -> int:
        return len(self.latest_us) - 1

    def before(self, part: int) -> Ints:
        """The latest time before each row of a part, int64 (n,)."""
        return self.latest_us[:-1] if self._places is None else self.latest_us[self._places[part]]

    def parts(self, start: int, stop: int) -> Iterator[tuple[int, slice]]:
        """The parts that have rows among these of the order, and which of their own rows those are."""
        if self._places is None:
            yield 0, slice(start, stop)
            return
        for part, places in enumerate(self._places):
            first, end = np.searchsorted(places, (start, stop)).tolist()
            if first < end:
                yield part, slice(first, end)

    def among(self, part: int, rows: slice, start: int) -> Ints | slice:
        """Where these rows of a part are in the order, counted from `start`."""
        if self._places is None:
            return slice(rows.start - start, rows.stop - start)
        return self._places[part][rows] - start


def cap_times(batch: Timed, cap_us: Ints) -> tuple[Timed, int]:
    """The batch with no time beyond these, int64 (n,), and how many were."""
    beyond = int((batch.time_us > cap_us).sum())
    return (replace(batch, time_us=np.minimum(batch.time_us, cap_us)) if beyond else batch), beyond


def on_time(time_us: Ints, watermark_us: Ints, definition: MonitorDefinition) -> Bools | None:
    """Whether each event came while its window was open and a label could still reach it; None: all did.

    The watermark is that at which each came, and never falls.
    """
    if time_us.min() >= watermark_us[-1]:
        return None
    end_us = time_us - time_us % definition.window + definition.window
    latest_us = np.minimum(end_us + definition.lateness, time_us + definition.labels.ttl)
    in_time: Bools = latest_us >= watermark_us
    return None if in_time.all() else in_time
