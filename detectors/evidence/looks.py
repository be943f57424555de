"""`Looks`: cuts streams of bins into looks of 50 events of each stream, however messages were cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Bools, Floats, Ints

LOOK = 50


@dataclass(frozen=True, slots=True)
class Taken:
    """L looks, as many as any stream has completed; `done` (S,) says how many each has.

    `counts` are float64 (L, streams, K) for each kind, 0 where a stream has no such look; `real` bool (L, S)
    where it has one. `starts_us` int64 and `balance` float64 (L, S) are the time of its first event and the
    account at its last.
    """

    counts: list[Floats]
    done: Ints
    real: Bools
    starts_us: Ints
    balance: Floats


class Looks:
    """S streams in kinds of `shapes` (streams, bins K). Holds the look that is under way.

    >>> looks = Looks([(1, 2)])
    >>> taken = looks.take([np.array([[1] * 60])], np.arange(60), np.zeros(60))
    >>> taken.counts[0].tolist(), taken.starts_us.tolist(), looks.take([np.zeros((1, 40), int)],
    ...     np.arange(60, 100), np.zeros(40)).counts[0].tolist()
    ([[[0.0, 50.0]]], [[0]], [[[40.0, 10.0]]])
    """

    __slots__ = ("_first_cell", "_partial", "_shapes", "_start_us", "_stream_of")

    def __init__(self, shapes: Sequence[tuple[int, int]]) -> None:
        self._shapes = tuple(shapes)
        bins = np.concatenate([np.zeros(0, np.int64), *(np.full(s, k) for s, k in shapes)])
        #: Of all bins, stream by stream: whose they are, and where each stream's begin.
        self._stream_of = np.repeat(np.arange(len(bins)), bins)
        self._first_cell = np.cumsum(bins) - bins
        self._partial: Ints = np.zeros(len(self._stream_of), np.int64)
        self._start_us: Ints = np.zeros(len(bins), np.int64)

    def take(self, codes: Sequence[NDArray[Any]], time_us: Ints, paid: Floats) -> Taken:
        """n ≥ 1 events: `codes` integers (streams, n) for each kind, missing if negative or ≥ K; `time_us`
        int64 (n,) or (S, n); `paid` float64 (n,)."""
        n, cells = len(paid), len(self._partial)
        filled = np.add.reduceat(self._partial, self._first_cell)
        present = np.full(len(filled), n)
        gaps = self._gaps(codes, present)
        done = (filled + present) // LOOK
        most = int(done.max())
        counts = self._count(codes, filled, present, gaps, most)
        counts[0] += self._partial
        numbers = np.arange(most + 1)[:, None]
        starts = self._starts(numbers * LOOK - filled, time_us, present, gaps)
        real = numbers[:-1] < done
        closes = numbers[1:] * LOOK - 1 - filled
        for row, events in gaps.items():
            closes[: done[row], row] = events[closes[: done[row], row]]
        self._partial = counts[done[self._stream_of], np.arange(cells)]
        self._start_us = starts[done, np.arange(len(done))]
        looked = counts[:most].astype(np.float64)
        if not real.all():
            looked *= real[:, self._stream_of]
        split, at = [], 0
        for streams, bins in self._shapes:
            split.append(looked[:, at : at + streams * bins].reshape(most, streams, bins))
            at += streams * bins
        return Taken(split, done, real, starts[:most], paid[np.minimum(closes, n - 1)])

    def to_state(self) -> State:
        """The looks that are under way."""
        return {"partial": self._partial.copy(), "start_us": self._start_us.copy()}

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if streams or bins were others."""
        partial, start_us = (np.array(state[name], np.int64) for name in ("partial", "start_us"))
        if partial.shape != self._partial.shape or start_us.shape != self._start_us.shape:
            raise ValueError("looks of other streams")
        self._partial, self._start_us = partial, start_us

    def adopt(self, other: "Looks") -> None:
        """The first streams go on from `other`, which has fewer."""
        self._partial[: len(other._partial)] = other._partial
        self._start_us[: len(other._start_us)] = other._start_us

    def _gaps(self, codes: Sequence[NDArray[Any]], present: Ints) -> dict[int, Ints]:
        """The events that a stream has, of streams that miss some; corrects `present`."""
        gaps, first = {}, 0
        for of_kind, (streams, bins) in zip(codes, self._shapes, strict=True):
            if streams and (of_kind.min() < 0 or of_kind.max() >= bins):
                has = (of_kind >= 0) & (of_kind < bins)
                for row in np.flatnonzero(~has.all(axis=1)).tolist():
                    events = gaps[first + row] = np.flatnonzero(has[row])
                    present[first + row] = len(events)
            first += streams
        return gaps

    def _count(
        self, codes: Sequence[NDArray[Any]], filled: Ints, present: Ints, gaps: dict[int, Ints], most: int
    ) -> Ints:
        """Int64 (most + 1, cells): the bins of each look, without what was held before."""
        cells = len(self._partial)
        size = (most + 1) * cells
        counts: Ints = np.zeros((most + 1, cells), np.int64)
        #: By an event's number in its stream: where the cells of its look begin.
        look_cell = np.arange(codes[0].shape[1] + LOOK) // LOOK * cells
        first = 0
        for of_kind, (streams, bins) in zip(codes, self._shapes, strict=True):
            rows = slice(first, first + streams)
            first += streams
            if streams == 0:
                continue
            cell, held = self._first_cell[rows], filled[rows]
            if bins == 2:
                # Of zeros and ones the ones are few, and what isn't one is zero.
                row, event = np.divmod(np.flatnonzero(of_kind == 1), of_kind.shape[1])
                for gappy in gaps.keys() & range(rows.start, rows.stop):
                    mine = np.flatnonzero(row == gappy - rows.start)
                    event[mine] = np.searchsorted(gaps[gappy], event[mine])
                if row.size:
                    places = look_cell[held[row] + event] + cell[row] + 1
                    counts += np.bincount(places, minlength=size).reshape(counts.shape)
                ends = np.arange(1, most + 2)[:, None] * LOOK
                taken = np.clip(ends - held, 0, present[rows])
                counts[:, cell] = np.diff(taken, axis=0, prepend=0) - counts[:, cell + 1]
                continue
            n = of_kind.shape[1]
            if (held == held[0]).all():
                places = look_cell[held[0] : held[0] + n] + cell[:, None]
            else:
                places = sliding_window_view(look_cell, n)[held] + cell[:, None]
            places += of_kind
            for gappy in gaps.keys() & range(rows.start, rows.stop):
                events, at = gaps[gappy], gappy - rows.start
                look = look_cell[held[at] : held[at] + len(events)]
                places[at] = size  # beyond all cells
                places[at, events] = look + cell[at] + of_kind[at, events]
            counts += np.bincount(places.ravel(), minlength=size)[:size].reshape(counts.shape)
        return counts

    def _starts(self, opens: Ints, time_us: Ints, present: Ints, gaps: dict[int, Ints]) -> Ints:
        """When looks began, (L, S), given which of its stream's events in this batch is the first of each."""
        at = np.clip(opens, 0, time_us.shape[-1] - 1)
        for row, events in gaps.items():
            if len(events):
                at[:, row] = events[np.minimum(at[:, row], len(events) - 1)]
        times = time_us[at] if time_us.ndim == 1 else time_us[np.arange(len(present)), at]
        return np.where(opens < 0, self._start_us, np.where(opens < present, times, 0))
