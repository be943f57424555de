"""A partition of 10,000 models: how soon it is ready after a start, and what ticks cost it.

Seconds are of the processor. The broker is started from Kafka's jars, or is the one in
STREAMGAUGE_TEST_BOOTSTRAP_SERVERS.
"""

import gc
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure
from benchmarks.worker import new_producer
from streamgauge.clients.connection import Connection
from streamgauge.schemas.batch import Categories, PredictionBatch
from streamgauge.schemas.encode import encode_prediction_batch
from streamgauge.schemas.message import PREDICTIONS, STATE, Message
from streamgauge.schemas.monitor import Fleet
from streamgauge.streams.core.context import CoreSettings
from streamgauge.streams.core.keys import key_of
from streamgauge.streams.core.partition import Partition
from streamgauge.streams.core.persistence import APPLIED, FLEET
from streamgauge.streams.core.snapshot import decode_state, encode_state
from streamgauge.streams.mirrors import Mirrors
from streamgauge.streams.records import RecordWriter
from streamgauge.streams.state_log import restore
from streamgauge.streams.store import LogBounds, MemoryStore, Progress
from tests.harness import create_topics
from tests.kafka_broker import open_broker

MODELS = 10_000
_ROWS, _FEATURES = 60, 4
_START_US = 1_795_255_200_000_000
_MINUTE_US, _SECOND_US = 60_000_000, 1_000_000
_SETTINGS = CoreSettings(fleet=Fleet(models=MODELS, defaults={"baseline": {"first": 200}}))
_TEMPLATE = "template"


def figures(models: int = MODELS) -> list[Figure]:
    """The table's lines about many models."""
    snapshots = list(_snapshots(models))
    kilobytes = sum(len(value) for _, value in snapshots) / models / 1e3
    many = f"{models:,} models of {kilobytes:.0f} kB"
    with tempfile.TemporaryDirectory() as folder:
        disk_s = _from_disk(Path(folder), snapshots)
    with tempfile.TemporaryDirectory() as folder, open_broker(Path(folder)) as broker:
        broker_s = _from_broker(broker.bootstrap_servers, snapshots)
    partition = Partition.restore(0, _SETTINGS, snapshots)
    began = time.process_time()
    partition.tick(_START_US + 3 * _MINUTE_US)
    woken_s = time.process_time() - began
    began = time.process_time()
    awake = len(partition.models)
    decoded_s = time.process_time() - began
    assert awake == models
    gc.collect()
    gc.freeze()  # as the worker does with what has grown: a full collection walks all models for a second
    spent = []
    for second in range(1, 61):
        began = time.process_time()
        partition.tick(_START_US + 4 * _MINUTE_US + second * _SECOND_US)
        spent.append(time.process_time() - began)
    return [
        Figure(f"{many}, ready from the local disk", disk_s, "s", "≤ 1"),
        Figure(f"{many}, ready from the broker", broker_s, "s", "≤ 3"),
        Figure("a tick while they wake one after the other", woken_s * 1e3, "ms"),
        Figure("all of them decoded at once, as before", decoded_s, "s"),
        Figure("a tick of all of them awake, the dearest of a minute", max(spent) * 1e3, "ms"),
        Figure("a tick of all of them awake, the mean of a minute", sum(spent) / len(spent) * 1e3, "ms"),
    ]


def _snapshots(models: int) -> Iterator[tuple[bytes, bytes]]:
    """Those of one model, under so many names."""
    partition, rng = Partition(0, _SETTINGS), np.random.default_rng(0)
    for minute in range(2):
        batch = PredictionBatch(
            model=_TEMPLATE,
            version="1",
            ids=np.frombuffer(rng.bytes(16 * _ROWS), "S16"),
            time_us=_START_US + minute * _MINUTE_US + np.arange(_ROWS) * _SECOND_US,
            prediction=Categories(rng.integers(0, 2, _ROWS).astype(np.int32), ("no", "yes")),
            latency_ms=rng.exponential(20, _ROWS),
            score=rng.random(_ROWS),
            failed=np.zeros(_ROWS, np.bool_),
            features={f"f{n}": rng.normal(size=_ROWS) for n in range(_FEATURES)},
        )
        stamp_us = _START_US + (minute + 1) * _MINUTE_US
        partition.apply([Message(PREDICTIONS, minute, stamp_us, None, encode_prediction_batch(batch))])
    partition.tick(_START_US + 2 * _MINUTE_US)
    stored = dict(partition.checkpoint().changes)
    for key in (APPLIED, FLEET):
        yield key, stored.pop(key) or b""
    for number in range(models):
        name = f"m{number:05}"
        for key, value in stored.items():
            if value is None:
                continue
            renamed = key.replace(_TEMPLATE.encode(), name.encode())
            if renamed == key_of("model", name):
                state = decode_state(value)
                state["definition"] = state["definition"].replace(_TEMPLATE, name)
                value = encode_state(state)
            yield renamed, value


def _from_disk(folder: Path, snapshots: list[tuple[bytes, bytes]]) -> float:
    """Seconds from the opening of the mirror to a partition that takes events."""
    mirrors = Mirrors(folder, lambda: None)
    mirror = mirrors.of(STATE, 0)
    mirror.open(lambda: "bench", LogBounds(0, 1 << 40))
    for start in range(0, len(snapshots), 1_000):
        mirror.committed(mirror.write(snapshots[start : start + 1_000]), start)
    mirror.close()
    began = time.process_time()
    mirror = mirrors.of(STATE, 0)
    mirror.open(lambda: "bench", LogBounds(0, 1 << 40))
    partition = Partition.restore(0, _SETTINGS, (), mirror)
    seconds = time.process_time() - began
    assert partition.counts()["models"] > 0
    mirror.close()
    return seconds


def _from_broker(servers: str, snapshots: list[tuple[bytes, bytes]]) -> float:
    """The same from the topic, without a disk."""
    prefix = f"b{uuid.uuid4().hex[:8]}."
    create_topics(servers, prefix, 1)
    producer = new_producer(servers)
    for record in RecordWriter().write(snapshots):
        producer.produce(prefix + STATE, key=record.key, value=record.value, headers=list(record.headers))
        producer.poll(0)
    producer.flush(120)
    connection, store, progress = Connection(servers, prefix=prefix), MemoryStore(), Progress()
    began = time.process_time()
    restore(store, connection, group="bench", partition=0, wanted=lambda: True, progress=progress)
    partition = Partition.restore(0, _SETTINGS, store.snapshots())
    seconds = time.process_time() - began
    assert partition.counts()["models"] > 0
    return seconds


if __name__ == "__main__":
    for figure in figures():
        print(figure)
