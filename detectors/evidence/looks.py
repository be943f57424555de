"""`Looks`: cuts streams of bins into looks of 50 events of each stream, however messages were cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
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

    __slots__ = ("_filled", "_partial", "_rows", "_shapes", "_start_us")

    def __init__(self, shapes: Sequence[tuple[int, int]]) -> None:
        self._shapes = tuple(shapes)
        ends = np.cumsum([0, *(streams for streams, _ in shapes)]).tolist()
        #: Of each kind, its streams among all.
        self._rows = [slice(first, end) for first, end in pairwise(ends)]
        #: Of the look that is under way: its bins by kind, how many events it has, and when it began.
        self._partial: list[Ints] = [np.zeros(shape, np.int64) for shape in shapes]
        self._filled: Ints = np.zeros(ends[-1], np.int64)
        self._start_us: Ints = np.zeros(ends[-1], np.int64)

    def take(self, codes: Sequence[NDArray[Any]], time_us: Ints, paid: Floats) -> Taken:
        """n ≥ 1 events: `codes` integers (streams, n) for each kind, missing if negative or ≥ K; `time_us`
        int64 (n,) or (S, n); `paid` float64 (n,)."""
        n, streams, filled = len(paid), len(self._filled), self._filled
        present = np.full(streams, n)
        gaps = self._gaps(codes, present)
        done = (filled + present) // LOOK
        most = int(done.max())
        counts = self._count(codes, filled, present, gaps, most)
        # Where all streams are as far as each other, which is the rule, one stream's looks are those of all.
        alike = not gaps and time_us.ndim == 1 and bool((filled == filled[0]).all())
        some = slice(1) if alike else slice(None)
        numbers = np.arange(most + 1)[:, None]
        starts = self._starts(numbers * LOOK - filled[some], time_us, present[some], gaps)
        real = numbers[:-1] < done[some]
        closes = numbers[1:] * LOOK - 1 - filled[some]
        for row, events in gaps.items():
            closes[: done[row], row] = events[closes[: done[row], row]]
        whole, looked = bool(real.all()), []
        for kind, (rows, of_kind) in enumerate(zip(self._rows, counts, strict=True)):
            of_kind[0] += self._partial[kind]
            held = of_kind[most] if alike else of_kind[done[rows], np.arange(of_kind.shape[1])]
            self._partial[kind] = held.copy()
            looked.append(of_kind[:most].astype(np.float64))
            if not whole:
                looked[kind] *= real[:, rows, None]
        self._filled = filled + present - done * LOOK
        self._start_us = np.resize(starts[done[some], np.arange(starts.shape[1])], streams)
        shape = most, streams
        return Taken(
            looked,
            done,
            np.broadcast_to(real, shape),
            np.broadcast_to(starts[:most], shape),
            np.broadcast_to(paid[np.minimum(closes, n - 1)], shape),
        )

    def to_state(self) -> State:
        """The looks that are under way."""
        return {"partial": [of_kind.copy() for of_kind in self._partial], "start_us": self._start_us.copy()}

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if streams or bins were others."""
        partial = [np.array(of_kind, np.int64) for of_kind in state["partial"]]
        start_us = np.array(state["start_us"], np.int64)
        if [of_kind.shape for of_kind in partial] != list(self._shapes):
            raise ValueError("looks of other streams")
        self._partial, self._start_us = partial, start_us
        self._filled = np.concatenate([np.zeros(0, np.int64), *(of_kind.sum(axis=1) for of_kind in partial)])

    def adopt(self, other: "Looks") -> None:
        """The first streams go on from `other`, which has fewer of its one kind."""
        self._partial[0][: len(other._filled)] = other._partial[0]
        self._filled[: len(other._filled)] = other._filled
        self._start_us[: len(other._start_us)] = other._start_us

    def _gaps(self, codes: Sequence[NDArray[Any]], present: Ints) -> dict[int, Ints]:
        """The events that a stream has, of streams that miss some; corrects `present`."""
        gaps = {}
        for of_kind, (streams, bins), rows in zip(codes, self._shapes, self._rows, strict=True):
            if streams and (of_kind.min() < 0 or of_kind.max() >= bins):
                has = (of_kind >= 0) & (of_kind < bins)
                for row in np.flatnonzero(~has.all(axis=1)).tolist():
                    events = gaps[rows.start + row] = np.flatnonzero(has[row])
                    present[rows.start + row] = len(events)
        return gaps

    def _count(
        self, codes: Sequence[NDArray[Any]], filled: Ints, present: Ints, gaps: dict[int, Ints], most: int
    ) -> list[Ints]:
        """Int64 (most + 1, streams, K) by kind: the bins of each look, without what was held before."""
        counts: list[Ints] = []
        for of_kind, (streams, bins), rows in zip(codes, self._shapes, self._rows, strict=True):
            shape = most + 1, streams, bins
            if streams == 0:
                counts.append(np.zeros(shape, np.int64))
                continue
            held, events_of = (
                filled[rows],
                {row - rows.start: events for row, events in gaps.items() if rows.start <= row < rows.stop},
            )
            if bins == 2:
                counts.append(_count_ones(of_kind, held, present[rows], events_of, most))
                continue
            n, cells = of_kind.shape[1], streams * bins
            #: By an event's number in its stream: where the cells of its look begin.
            look_cell = np.arange(n + LOOK) // LOOK * cells
            cell, size = np.arange(0, cells, bins), (most + 1) * cells
            if (held == held[0]).all():
                places = look_cell[held[0] : held[0] + n] + cell[:, None]
            else:
                places = sliding_window_view(look_cell, n)[held] + cell[:, None]
            places += of_kind
            for row, events in events_of.items():
                look = look_cell[held[row] : held[row] + len(events)]
                places[row] = size  # beyond all cells
                places[row, events] = look + cell[row] + of_kind[row, events]
            counts.append(np.bincount(places.ravel(), minlength=size)[:size].reshape(shape))
        return counts

    def _starts(self, opens: Ints, time_us: Ints, present: Ints, gaps: dict[int, Ints]) -> Ints:
        """When looks began, (L, S), given which of its stream's events in this batch is the first of each."""
        at = np.clip(opens, 0, time_us.shape[-1] - 1)
        for row, events in gaps.items():
            if len(events):
                at[:, row] = events[np.minimum(at[:, row], len(events) - 1)]
        times = time_us[at] if time_us.ndim == 1 else time_us[np.arange(len(present)), at]
        return np.where(opens < 0, self._start_us, np.where(opens < present, times, 0))


def _count_ones(codes: NDArray[Any], held: Ints, present: Ints, gaps: dict[int, Ints], most: int) -> Ints:
    """Of zeros and ones the ones are few, and what isn't one is zero: int64 (most + 1, streams, 2)."""
    streams = len(held)
    counts = np.zeros((most + 1, streams, 2), np.int64)
    row, event = np.divmod(np.flatnonzero(codes == 1), codes.shape[1])
    if row.size:
        for gappy, events in gaps.items():
            mine = np.flatnonzero(row == gappy)
            event[mine] = np.searchsorted(events, event[mine])
        places = (held[row] + event) // LOOK * streams + row
        counts[..., 1] = np.bincount(places, minlength=(most + 1) * streams).reshape(-1, streams)
    ends = np.arange(1, most + 2)[:, None] * LOOK
    counts[..., 0] = np.diff(np.clip(ends - held, 0, present), axis=0, prepend=0) - counts[..., 1]
    return counts
