"""Where batches go: the interface of a sink, and the one in memory for users' own tests."""

from collections.abc import Callable
from typing import Protocol

from streamgauge.schemas.batch import GroundTruthBatch, PredictionBatch

Batch = PredictionBatch | GroundTruthBatch


class Sink(Protocol):
    """Takes batches from one or several loggers' background threads, so it is thread-safe."""

    def send(self, batch: Batch, lost: Callable[[int, int], None]) -> None:
        """Hand over a batch without waiting for its delivery.

        `lost(events, dropped)` is called, now or later and from any thread, with the number of events that
        won't arrive and the batch's own `dropped`, the news of which then won't arrive either.
        """

    def poll(self) -> None:
        """Do what is due; called at least once in a logger's linger time."""

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything has been delivered or lost; False if the time was too short."""

    def after_fork(self) -> None:
        """In a child process: forget what the parent will send, keep nothing of its threads and sockets."""


class MemorySink:
    """Keeps every batch: for the unit tests of apps that log predictions.

    >>> from streamgauge.clients.logger import PredictionLogger
    >>> sink = MemorySink()
    >>> with PredictionLogger("credit", version="7", sink=sink) as logger:
    ...     id_ = logger.predict("approved", {"age": 41}, latency_ms=12.5)
    >>> sink.predictions[0].prediction.to_list(), sink.predictions[0].features["age"].tolist()
    (['approved'], [41.0])
    """

    def __init__(self) -> None:
        self.predictions: list[PredictionBatch] = []
        self.ground_truth: list[GroundTruthBatch] = []

    def send(self, batch: Batch, lost: Callable[[int, int], None]) -> None:
        """Keep the batch."""
        if isinstance(batch, PredictionBatch):
            self.predictions.append(batch)
        else:
            self.ground_truth.append(batch)

    def poll(self) -> None:
        """Nothing is ever due."""

    def flush(self, timeout_s: float) -> bool:
        """Everything has been delivered already."""
        return True

    def after_fork(self) -> None:
        """The child starts empty, in lists of its own."""
        self.predictions, self.ground_truth = [], []
