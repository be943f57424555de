"""How long from an event to its alert at a subscriber, on the real broker: many alerts, over all partitions.

`python -m benchmarks alerting` starts a broker from Kafka's jars (or takes the one in
STREAMGAUGE_TEST_BOOTSTRAP_SERVERS). Broker, worker and subscriber share this machine. The logger's linger is
left out: a bare producer sends the event that closes a bad window, and the time runs until its committed
alert is read. The first alerts are not timed: a broker that has just started answers slowly.
"""

import itertools
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer

from benchmarks.figure import Figure
from benchmarks.worker import BATCH_EVENTS, applied, columnar, new_producer, new_worker
from streamgauge.schemas.batch import Categories, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.message import ALERTS, CONTROL, GROUND_TRUTH, PREDICTIONS
from tests.harness import create_topics, wait_until
from tests.kafka_broker import open_broker

NOT_TIMED, TIMED, EVENTS_A_WINDOW = 100, 600, 150
#: Columnar messages a second beside the events that are timed.
BESIDE = 40
#: Between two of the events that are timed, on average; they come at random, so that none keeps step with
#: the commits.
PAUSE_S = 0.05
START_US = 1_780_000_200_000_000
WINDOW_US = 300_000_000


def figures() -> list[Figure]:
    """The table's lines about alerts: on an idle worker, on one with much else to do, and where all that is
    in the alerts' own partition, whose models have no share of their own."""
    table = []
    with tempfile.TemporaryDirectory() as folder, open_broker(Path(folder) / "kafka") as broker:
        for beside, partitions in ((0, 4), (BESIDE, 4), (BESIDE, 1)):
            log_file = Path(folder) / f"alerts-{beside}-{partitions}.log"
            took_ms = event_to_alert(broker.bootstrap_servers, log_file, beside, partitions)
            p50, p99, longest = np.quantile(took_ms, [0.5, 0.99, 1.0]).tolist()
            where = " of the same partition" if partitions == 1 else ""
            name = f"event to alert, beside {beside * BATCH_EVENTS:,} events/s{where}, {len(took_ms)} alerts"
            table += [
                Figure(f"{name}: p50", p50, "ms"),
                Figure(f"{name}: p99", p99, "ms", "≤ 50"),
                Figure(f"{name}: longest", longest, "ms"),
            ]
    return table


def event_to_alert(servers: str, log_file: Path, beside: int, partitions: int) -> list[float]:
    """Milliseconds from sending the event that closes a bad window to reading its committed alert.

    `beside` columnar messages a second of other models come at the same time.
    """
    prefix = f"b{uuid.uuid4().hex[:8]}."
    create_topics(servers, prefix, partitions)
    producer = new_producer(servers)
    models = [f"watched-{number}" for number in range(NOT_TIMED + TIMED)]
    watcher = _Watcher(servers, prefix + ALERTS, len(models))
    rng = np.random.default_rng(0)
    with new_worker(servers, prefix, log_file) as worker:
        worker.wait_ready()
        for model in models:
            value, headers = encode_control(_definition(model))
            producer.produce(prefix + CONTROL, key=model, value=value, headers=list(headers))
        producer.flush(60)
        wait_until(lambda: applied(worker) >= len(models), 60)
        for model in models:
            predictions, labels = _bad_window(model, rng)
            producer.produce(prefix + PREDICTIONS, key=model, value=predictions)
            producer.produce(prefix + GROUND_TRUTH, key=model, value=labels)
        producer.flush(60)
        wait_until(lambda: applied(worker) >= 3 * len(models), 120)
        watcher.wait_assigned()
        with _traffic(servers, prefix, beside):
            pause = threading.Event()
            for model in models:
                pause.wait(rng.exponential(PAUSE_S))
                watcher.sent[model] = time.perf_counter()
                producer.produce(prefix + PREDICTIONS, key=model, value=_closing_event(model))
                producer.poll(0)
            took_ms = watcher.result()
        worker.stop()
    return took_ms[NOT_TIMED:]


@contextmanager
def _traffic(servers: str, prefix: str, messages_per_s: int) -> Iterator[None]:
    """Columnar messages at this rate, from a thread, until the block ends."""
    producer, over = new_producer(servers), threading.Event()

    def send() -> None:
        for key, value in itertools.cycle(columnar(messages_per_s * 60)):
            if over.wait(1 / messages_per_s):
                return
            producer.produce(prefix + PREDICTIONS, key=key, value=value)
            producer.poll(0)

    thread = threading.Thread(target=send, daemon=True)
    if messages_per_s:
        thread.start()
    yield
    over.set()
    if messages_per_s:
        thread.join()
        producer.flush(10)


class _Watcher:
    """Reads alerts in a thread of its own, and notes how long each took since `sent[model]`."""

    def __init__(self, servers: str, topic: str, expected: int) -> None:
        self.sent: dict[str, float] = {}
        self._took_ms: list[float] = []
        self._expected = expected
        self._assigned = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "bench",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 5,
            }
        )
        self._consumer.subscribe([topic], on_assign=lambda *_: self._assigned.set())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_assigned(self) -> None:
        assert self._assigned.wait(60)

    def result(self) -> list[float]:
        """All times, once the last alert has come."""
        self._thread.join(60)
        assert len(self._took_ms) == self._expected, f"{len(self._took_ms)} alerts within 60 s"
        return self._took_ms

    def _read(self) -> None:
        while len(self._took_ms) < self._expected:
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                read = time.perf_counter()
                sent = self.sent.pop(json.loads(message.value() or b"")["model"], None)
                if sent is not None:
                    self._took_ms.append((read - sent) * 1000)
        self._consumer.close()


def _definition(model: str) -> Define:
    document = {
        "model": model,
        "task": "binary",
        "pos_label": "yes",
        "monitors": {"accuracy": {"min": 0.8, "windows": 1}},
    }
    return Define(model=model, document=document, actor="bench", time_us=START_US)


def _bad_window(model: str, rng: np.random.Generator) -> tuple[bytes, bytes]:
    """A window whose predictions are all wrong, as two columnar messages."""
    n = EVENTS_A_WINDOW
    ids = np.frombuffer(rng.bytes(16 * n), dtype="S16")
    time_us = START_US + np.arange(n, dtype=np.int64) * (WINDOW_US // n)
    said, true = (Categories(np.full(n, code, np.int32), ("no", "yes")) for code in (1, 0))
    never = np.zeros(n, np.bool_)
    unknown = np.full(n, np.nan)
    predictions = PredictionBatch(model, "1", ids, time_us, said, unknown, unknown, never)
    labels = GroundTruthBatch(model, ids, time_us, true, np.zeros(n, np.int32), never)
    return encode_prediction_batch(predictions), encode_ground_truth_batch(labels)


def _closing_event(model: str) -> bytes:
    time_us = START_US + 2 * WINDOW_US
    event = {"prediction_id": "last", "model": model, "version": "1", "time": time_us, "prediction": "yes"}
    return json.dumps(event).encode()


if __name__ == "__main__":
    for figure in figures():
        print(figure)
