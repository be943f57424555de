"""`Mirrors`: where the partitions of one worker are mirrored, and what memory that takes."""

import time
from collections.abc import Callable
from pathlib import Path

from streamgauge.streams.mirror import Mirror
from streamgauge.streams.rocks import Buffers


class Mirrors:
    """The mirrors of one worker, below `directory`; `failed` is told of each one that is given up.

    `clock` gives the seconds of the epoch. All of them together take `memory_bytes` at most.
    """

    def __init__(
        self,
        directory: Path,
        failed: Callable[[], None],
        clock: Callable[[], float] = time.time,
        memory_bytes: int = 64 << 20,
    ) -> None:
        self._directory = directory
        self._failed = failed
        self._clock = clock
        self._buffers = Buffers.of(memory_bytes)

    def of(self, topic: str, partition: int) -> "Mirror":
        """The mirror of a partition of `topic`, not opened yet."""
        return Mirror(self._directory / f"{topic}-{partition}", self._buffers, self._failed, self._clock)
