"""`RetrainRequests`: the training job's side. Takes requests, checks that their data is there, answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from time import time_ns
from typing import Any

from confluent_kafka import TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.events import Answer, OffsetRange, RetrainRequest
from streamgauge.clients.kafka_answers import answer
from streamgauge.clients.producer import EventProducer
from streamgauge.clients.ranges import read_batches
from streamgauge.clients.subscription import Subscription
from streamgauge.clients.training_data import TrainingData, join, within
from streamgauge.schemas.batch import GroundTruthBatch
from streamgauge.schemas.control import RetrainState, RetrainStatus, encode_retrain_status
from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.schemas.message import RETRAIN_REQUESTS, RETRAIN_STATUS


class DataExpiredError(StreamgaugeError):
    """Kafka has deleted some of the data that a request names. `lost` says which ranges, and how far."""

    def __init__(self, request: RetrainRequest, lost: tuple[OffsetRange, ...]) -> None:
        self.request = request
        self.lost = lost
        ranges = ", ".join(f"{r.topic}[{r.partition}] {r.start} to {r.end - 1}" for r in lost)
        super().__init__(
            f"request {request.request_id}: records have outlived their retention: {ranges}. "
            "Decline the request, train on your own store, or keep the input topics for longer (retention.ms)"
        )


class RetrainRequests(Subscription[RetrainRequest]):
    """Requests to retrain, for a job that may take a day over one; see `Subscription` for the arguments.

    Expired requests, and dry runs unless `include_dry_run`, are passed over. `succeeded`, `failed` and
    `declined` are final: they also mark the request as done, so that it doesn't come again.

    ::

        with RetrainRequests(connection, group_id="trainer") as requests:
            for request in requests:
                try:
                    data = requests.dataset(request)
                except DataExpiredError as error:
                    requests.declined(request, str(error))
                    continue
                requests.started(request)
                requests.succeeded(request, new_version=train(data.matrix(), data.label))
    """

    topic = RETRAIN_REQUESTS
    event = RetrainRequest

    def __init__(
        self,
        connection: Connection,
        group_id: str | None = None,
        *,
        include_dry_run: bool = False,
        include_expired: bool = False,
        max_processing_s: float = 86_400.0,
        **settings: Any,
    ) -> None:
        self._include_dry_run = include_dry_run
        self._include_expired = include_expired
        self._connection = connection
        self._answers = EventProducer(connection)
        super().__init__(connection, group_id, max_processing_s=max_processing_s, **settings)

    def check_data(self, request: RetrainRequest) -> None:
        """Raises `DataExpiredError` if records that the request names are no longer in Kafka."""
        lost = tuple(self._lost(request.data_offsets))
        if lost:
            raise DataExpiredError(request, lost)

    def dataset(self, request: RetrainRequest) -> TrainingData:
        """The labelled predictions that the request names: exactly its offsets, of its version, joined.

        As many rows as it says in `labels`, unless some were corrected away. Raises `DataExpiredError` as
        `check_data`.
        """
        self.check_data(request)
        predictions, labels = [], []
        for batch in read_batches(self._connection, request.data_offsets, request.model):
            if isinstance(batch, GroundTruthBatch):
                labels.append(batch)
            elif batch.version == request.version:
                predictions.append(within(batch, request.data_start, request.data_end))
        return join(predictions, labels)

    def accept(self, request: RetrainRequest, message: str | None = None) -> None:
        """The job takes it on."""
        self.answer(request, "accepted", message=message)

    def started(self, request: RetrainRequest, message: str | None = None) -> None:
        """Training has begun."""
        self.answer(request, "started", message=message)

    def succeeded(self, request: RetrainRequest, new_version: str, message: str | None = None) -> None:
        """There is a new version."""
        self.answer(request, "succeeded", new_version, message)
        self.done(request)

    def failed(self, request: RetrainRequest, message: str | None = None) -> None:
        """Training failed; the request will come again as a further attempt."""
        self.answer(request, "failed", message=message)
        self.done(request)

    def declined(self, request: RetrainRequest, message: str | None = None) -> None:
        """Nobody should train on this request."""
        self.answer(request, "declined", message=message)
        self.done(request)

    def close(self) -> None:
        """Commit what is done, leave the group, and stop answering."""
        super().close()
        self._answers.close()

    def answer(
        self,
        request: RetrainRequest,
        state: RetrainState,
        new_version: str | None = None,
        message: str | None = None,
    ) -> None:
        """What the others do by name, without marking the request as done."""
        value, headers = encode_retrain_status(
            RetrainStatus(
                request_id=request.request_id,
                model=request.model,
                attempt=request.attempt,
                state=state,
                time_us=time_ns() // 1_000,
                new_version=new_version,
                message=None if message is None else message[:1_024],
            )
        )
        self._answers.send(RETRAIN_STATUS, request.model, value, tuple(headers))

    def _is_wanted(self, event: RetrainRequest) -> bool:
        if event.dry_run and not self._include_dry_run:
            return False
        if event.expires_at <= datetime.now(UTC) and not self._include_expired:
            return False
        return super()._is_wanted(event)

    def _lost(self, ranges: tuple[OffsetRange, ...]) -> Iterator[OffsetRange]:
        for each in ranges:
            partition = TopicPartition(each.topic, each.partition)
            first, _ = answer(partial(self._consumer.get_watermark_offsets, partition, cached=False))
            if each.start < first and each.start < each.end:
                yield OffsetRange(each.topic, each.partition, each.start, min(each.end, first))


class RetrainStatuses(Subscription[Answer]):
    """What training jobs answer; see `Subscription` for the arguments."""

    topic = RETRAIN_STATUS
    event = Answer
