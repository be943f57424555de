"""`Block`: some thousand neighbouring rows of one source, decoded, each with the time it is merged by."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.decode import Batch, DecodeResult
from streamgauge.schemas.merge import take_rows
from streamgauge.schemas.message import Message
from streamgauge.streams.core.decoded import DecodedEvents

#: The time of a row that does not say it.
UNKNOWN_US = -(2**62)
#: Rows of one block: long enough for columns to pay, short enough to hold some of them.
BLOCK_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one topic: a place is a line, a row of a table, or a message of Kafka (of one or many events).

    `places` are their numbers, ascending, and `time_us` the latest event time at each, `UNKNOWN_US` where
    there is none; once ordered, the time to merge by, never falling. Both are int64, shape (n,).
    `appended_us` is when a broker stored each. `quote` makes messages of places, for dead letters.
    """

    topic: str
    places: Ints
    time_us: Ints
    decoded: DecodeResult
    quote: Callable[[Ints], Sequence[Message]]
    appended_us: Ints | None = None

    @classmethod
    def of(
        cls,
        topic: str,
        places: Ints,
        decoded: DecodeResult,
        quote: Callable[[Ints], Sequence[Message]],
        appended_us: Ints | None = None,
    ) -> "Block":
        """A block whose times are those of its events."""
        time_us = np.full(len(places), UNKNOWN_US)
        for batch, offsets in decoded.batches:
            np.maximum.at(time_us, np.searchsorted(places, offsets), batch.time_us)
        return cls(topic, places, time_us, decoded, quote, appended_us)

    def __len__(self) -> int:
        return len(self.places)

    def events(self, start: int, end: int) -> DecodedEvents:
        """The rows from `start` to `end`; what was refused goes with the block's first row."""
        low, high = int(self.places[start]), int(self.places[end - 1])
        whole = start == 0 and end == len(self)
        batches = self.decoded.batches if whole else list(self._cut(low, high))
        part = DecodeResult(batches)
        if start == 0:
            part.refused = [(self._stamped(message), error) for message, error in self.decoded.refused]
            part.refused_rows = self.decoded.refused_rows
        return DecodedEvents(
            self.topic,
            part,
            high,
            lambda places: [self._stamped(message) for message in self.quote(places)],
            self.places,
            self.appended_us,
        )

    def _cut(self, low: int, high: int) -> Iterator[tuple[Batch, Ints]]:
        for batch, offsets in self.decoded.batches:
            rows = slice(*np.searchsorted(offsets, (low, high + 1)).tolist())
            if rows.start < rows.stop:
                yield take_rows(batch, rows), offsets[rows]

    def _stamped(self, message: Message) -> Message:
        """With the time that the rows before it had reached, if it came without one."""
        if self.appended_us is not None:
            return message
        place = int(np.searchsorted(self.places, message.offset))
        return replace(message, timestamp_us=int(self.time_us[place]))


class FileSource(Protocol):
    """A file of events of one topic: `size` in bytes, how many were `read`, and columns of no use.

    `path` and `unit` say, with a place, where an event stands.
    """

    topic: str
    path: Path
    unit: Literal["line", "row"]
    size: int
    read: int
    unread: tuple[str, ...]

    def blocks(self) -> Iterator[Block]:
        """All of it, in its own order, with times as they stand in it. Can be asked for once."""
        ...

    def close(self) -> None: ...
