"""Messages of predictions and ground-truth become column batches; refused ones come back with why."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from streamgauge.schemas.batch import GroundTruthBatch, Ints, PredictionBatch
from streamgauge.schemas.collect import collect_ground_truth, collect_predictions
from streamgauge.schemas.columnar import Refusals, read_ground_truth_batch, read_prediction_batch
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.framing import Resolver, unwrap
from streamgauge.schemas.limits import DEFAULT, Limits
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.schemas.rows import GroundTruthRow, PredictionRow, read_ground_truth, read_prediction

Batch = PredictionBatch | GroundTruthBatch


@dataclass(slots=True)
class DecodeResult:
    """What a run of messages came to.

    Each batch comes with the offsets of its rows, int64, shape (n,), ascending. `batches` are in an order
    that keeps, for each model and version, the order of its events. `refused`
    names each refused message, once for each reason. `refused_rows` counts the events in them: a row of a
    columnar message is one, a message that cannot be read is one.
    """

    batches: list[tuple[Batch, Ints]] = field(default_factory=list)
    refused: list[tuple[Message, BadEvent]] = field(default_factory=list)
    refused_rows: int = 0


def decode_messages(
    topic: str, messages: Iterable[Message], limits: Limits = DEFAULT, resolve: Resolver | None = None
) -> DecodeResult:
    """Decodes a run of messages of one topic, `predictions` or `ground-truth`. Never raises `BadEvent`.

    Consecutive single events are gathered into batches; a columnar message is a batch of its own.

    >>> event = b'{"prediction_id": "a", "model": "m", "time": 1795255200000000, "prediction": 3}'
    >>> run = [Message("predictions", offset, 0, None, event) for offset in (7, 8)]
    >>> [(batch, offsets)] = decode_messages("predictions", run).batches
    >>> len(batch), offsets.tolist()
    (2, [7, 8])
    """
    decoder = _Decoder(topic, limits, resolve)
    for message in messages:
        decoder.add(message)
    decoder.flush()
    return decoder.result


class _Decoder:
    """Gathers rows until a columnar message or the end, so that order is kept."""

    def __init__(self, topic: str, limits: Limits, resolve: Resolver | None) -> None:
        if topic not in (PREDICTIONS, GROUND_TRUTH):
            raise ValueError(f"topic {topic} carries no data; see schemas.control for the others")
        self.result = DecodeResult()
        self._predictions = topic == PREDICTIONS
        self._names = (
            ("prediction", "prediction_batch")
            if self._predictions
            else ("ground_truth", "ground_truth_batch")
        )
        self._limits = limits
        self._resolve = resolve
        self._rows: list[PredictionRow] = []
        self._labels: list[GroundTruthRow] = []
        self._offsets: list[int] = []

    def add(self, message: Message) -> None:
        try:
            frame = unwrap(message.value, message.headers, self._limits, self._resolve)
            if frame.writer is not None and frame.writer.name not in self._names:
                raise BadEvent(Reason.WRONG_TYPE, f"a {frame.writer.name} does not belong in {message.topic}")
            if frame.writer is not None and frame.writer.name == self._names[1]:
                read = read_prediction_batch if self._predictions else read_ground_truth_batch
                batch, refusals = read(frame.body, frame.start, frame.writer, self._limits)
                self._add_batch(message, batch, refusals)
                return
            if self._predictions:
                self._rows.append(read_prediction(frame, self._limits))
            else:
                self._labels.append(read_ground_truth(frame, self._limits))
            self._offsets.append(message.offset)
        except BadEvent as error:
            self.result.refused.append((message, error))
            self.result.refused_rows += 1

    def flush(self) -> None:
        offsets = np.array(self._offsets, np.int64)
        for batch, origins in collect_predictions(self._rows):
            self.result.batches.append((batch, offsets[origins]))
        for labels, origins in collect_ground_truth(self._labels):
            self.result.batches.append((labels, offsets[origins]))
        self._rows, self._labels, self._offsets = [], [], []

    def _add_batch(self, message: Message, batch: Batch | None, refusals: Refusals) -> None:
        self.flush()
        if batch is not None:
            self.result.batches.append((batch, np.full(len(batch), message.offset, np.int64)))
        for error, rows in refusals:
            self.result.refused.append((message, error))
            self.result.refused_rows += rows
