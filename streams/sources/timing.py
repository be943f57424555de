"""Times to merge by: they never fall within a source, and no single wrong time moves them far ahead."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.decode import Batch
from streamgauge.streams.sources.block import UNKNOWN_US, Block

#: A time this far ahead of the rows before it and of most that follow is a mistake.
FAR_US = 86_400_000_000
#: How many of the rows that follow are asked.
FOLLOWING = 128


class Timing:
    """Gives the blocks of a file the time to merge by: the latest so far. `capped` counts mistaken times.

    A time that is more than a day ahead of all rows before it, and of the median of the `FOLLOWING` rows
    after it, is taken back to the latest before it; the first row's to the earliest of those after it. What
    follows decides, so that a pause in the traffic is no mistake; the last row is believed.
    """

    def __init__(self) -> None:
        self.capped = 0
        self._latest_us = UNKNOWN_US

    def ordered(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The same rows; held back until the rows that follow are known."""
        held: deque[Block] = deque()
        following = 0
        for block in blocks:
            held.append(block)
            following += len(block)
            while following - len(held[0]) >= FOLLOWING:
                following -= len(held[0])
                yield self._timed(held.popleft(), held)
        while held:
            yield self._timed(held.popleft(), held)

    def _timed(self, block: Block, later: "deque[Block]") -> Block:
        time_us = block.time_us
        latest = np.maximum.accumulate(np.concatenate([[self._latest_us], time_us]))
        if np.any(latest[1:] > latest[:-1] + FAR_US):
            time_us, latest = self._believed(block, later)
            block = _moved(block, time_us)
        self._latest_us = int(latest[-1])
        return replace(block, time_us=latest[1:])

    def _believed(self, block: Block, later: "deque[Block]") -> tuple[Ints, Ints]:
        """Times with mistakes taken back, and the latest before each row and after the last."""
        following = [other.time_us[:FOLLOWING] for other in later]
        times = np.concatenate([block.time_us, *following])
        n, start = len(block), 0
        latest = np.maximum.accumulate(np.concatenate([[self._latest_us], times[:n]]))
        while True:
            jumps = np.flatnonzero(latest[start + 1 :] > latest[start:-1] + FAR_US)
            if not len(jumps):
                return times[:n], latest
            row = start + int(jumps[0])
            after = times[row + 1 : row + 1 + FOLLOWING]
            after = np.sort(after[after > UNKNOWN_US])
            if len(after) and times[row] > after[(len(after) - 1) // 2] + FAR_US:
                self.capped += 1
                times[row] = latest[row] if latest[row] > UNKNOWN_US else after[0]
                latest[row:] = np.maximum.accumulate(np.concatenate([[latest[row]], times[row:n]]))
            start = row + 1


def _moved(block: Block, time_us: Ints) -> Block:
    """The block with no event later than its place's time; rows that said none stay refused."""
    batches: list[tuple[Batch, Ints]] = []
    for batch, offsets in block.decoded.batches:
        most = time_us[np.searchsorted(block.places, offsets)]
        batches.append((replace(batch, time_us=np.minimum(batch.time_us, most)), offsets))
    return replace(block, decoded=replace(block.decoded, batches=batches))


def by_append_time(blocks: Iterator[Block]) -> Iterator[Block]:
    """For topics: no event counts as later than the broker stored it; the core caps its time likewise."""
    latest_us = UNKNOWN_US
    for block in blocks:
        assert block.appended_us is not None
        time_us = np.minimum(block.time_us, block.appended_us)
        latest = np.maximum.accumulate(np.concatenate([[latest_us], time_us]))
        latest_us = int(latest[-1])
        yield replace(block, time_us=latest[1:])
