"""The worker on a real broker: throughput of columnar and single events.

`python -m benchmarks.worker` starts a broker from Kafka's jars (or takes the one in
STREAMGAUGE_TEST_BOOTSTRAP_SERVERS), and prints one line a figure. Broker and worker share this machine.
"""

import json
import re
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from benchmarks.figure import Figure
from streamgauge.schemas.batch import Categories, PredictionBatch
from streamgauge.schemas.encode import encode_prediction_batch
from streamgauge.schemas.message import PREDICTIONS
from tests.harness import WorkerProcess, create_topics, wait_until
from tests.kafka_broker import open_broker

COLUMNAR_MESSAGES, BATCH_EVENTS, FEATURES = 3_000, 500, 12
SINGLE_EVENTS = 60_000
START_US = 1_780_000_200_000_000


def figures() -> list[Figure]:
    """The table's lines about the worker."""
    with tempfile.TemporaryDirectory() as folder, open_broker(Path(folder) / "kafka") as broker:
        servers, logs = broker.bootstrap_servers, Path(folder)
        events = COLUMNAR_MESSAGES * BATCH_EVENTS
        columns_s = drain(servers, logs / "columnar.log", columnar())
        singles_s = drain(servers, logs / "single.log", singles())
    return [
        Figure("worker, real broker: columnar 500, 12 features", events / columns_s, "events/s", "≥ 300,000"),
        Figure("worker, real broker: single JSON", SINGLE_EVENTS / singles_s, "events/s", "≥ 6,000"),
    ]


def columnar(count: int = COLUMNAR_MESSAGES) -> list[tuple[str, bytes]]:
    """Messages of three models, (key, value); features are normal, a label-free steady state."""
    rng = np.random.default_rng(1)
    messages = []
    for number in range(count):
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
    producer = new_producer(servers)
    for key, value in messages:
        producer.produce(prefix + PREDICTIONS, key=key, value=value)
        producer.poll(0)
    producer.flush(120)
    with new_worker(servers, prefix, log_file) as worker:
        worker.wait_ready()
        wait_until(lambda: applied(worker) > 0, 60, every=0.01)
        began, already = time.perf_counter(), applied(worker)
        wait_until(lambda: applied(worker) >= len(messages), 300, every=0.05)
        seconds = time.perf_counter() - began
        worker.stop()
    return seconds * len(messages) / (len(messages) - already)


def new_producer(servers: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )


def new_worker(servers: str, prefix: str, log_file: Path) -> WorkerProcess:
    return WorkerProcess(
        servers,
        prefix,
        log_file,
        module="streamgauge",
        arguments=["worker"],
        environment={"STREAMGAUGE_CLOCK": "events", "STREAMGAUGE_SESSION_TIMEOUT_S": "30"},
    )


def applied(worker: WorkerProcess) -> float:
    found = re.search(r"^streamgauge_messages_total (\S+)$", worker.health("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


if __name__ == "__main__":
    for figure in figures():
        print(figure)
