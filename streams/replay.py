"""Runs the worker's core over a history: the same decisions, without a worker, a group or a clock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from streamgauge.schemas.encode import encode_value
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import ALERTS, CONTROL, DEAD_LETTERS, OUTPUTS, Message, Output
from streamgauge.streams.core.decoded import DecodedEvents
from streamgauge.streams.core.doubts import doubts_of
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.episodes import EpisodeLog
from streamgauge.streams.sources.piece import Piece

#: Called with how much was read so far, and how much there is: bytes of files, messages of topics.
Progress = Callable[[int, int], None]


class History(Protocol):
    """Events that happened, by partition; files are one partition.

    `size` and `read` are in one unit; `capped` counts times that cannot be and were taken back.
    """

    size: int

    @property
    def read(self) -> int: ...

    @property
    def capped(self) -> int: ...

    def partitions(self) -> Iterator[tuple[int, Iterator[Piece]]]:
        """(number, its events in the order in which they are to be applied)."""
        ...

    def where(self, topic: str, place: int) -> str | None:
        """What a dead letter says before all else of an event at this place; `topic` is without prefix."""
        ...


@dataclass(frozen=True, slots=True)
class Variant:
    """What to watch a history with: the fleet's settings, and the orders that come before all else.

    Orders that are part of the history are left out unless `orders`. Records go to `out`, a file an output
    topic, if it is given; it is created.
    """

    settings: CoreSettings
    control: tuple[Message, ...] = ()
    out: Path | None = None
    orders: bool = True


@dataclass(frozen=True, slots=True)
class Replayed:
    """Records by output topic and the ledger of the events, summed; the alerts as episodes.

    `refused`: of each reason how many dead letters there are, and what the first one says. `doubts`: what
    seems to be wrong with the definition, by model.
    """

    counts: Mapping[str, int]
    episodes: EpisodeLog
    refused: Mapping[str, tuple[int, str]]
    doubts: Mapping[str, tuple[str, ...]]


def replay(
    history: History, variants: Sequence[Variant], progress: Progress = lambda *_: None
) -> list[Replayed]:
    """Reads the history once, and runs the core once for each variant.

    Files are written as it goes: memory does not depend on how long the history is. Raises
    `ConfigurationError` for what cannot be read or written.
    """
    with ExitStack() as opened:
        runs = [opened.enter_context(_Run(variant, history)) for variant in variants]
        for number, pieces in history.partitions():
            for run in runs:
                run.begin(number)
            for piece in pieces:
                for run in runs:
                    run.apply(piece)
                progress(history.read, history.size)
            for run in runs:
                run.end()
    return [
        Replayed(
            run.counts | {"capped": run.counts["capped"] + history.capped},
            run.episodes,
            run.refused,
            run.doubts,
        )
        for run in runs
    ]


class _Run(AbstractContextManager["_Run"]):
    """One variant, partition by partition."""

    def __init__(self, variant: Variant, history: History) -> None:
        self.counts = dict.fromkeys((*OUTPUTS, "applied", "duplicate", "dead_lettered", "late", "capped"), 0)
        self.episodes = EpisodeLog()
        self.refused: dict[str, tuple[int, str]] = {}
        self.doubts: dict[str, tuple[str, ...]] = {}
        self._variant = variant
        self._history = history
        self._partition = Partition(0, variant.settings)
        self._files: dict[str, BinaryIO] = {}
        self._closing = ExitStack()

    def __enter__(self) -> "_Run":
        out = self._variant.out
        if out is None:
            return self
        try:
            out.mkdir(parents=True, exist_ok=True)
            for topic in OUTPUTS:
                file = (out / f"{topic}.jsonl").open("wb")
                self._files[topic] = self._closing.enter_context(file)
        except OSError as error:
            self._closing.close()
            raise ConfigurationError(f"cannot write {error.filename}: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def begin(self, number: int) -> None:
        self._partition = Partition(number, self._variant.settings)
        self._partition.apply(self._variant.control)
        self._flush()

    def apply(self, piece: Piece) -> None:
        if isinstance(piece, DecodedEvents):
            self._partition.take(piece)
        elif self._variant.orders:
            self._partition.apply(piece)
        self._flush()

    def end(self) -> None:
        for name, model in self._partition.models.items():
            if doubts := doubts_of(model):
                self.doubts[name] = doubts
        self._partition.finish()
        self._flush()
        for name, count in self._partition.counts().items():
            self.counts[name] = self.counts.get(name, 0) + count

    def _flush(self) -> None:
        for output in self._partition.drain():
            self.counts[output.topic] += 1
            if output.topic == ALERTS:
                self.episodes.add(output.record)
            if output.topic == DEAD_LETTERS:
                output = self._placed(output)
                reason, detail = output.record["reason"], output.record["detail"]
                count, first = self.refused.get(reason, (0, detail))
                self.refused[reason] = (count + 1, first)
            if self._files:
                self._files[output.topic].write(encode_value(output) + b"\n")

    def _placed(self, output: Output) -> Output:
        """A dead letter says first in which file and line its event stands."""
        record = output.record
        topic = str(record["topic"]).removeprefix(self._variant.settings.prefix)
        where = self._history.where(topic, record["offset"])
        detail = record["detail"] if where is None else f"{where}: {record['detail']}"
        return replace(output, record={**record, "detail": detail})


def definitions_as_control(documents: Sequence[bytes]) -> tuple[Message, ...]:
    """Encoded control events as the messages that an operator would have sent before all else."""
    return tuple(Message(CONTROL, number, 0, None, value) for number, value in enumerate(documents))
