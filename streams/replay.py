"""Runs the worker's core over files: the same decisions, without Kafka or a clock."""

import heapq
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.errors import BadEvent, ConfigurationError
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, OUTPUTS, PREDICTIONS, Message
from streamgauge.schemas.times import parse_time
from streamgauge.streams.core.partition import CoreSettings, Partition

_CHUNK = 1_000
_LONGEST_LINE = 16 * 1024 * 1024

#: Called with the bytes read so far.
Progress = Callable[[int], None]


def replay(
    predictions: Path,
    ground_truth: Path | None,
    out: Path,
    settings: CoreSettings,
    control: tuple[Message, ...] = (),
    progress: Progress = lambda _: None,
) -> dict[str, int]:
    """Merges the JSONL files by event time, writes one JSONL file an output topic into `out`.

    `control` is applied first: the definitions. Offsets are line numbers, from 1. Returns the counts of
    records by output topic, and the ledger of the events. Raises `ConfigurationError` for unreadable files.
    """
    written = dict.fromkeys(OUTPUTS, 0)
    with ExitStack() as opened:
        try:
            sources = [opened.enter_context(_Source(PREDICTIONS, predictions))]
            if ground_truth is not None:
                sources.append(opened.enter_context(_Source(GROUND_TRUTH, ground_truth)))
            out.mkdir(parents=True, exist_ok=True)
            files = {topic: opened.enter_context((out / f"{topic}.jsonl").open("wb")) for topic in OUTPUTS}
        except OSError as error:
            raise ConfigurationError(f"cannot replay: {error.filename}: {error.strerror}") from error
        partition = Partition(0, settings)
        partition.apply(control)

        def flush() -> None:
            for output in partition.checkpoint().outputs:
                files[output.topic].write(encode_output(output, "json")[0] + b"\n")
                written[output.topic] += 1
            progress(sum(source.read for source in sources))

        chunk: list[Message] = []
        for _, _, message in heapq.merge(*(source.messages(n) for n, source in enumerate(sources))):
            chunk.append(message)
            if len(chunk) >= _CHUNK:
                partition.apply(chunk)
                chunk = []
                flush()
        partition.apply(chunk)
        partition.finish()
        flush()
    return written | dict(partition.counts())


class _Source:
    """One file, line by line; `read` counts the bytes."""

    def __init__(self, topic: str, path: Path) -> None:
        self.topic = topic
        self.read = 0
        self._file = path.open("rb")

    def messages(self, order: int) -> Iterator[tuple[int, tuple[int, int], Message]]:
        """(event time so far, (source, line), message): keys for a merge that keeps each file's own order."""
        latest = 0
        number = 0
        while line := self._file.readline(_LONGEST_LINE):
            number += 1
            self.read += len(line)
            text = line.rstrip(b"\r\n")
            if text:
                latest = max(latest, _time_of(text))
                yield latest, (order, number), Message(self.topic, number, latest, None, text)

    def __enter__(self) -> "_Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _time_of(line: bytes) -> int:
    """Microseconds; 0 where the line does not say, and then its neighbours' time is good enough."""
    try:
        return parse_time(json.loads(line)["time"])
    except (BadEvent, ValueError, KeyError, TypeError, RecursionError):
        return 0


def definitions_as_control(documents: list[bytes]) -> tuple[Message, ...]:
    """Encoded control events as the messages that an operator would have sent before all else."""
    return tuple(Message(CONTROL, number, 0, None, value) for number, value in enumerate(documents))
