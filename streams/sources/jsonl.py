"""JSONL: an event a line, in the JSON form of the topics."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.message import Message
from streamgauge.streams.sources.block import Block
from streamgauge.streams.sources.lines import numbered_lines


class JsonLines:
    """A `FileSource`: places are numbers of lines, from 1; empty lines are none."""

    unit: Literal["line", "row"] = "line"

    def __init__(self, topic: str, path: Path) -> None:
        self.topic = topic
        self.path = path
        self._file = path.open("rb")
        self.size = path.stat().st_size
        self.read = 0
        self.unread: tuple[str, ...] = ()

    def blocks(self) -> Iterator[Block]:
        with self._file:
            for first, lines in numbered_lines(self._file):
                messages = [
                    Message(self.topic, first + number, 0, None, text)
                    for number, line in enumerate(lines)
                    if (text := line.rstrip(b"\r\n"))
                ]
                self.read += sum(map(len, lines))
                if messages:
                    yield self._block(messages)

    def close(self) -> None:
        self._file.close()

    def _block(self, messages: list[Message]) -> Block:
        places = np.array([message.offset for message in messages], np.int64)

        def quote(wanted: Ints) -> list[Message]:
            return [messages[at] for at in np.searchsorted(places, wanted).tolist()]

        return Block.of(self.topic, places, decode_messages(self.topic, messages), quote)
