"""The worker on a real broker: throughput of columnar and single events, and the time from event to alert.

`python -m benchmarks.worker` starts a broker from Kafka's jars (or takes the one in
STREAMGAUGE_TEST_BOOTSTRAP_SERVERS), and prints one line a figure. Broker and worker share this machine.
"""

import json
import re
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer

from benchmarks.figure import Figure
from streamgauge.schemas.batch import Categories, PredictionBatch
from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.encode import encode_prediction_batch
from streamgauge.schemas.message import ALERTS, CONTROL, GROUND_TRUTH, PREDICTIONS
from tests.harness import WorkerProcess, create_topics, wait_until
from tests.kafka_broker import open_broker

COLUMNAR_MESSAGES, BATCH_EVENTS, FEATURES = 3_000, 500, 12
SINGLE_EVENTS = 60_000
ALERTS_TIMED = 60
START_US = 1_780_000_200_000_000
WINDOW_US = 300_000_000


def figures() -> list[Figure]:
    """The table's lines about the worker."""
    with tempfile.TemporaryDirectory() as folder, open_broker(Path(folder) / "kafka") as broker:
        servers, logs = broker.bootstrap_servers, Path(folder)
        events = COLUMNAR_MESSAGES * BATCH_EVENTS
        columns_s = drain(servers, logs / "columnar.log", columnar())
        singles_s = drain(servers, logs / "single.log", singles())
        took_ms = sorted(event_to_alert(servers, logs / "alerts.log"))
    name = f"{len(took_ms)} alerts"
    return [
        Figure("worker, real broker: columnar 500, 12 features", events / columns_s, "events/s", "≥ 300,000"),
        Figure("worker, real broker: single JSON", SINGLE_EVENTS / singles_s, "events/s", "≥ 6,000"),
        Figure(f"event to alert, p50 of {name}", statistics.median(took_ms), "ms"),
        Figure(f"event to alert, p99 of {name}", took_ms[int(len(took_ms) * 0.99)], "ms", "≤ 50"),
    ]


def columnar() -> list[tuple[str, bytes]]:
    """Messages of three models, (key, value); features are normal, a label-free steady state."""
    rng = np.random.default_rng(1)
    messages = []
    for number in range(COLUMNAR_MESSAGES):
        model = f"model-{number % 3}"
        start = START_US + number // 3 * BATCH_EVENTS * 2_000
        batch = PredictionBatch(
            model=model,
            version="1",
            ids=np.frombuffer(rng.bytes(16 * BATCH_EVENTS), dtype="S16"),
            time_us=start + np.arange(BATCH_EVENTS, dtype=np.int64) * 2_000,
            prediction=Categories(rng.integers(0, 2, BATCH_EVENTS).astype(np.int32), ("no", "yes")),
            latency_ms=rng.lognormal(2.0, 0.5, BATCH_EVENTS),
            score=rng.random(BATCH_EVENTS),
            failed=np.zeros(BATCH_EVENTS, dtype=np.bool_),
            features={f"f{i}": rng.standard_normal(BATCH_EVENTS) for i in range(FEATURES)},
        )
        messages.append((model, encode_prediction_batch(batch)))
    return messages


def singles() -> list[tuple[str, bytes]]:
    """One JSON event a message, of three models."""
    rng = np.random.default_rng(2)
    features = rng.standard_normal((SINGLE_EVENTS, FEATURES)).round(4).tolist()
    return [
        (
            f"model-{number % 3}",
            json.dumps(
                {
                    "prediction_id": str(uuid.UUID(bytes=rng.bytes(16))),
                    "model": f"model-{number % 3}",
                    "version": "1",
                    "time": START_US + number * 2_000,
                    "latency_ms": 12.5,
                    "prediction": "yes",
                    "score": 0.83,
                    "features": {f"f{i}": value for i, value in enumerate(row)},
                }
            ).encode(),
        )
        for number, row in enumerate(features)
    ]


