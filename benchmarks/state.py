"""State that is larger than memory: predictions that wait a week for labels, and how soon a start has it all.

Each measurement is a process of its own, whose peak memory is all of the process.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure
from streamgauge.schemas.batch import Categories, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.streams.core.context import CoreSettings
from streamgauge.streams.core.partition import Partition
from streamgauge.streams.mirror import Mirror, Mirrors
from streamgauge.streams.records import StateRecord
from streamgauge.streams.store import LogBounds

_PENDING = 20_000_000
_MODELS, _MODEL_BYTES = 10_000, 16_000
_START_US = 1_795_255_200_000_000
_WEEK_US = 7 * 86_400_000_000
_BATCH = 5_000
_COMMIT_EVERY = 20
_LABELS = 500
_FLEET = {"labels": {"ttl": "8d"}, "baseline": {"first": 5_000}}


def figures(pending: int = _PENDING) -> list[Figure]:
    """The table's lines about state."""
    with tempfile.TemporaryDirectory() as folder:
        filled = _child("fill", folder, pending)
        restored = _child("restore", folder, pending)
    with tempfile.TemporaryDirectory() as folder:
        scanned = _child("scan", folder, _MODELS)
    many = f"{pending:,} predictions wait a week for labels"
    return [
        Figure(f"{many}: peak memory", filled["peak_mb"], "MB", "≤ 1,500"),
        Figure("their state on disk", filled["disk_mb"], "MB"),
        Figure("applied and committed, one by one", filled["apply_us"], "µs/event"),
        Figure("a late label, in the order of predictions", filled["ordered_us"], "µs/label"),
        Figure("a late label, in no order", filled["scattered_us"], "µs/label"),
        Figure(f"{many}: restored", restored["seconds"], "s"),
        Figure("peak memory of that", restored["peak_mb"], "MB", "≤ 1,500"),
        Figure(f"{_MODELS:,} snapshots of 16 kB from the local disk", scanned["seconds"], "s", "≤ 1"),
    ]


def _child(what: str, folder: str, n: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.state", what, folder, str(n)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    measured: dict[str, float] = json.loads(said.splitlines()[-1])
    return measured


def _mirror(folder: str) -> Mirror:
    mirror = Mirrors(Path(folder), lambda: None).of("state", 0)
    mirror.open(lambda: "bench", LogBounds(0, 1 << 40))
    return mirror


def _ids(number: int) -> np.ndarray:
    return np.frombuffer(np.random.default_rng(number).bytes(16 * _BATCH), "S16")


def _times(number: int, pending: int) -> np.ndarray:
    return _START_US + (number * _BATCH + np.arange(_BATCH)) * (_WEEK_US // pending)


def _answers(number: int) -> Categories:
    codes = np.random.default_rng(-number - 1 + (1 << 40)).integers(0, 2, _BATCH)
    return Categories(codes.astype(np.int32), ("no", "yes"))


def _fill(folder: str, pending: int) -> dict[str, float]:
    mirror = _mirror(folder)
    settings = CoreSettings(clock="events")
    settings.fleet.defaults.update(_FLEET)
    partition = Partition(0, settings, mirror.get)
    position = 0

    def commit() -> None:
        nonlocal position
        checkpoint = partition.checkpoint()
        position += len(checkpoint.changes)
        mirror.committed(mirror.write(checkpoint.changes), position)
        partition.settled()

    spent = 0.0
    for number in range(pending // _BATCH):
        batch = PredictionBatch(
            model="bench",
            version="1",
            ids=_ids(number),
            time_us=_times(number, pending),
            prediction=_answers(number),
            latency_ms=np.full(_BATCH, 20.0),
            score=np.full(_BATCH, 0.7),
            failed=np.zeros(_BATCH, np.bool_),
            features={},
            groups={},
            segments={},
        )
        message = Message(PREDICTIONS, number, 0, b"bench", encode_prediction_batch(batch))
        began = time.process_time()
        partition.apply([message])
        if number % _COMMIT_EVERY == 0:
            commit()
        spent += time.process_time() - began
    commit()
    now_us = int(_times(pending // _BATCH - 1, pending)[-1])
    rng = np.random.default_rng(0)
    batches = pending // _BATCH

    def label(offset: int, numbers: np.ndarray, rows: np.ndarray) -> float:
        """Seconds for labels of these rows of these batches."""
        ids = np.array([_ids(int(n))[r] for n, r in zip(numbers, rows, strict=True)], "S16")
        none = np.zeros(len(ids), np.int32)
        said = Categories(none, ("no", "yes"))
        batch = GroundTruthBatch("bench", ids, np.full(len(ids), now_us), said, none, none > 0)
        message = Message(GROUND_TRUTH, offset, 0, b"bench", encode_ground_truth_batch(batch))
        began = time.process_time()
        partition.apply([message])
        return time.process_time() - began

    rows = np.arange(_LABELS)
    ordered = [label(n, np.full(_LABELS, batches // 9 + n), rows) for n in range(10)]
    scattered = [
        label(10 + n, rng.integers(0, batches // 2, _LABELS), rng.integers(0, _BATCH, _LABELS))
        for n in range(4)
    ]
    assert partition.counts()["joined"] > 7 * _LABELS  # some were labelled twice
    assert partition.counts()["predictions"] == pending
    commit()
    mirror.close()
    held = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return {
        "apply_us": spent / pending * 1e6,
        "ordered_us": sum(ordered) / len(ordered) / _LABELS * 1e6,
        "scattered_us": sum(scattered) / len(scattered) / _LABELS * 1e6,
        "disk_mb": held / 1e6,
    }


def _restore(folder: str, pending: int) -> dict[str, float]:
    began = time.process_time()
    mirror = _mirror(folder)
    partition = Partition.restore(0, CoreSettings(clock="events"), mirror.snapshots(), mirror.get)
    seconds = time.process_time() - began
    assert partition.counts()["predictions"] == pending
    mirror.close()
    return {"seconds": seconds}


def _scan(folder: str, models: int) -> dict[str, float]:
    mirror = _mirror(folder)
    for n in range(models):
        mirror.committed([StateRecord(b"model-%d" % n, os.urandom(_MODEL_BYTES))], n + 1)
    mirror.close()
    began = time.process_time()
    mirror = _mirror(folder)
    found = sum(1 for _ in mirror.snapshots())
    seconds = time.process_time() - began
    assert found == models
    mirror.close()
    return {"seconds": seconds}


if __name__ == "__main__":
    what, folder, n = sys.argv[1:]
    measured = {"fill": _fill, "restore": _restore, "scan": _scan}[what](folder, int(n))
    measured["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(measured))
