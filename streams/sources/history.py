"""Files of predictions and labels as one history."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from streamgauge.schemas.message import DATA_INPUTS
from streamgauge.streams.sources.block import FileSource
from streamgauge.streams.sources.files import open_file
from streamgauge.streams.sources.merging import merged
from streamgauge.streams.sources.piece import Piece
from streamgauge.streams.sources.timing import Timing


class FileHistory(AbstractContextManager["FileHistory"]):
    """A `streams.replay.History` of one partition. `paths` are by topic; predictions come first in a turn.

    Raises `ConfigurationError` for a file that cannot be read as events.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self.sources: list[FileSource] = []
        try:
            for topic in DATA_INPUTS:
                if topic in paths:
                    self.sources.append(open_file(topic, paths[topic]))
        except BaseException:
            self.__exit__()
            raise
        self.size = sum(source.size for source in self.sources)
        self._timings = [Timing() for _ in self.sources]

    @property
    def read(self) -> int:
        return sum(source.read for source in self.sources)

    @property
    def capped(self) -> int:
        return sum(timing.capped for timing in self._timings)

    def partitions(self) -> Iterator[tuple[int, Iterator[Piece]]]:
        yield (
            0,
            merged(
                [
                    timing.ordered(source.blocks())
                    for timing, source in zip(self._timings, self.sources, strict=True)
                ]
            ),
        )

    def where(self, topic: str, place: int) -> str | None:
        for source in self.sources:
            if source.topic == topic:
                return f"{source.path}:{place}" if source.unit == "line" else f"{source.path} row {place}"
        return None

    def __exit__(self, *_: object) -> None:
        for source in self.sources:
            source.close()
