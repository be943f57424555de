"""The sink that sends columnar batches to Kafka with an idempotent producer, made when first needed."""

import ctypes
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Lock

from confluent_kafka import KafkaError, KafkaException, Producer

from streamgauge.clients.connection import Connection
from streamgauge.clients.producer import producer_config
from streamgauge.clients.reach import LIBRDKAFKA
from streamgauge.clients.sinks import Batch
from streamgauge.schemas.batch import PredictionBatch
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.merge import take_rows
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS

LOG = logging.getLogger("streamgauge.clients.kafka")

#: Brokers refuse a record batch beyond 1 MiB by default; this leaves room for keys and headers.
MAX_MESSAGE_BYTES = 900_000


_NO_TOPIC = "; run `streamgauge topics create`, or check STREAMGAUGE_TOPIC_PREFIX"
_ADVICE = {
    KafkaError._UNKNOWN_TOPIC: _NO_TOPIC,
    KafkaError.UNKNOWN_TOPIC_OR_PART: _NO_TOPIC,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "; these credentials may not write it: `streamgauge doctor --role "
    "serving` says what they need",
}


class KafkaSink:
    """One producer for any number of loggers. Its memory is bounded by `buffer_kbytes`.

    `linger_ms` is the producer's own, on top of the logger's: how long a batch waits for others to share
    a request with.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        linger_ms: float = 5.0,
        buffer_kbytes: int = 65_536,
        delivery_timeout_s: float = 120.0,
        compression: str = "lz4",
    ) -> None:
        self._connection = connection
        self._config = producer_config(
            connection,
            "logger",
            linger_ms=linger_ms,
            compression_type=compression,
            queue_buffering_max_kbytes=buffer_kbytes,
            delivery_timeout_ms=int(delivery_timeout_s * 1_000),
        )
        self._producer: Producer | None = None
        self._making = Lock()
        self._delivery_timeout_s = delivery_timeout_s
        self._told: set[int] = set()

    def send(self, batch: Batch, lost: Callable[[int, int], None]) -> None:
        """Encode and hand to the producer; a batch beyond the message size goes in halves."""
        if isinstance(batch, PredictionBatch):
            topic, value = PREDICTIONS, encode_prediction_batch(batch)
        else:
            topic, value = GROUND_TRUTH, encode_ground_truth_batch(batch)
        if len(value) > MAX_MESSAGE_BYTES and len(batch) > 1:
            for half in _halves(batch):
                self.send(half, lost)
            return
        losing = partial(lost, len(batch), getattr(batch, "dropped", 0))
        try:
            until = time.monotonic() + self._delivery_timeout_s
            self._produce(topic, batch.model.encode(), value, losing, until)
        except BufferError:
            losing()

    def poll(self) -> None:
        """Serve delivery reports."""
        if self._producer is not None:
            self._producer.poll(0)

    def flush(self, timeout_s: float) -> bool:
        """Wait for every delivery report; False if the time was too short."""
        return self._producer is None or self._producer.flush(timeout_s) == 0

    def after_fork(self) -> None:
        """Leave the parent's producer alone, for ever: freeing it here would wait for threads that aren't."""
        if self._producer is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))
        self._producer = None
        self._making = Lock()

    def _produce(
        self, topic: str, key: bytes, value: bytes, losing: Callable[[], None], until: float
    ) -> None:
        def delivered(error: KafkaError | None, message: object) -> None:
            if error is None:
                return
            # librdkafka gives up what is in flight when credentials are refused, though new ones may come
            if error.code() == KafkaError._AUTHENTICATION and time.monotonic() < until:
                with suppress(BufferError, KafkaException):
                    self._produce(topic, key, value, losing, until)
                    return
            self._tell(error)
            losing()

        for attempt in (1, 2):
            producer = self._ready()
            try:
                producer.produce(self._connection.topic(topic), key=key, value=value, on_delivery=delivered)
            except KafkaException as error:
                # an idempotent producer that lost its place is finished; its successor starts afresh
                if attempt == 2 or not error.args[0].fatal():
                    raise
                self._retire(producer)
            else:
                producer.poll(0)
                return

    def _tell(self, error: KafkaError) -> None:
        if error.code() not in self._told:
            self._told.add(error.code())
            advice = _ADVICE.get(error.code(), "")
            told = "streamgauge: a batch was not delivered: %s%s (each reason is told once)"
            LOG.warning(told, error.str(), advice)

    def _ready(self) -> Producer:
        with self._making:
            if self._producer is None:
                self._producer = Producer(self._config, logger=LIBRDKAFKA)
            return self._producer

    def _retire(self, producer: Producer) -> None:
        with self._making:
            if self._producer is producer:
                self._producer = None
        producer.poll(0)


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    middle = len(batch) // 2
    first, second = take_rows(batch, slice(0, middle)), take_rows(batch, slice(middle, None))
    return first, replace(second, dropped=0) if isinstance(second, PredictionBatch) else second
