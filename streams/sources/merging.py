"""Sources as one history: merged by time as they are read, however long they are."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.streams.sources.block import BLOCK_ROWS
from streamgauge.streams.sources.piece import Piece, joined

#: Sources take turns this often, in event time; within a turn the first source comes first. Shorter turns
#: cost more an event where traffic is thin; longer ones would let labels miss what expires between.
TURN_US = 30_000_000


class Timed(Protocol):
    """Rows of one source whose times, int64, shape (n,), never fall."""

    @property
    def time_us(self) -> Ints: ...

    def __len__(self) -> int: ...

    def events(self, start: int, end: int) -> Piece: ...


def merged(sources: Sequence[Iterator[Timed]]) -> Iterator[Piece]:
    """Runs of at most `BLOCK_ROWS` rows, in turns of `TURN_US` aligned to the epoch.

    Where a run ends depends on the rows and their times alone, not on where a source cuts its blocks: what
    is published when is the same for every format.
    """
    cursors = [_Cursor(blocks) for blocks in sources]
    while waiting := [cursor for cursor in cursors if cursor.block is not None]:
        end_us = (min(cursor.time_us for cursor in waiting) // TURN_US + 1) * TURN_US
        for cursor in waiting:
            yield from cursor.until(end_us)


class _Cursor:
    """How far one source was given out; `block` is None at its end."""

    def __init__(self, blocks: Iterator[Timed]) -> None:
        self._blocks = blocks
        self.block: Timed | None = None
        self._at = 0
        self._next()

    @property
    def time_us(self) -> int:
        """The time of the next row."""
        assert self.block is not None
        return int(self.block.time_us[self._at])

    def until(self, end_us: int) -> Iterator[Piece]:
        """The rows before `end_us`."""
        run: list[Piece] = []
        room = BLOCK_ROWS
        while self.block is not None:
            before = int(np.searchsorted(self.block.time_us, end_us))
            end = min(before, self._at + room)
            if end > self._at:
                run.append(self.block.events(self._at, end))
                room -= end - self._at
                self._at = end
            if not room:
                yield joined(run)
                run, room = [], BLOCK_ROWS
            if self._at == len(self.block):
                self._next()
            elif self._at == before:
                break
        if run:
            yield joined(run)

    def _next(self) -> None:
        self._at = 0
        self.block = next((block for block in self._blocks if len(block)), None)