def drain(servers: str, log_file: Path, messages: list[tuple[str, bytes]]) -> float:
    """Seconds from the first to the last of these messages applied, by one worker that finds them waiting."""
    prefix = f"b{uuid.uuid4().hex[:8]}."
    create_topics(servers, prefix)
    producer = _producer(servers)
    for key, value in messages:
        producer.produce(prefix + PREDICTIONS, key=key, value=value)
        producer.poll(0)
    producer.flush(120)
    with _worker(servers, prefix, log_file) as worker:
        worker.wait_ready()
        wait_until(lambda: _applied(worker) > 0, 60, every=0.01)
        began, already = time.perf_counter(), _applied(worker)
        wait_until(lambda: _applied(worker) >= len(messages), 300, every=0.05)
        seconds = time.perf_counter() - began
        worker.stop()
    return seconds * len(messages) / (len(messages) - already)


def event_to_alert(servers: str, log_file: Path) -> list[float]:
    """Milliseconds from sending the event that closes a bad window to reading its committed alert."""
    prefix = f"b{uuid.uuid4().hex[:8]}."
    create_topics(servers, prefix)
    producer = _producer(servers)
    models = [f"model-{number}" for number in range(ALERTS_TIMED)]
    sent: dict[str, float] = {}
    took_ms: list[float] = []
    ready = threading.Event()

    def watch() -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "bench",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 5,
            }
        )
        consumer.subscribe([prefix + ALERTS])
        while len(took_ms) < len(models):
            message = consumer.poll(0.1)
            if consumer.assignment():
                ready.set()
            if message is not None and message.error() is None:
                model = json.loads(message.value())["model"]
                if model in sent:
                    took_ms.append((time.perf_counter() - sent.pop(model)) * 1000)
        consumer.close()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with _worker(servers, prefix, log_file) as worker:
        worker.wait_ready()
        for model in models:
            definition = {
                "model": model,
                "task": "binary",
                "pos_label": "yes",
                "monitors": {"accuracy": {"min": 0.8, "windows": 1}},
            }
            event = Define(model=model, document=definition, actor="bench", time_us=START_US)
            value, headers = encode_control(event)
            producer.produce(prefix + CONTROL, key=model, value=value, headers=list(headers))
        producer.flush(60)
        wait_until(lambda: _applied(worker) >= len(models), 60)
        for model in models:
            for number in range(300):
                common = {
                    "prediction_id": f"{model}-{number}",
                    "model": model,
                    "time": START_US + number * 900_000,
                }
                _send(producer, prefix + PREDICTIONS, model, common | {"version": "1", "prediction": "yes"})
                _send(producer, prefix + GROUND_TRUTH, model, common | {"label": "no"})
        producer.flush(60)
        total = len(models) * 601
        wait_until(lambda: _applied(worker) >= total, 120)
        assert ready.wait(60)
        pause = threading.Event()
        for model in models:
            pause.wait(0.1)
            last = {"prediction_id": f"{model}-last", "model": model, "version": "1", "prediction": "yes"}
            sent[model] = time.perf_counter()
            _send(producer, prefix + PREDICTIONS, model, last | {"time": START_US + 2 * WINDOW_US})
            producer.flush(10)
        watcher.join(60)
        worker.stop()
    return took_ms


def _send(producer: Producer, topic: str, model: str, record: Mapping[str, object]) -> None:
    producer.produce(topic, key=model, value=json.dumps(record).encode())


def _producer(servers: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )


def _worker(servers: str, prefix: str, log_file: Path) -> WorkerProcess:
    return WorkerProcess(
        servers,
        prefix,
        log_file,
        module="streamgauge",
        arguments=["worker"],
        environment={"STREAMGAUGE_CLOCK": "events", "STREAMGAUGE_SESSION_TIMEOUT_S": "30"},
    )


def _applied(worker: WorkerProcess) -> float:
    found = re.search(r"^streamgauge_messages_total (\S+)$", worker.health("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


if __name__ == "__main__":
    for figure in figures():
        print(figure)
