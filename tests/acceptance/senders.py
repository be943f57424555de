"""How the acceptance tests' traffic reaches Kafka: the logger, and a producer of the user's own."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Producer

from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_sink import KafkaSink
from streamgauge.clients.logger import PredictionLogger
from streamgauge.clients.sender import LoggerStats
from streamgauge.schemas.batch import PredictionBatch
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import (
    encode_ground_truth,
    encode_ground_truth_batch,
    encode_prediction,
    encode_prediction_batch,
)
from streamgauge.schemas.message import PREDICTIONS, Message
from tests.acceptance.traffic import Parcel, definitions
from tests.harness import PATIENCE_S


class Sender:
    """Sends parcels in the background, each by its route: `per_second` events a second, or when due."""

    def __init__(self, connection: Connection, parcels: Sequence[Parcel], per_second: int | None) -> None:
        self._connection = connection
        self._parcels = parcels
        #: May be changed on the way.
        self.per_second = per_second
        self._loggers = Loggers(connection)
        self._producer = bare_producer(connection)
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent = 0
        self.events = sum(len(parcel.events) for parcel in parcels)

    def start(self) -> "Sender":
        self._thread.start()
        return self

    def wait(self, seconds: float = PATIENCE_S) -> None:
        """Until all is delivered."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"{self.sent} of {self.events} events sent within {seconds} s"
        assert self.sent == self.events, "the sender failed"

    def _send(self) -> None:
        pause = threading.Event()
        for parcel in self._parcels:
            if self.per_second is None:
                pause.wait(max(0.0, parcel.due_us / 1e6 - time.time()))
            else:
                pause.wait(len(parcel.events) / self.per_second)
            if parcel.route == "logger":
                self._producer.flush(60)  # the baseline's events come first
                self._loggers.log(parcel)
            else:
                send_bare(self._connection, self._producer, parcel)
            self.sent += len(parcel.events)
        stats = self._loggers.close()
        assert (sum(s.dropped for s in stats), sum(s.invalid for s in stats)) == (0, 0), stats
        assert self._producer.flush(60) == 0


class Loggers:
    """A `PredictionLogger` for each model and version, made when its first parcel comes; one sink for all."""

    def __init__(self, connection: Connection) -> None:
        self._sink = KafkaSink(connection, linger_ms=1)
        self._loggers: dict[tuple[str, str], PredictionLogger] = {}

    def log(self, parcel: Parcel) -> None:
        """Every event of a parcel."""
        first = parcel.events[0]
        key = (first["model"], first.get("version", "7"))
        logger = self._loggers.get(key)
        if logger is None:
            task = next(d["task"] for d in definitions() if d["model"] == key[0])
            logger = self._loggers[key] = PredictionLogger(
                *key, sink=self._sink, task=task, linger_ms=50, queue_events=100_000, environ={}
            )
        for event in parcel.events:
            given = {name: value for name, value in event.items() if name not in ("model", "version")}
            if parcel.topic == PREDICTIONS:
                logger.predict(given.pop("prediction"), given.pop("features"), **given)
            else:
                logger.ground_truth(given.pop("prediction_id"), given.pop("label"), **given)

    def close(self) -> list[LoggerStats]:
        """Deliver what waits, within a minute; what became of each logger's events."""
        found = []
        for logger in self._loggers.values():
            assert logger.flush(60)
            found.append(logger.stats())
            logger.close()
        return found


def bare_producer(connection: Connection, settings: Mapping[str, Any] | None = None) -> Producer:
    """A producer as users have them, with the partitioner that the documentation asks for."""
    return Producer(
        {
            **connection.librdkafka(),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "log_level": 2,
            **(settings or {}),
        }
    )


def send_bare(connection: Connection, producer: Producer, parcel: Parcel) -> None:
    """A parcel as one columnar message, or as single Avro or JSON messages."""
    topic, key = connection.topic(parcel.topic), parcel.events[0]["model"]
    for value in values_of(parcel):
        producer.produce(topic, key=key, value=value)
        producer.poll(0)


def values_of(parcel: Parcel) -> list[bytes]:
    """The message values of a parcel."""
    encode = encode_prediction if parcel.topic == PREDICTIONS else encode_ground_truth
    if parcel.route != "columnar":
        return [encode(event, parcel.route) for event in parcel.events]
    rows = [Message(parcel.topic, i, 0, None, encode(event)) for i, event in enumerate(parcel.events)]
    return [
        encode_prediction_batch(batch)
        if isinstance(batch, PredictionBatch)
        else encode_ground_truth_batch(batch)
        for batch, _ in decode_messages(parcel.topic, rows).batches
    ]
