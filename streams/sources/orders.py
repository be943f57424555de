"""What operators and training jobs sent, as part of a history: messages with a time, not rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.message import Message
from streamgauge.streams.sources.block import UNKNOWN_US


@dataclass(frozen=True, slots=True)
class Orders:
    """Some messages of one topic. `time_us`, int64, shape (n,), never falls: when the broker stored them."""

    messages: tuple[Message, ...]
    time_us: Ints

    @classmethod
    def of(cls, runs: Iterable[list[Message]]) -> Iterator["Orders"]:
        """Run by run."""
        latest_us = UNKNOWN_US
        for run in runs:
            stamps = [latest_us, *(message.timestamp_us for message in run)]
            time_us = np.maximum.accumulate(np.array(stamps, np.int64))[1:]
            latest_us = int(time_us[-1])
            yield cls(tuple(run), time_us)

    def __len__(self) -> int:
        return len(self.messages)

    def events(self, start: int, end: int) -> tuple[Message, ...]:
        return self.messages[start:end]
