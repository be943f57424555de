"""State that is larger than memory: predictions that wait a week for labels, and how soon a start has it all.

Each measurement is a process of its own, whose peak memory is all of the process.
"""

import json
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
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.allocator import GiveBack
from streamgauge.streams.core.context import CoreSettings
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.partition import Partition
from streamgauge.streams.memory_plan import MemoryPlan
from streamgauge.streams.mirror import Mirror
from streamgauge.streams.mirrors import Mirrors
from streamgauge.streams.sizing import size_of
from streamgauge.streams.store import LogBounds

_PENDING = 20_000_000
_PLAN = MemoryPlan.of(1_500_000_000)
#: Models of one version each, with so many windows of so many predictions, all labelled late.
_VERSIONS, _WINDOWS, _IN_WINDOW, _FEATURES = 200, 120, 30, 10
_WINDOW_US = 300_000_000
_TIGHT = MemoryPlan.of(800_000_000)
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
        versions = _child("versions", folder, _VERSIONS)
    many = f"{pending:,} predictions wait a week for labels"
    fleet = (
        f"{_VERSIONS} versions of {_WINDOWS} windows, with late labels, in {_TIGHT.most_bytes / 1e6:.0f} MB"
    )
    return [
        Figure(f"{many}: peak memory", filled["peak_mb"], "MB", "≤ 1,500"),
        Figure("their state on disk", filled["disk_mb"], "MB"),
        Figure("applied and committed, one by one", filled["apply_us"], "µs/event"),
        Figure("a late label, in the order of predictions", filled["ordered_us"], "µs/label"),
        Figure("a late label, in no order", filled["scattered_us"], "µs/label"),
        Figure(f"{many}: ready from the local disk", restored["ready_s"], "s"),
        Figure("their model in memory, when something concerns it", restored["woken_s"], "s"),
        Figure("peak memory of that", restored["peak_mb"], "MB", "≤ 1,500"),
        Figure(f"{fleet}: peak memory", versions["peak_mb"], "MB", f"≤ {_TIGHT.most_bytes / 1e6:.0f}"),
        Figure("what their state would take in memory", versions["all_mb"], "MB"),
        Figure("a batch of theirs, or of labels, with its part of a commit", versions["batch_ms"], "ms"),
    ]


def _child(what: str, folder: str, n: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.state", what, folder, str(n)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    measured: dict[str, float] = json.loads(said.splitlines()[-1])
    return measured


def _settings(plan: MemoryPlan = _PLAN) -> CoreSettings:
    return CoreSettings(clock="events", memory=Memory(plan.state_bytes, GiveBack()))


def _mirror(folder: str, plan: MemoryPlan = _PLAN) -> Mirror:
    mirror = Mirrors(Path(folder), lambda: None, memory_bytes=plan.disk_bytes).of("state", 0)
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
    settings = _settings()
    settings.fleet.defaults.update(_FLEET)
    partition = Partition(0, settings, mirror)
    position = 0

    def commit() -> None:
        nonlocal position
        checkpoint = partition.checkpoint()
        position += len(checkpoint.changes)
        mirror.committed(mirror.write(checkpoint.changes), position)
        del checkpoint  # as the worker does
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
    partition = Partition.restore(0, _settings(), (), mirror)
    assert partition.counts()["predictions"] == pending
    ready_s = time.process_time() - began
    assert len(partition.models) == 1
    woken_s = time.process_time() - began
    mirror.close()
    return {"ready_s": ready_s, "woken_s": woken_s}


def _versions(folder: str, versions: int) -> dict[str, float]:
    """Each round every version has a window's predictions, and the labels of an earlier window of its."""
    mirror, settings = _mirror(folder, _TIGHT), _settings(_TIGHT)
    settings.fleet.defaults.update(_FLEET)
    settings.fleet.defaults["baseline"] = {"first": 500}  # rows of one that is being learned cannot leave
    partition, offset, spent = Partition(0, settings, mirror), 0, 0.0
    rng, none = np.random.default_rng(0), np.zeros(_IN_WINDOW, np.int32)

    def ids(model: int, window: int) -> np.ndarray:
        return np.frombuffer(np.random.default_rng([model, window]).bytes(16 * _IN_WINDOW), "S16")

    def answers() -> Categories:
        return Categories(rng.integers(0, 2, _IN_WINDOW).astype(np.int32), ("no", "yes"))

    for window in range(_WINDOWS):
        times = _START_US + window * _WINDOW_US + np.arange(_IN_WINDOW) * 10_000_000
        for model in range(versions):
            name, labelled = f"m{model}", int(rng.integers(0, window + 1))
            served = PredictionBatch(
                model=name,
                version="1",
                ids=ids(model, window),
                time_us=times,
                prediction=answers(),
                latency_ms=rng.exponential(20, _IN_WINDOW),
                score=rng.random(_IN_WINDOW),
                failed=none > 0,
                features={f"f{n}": rng.normal(size=_IN_WINDOW) for n in range(_FEATURES)},
            )
            truth = GroundTruthBatch(name, ids(model, labelled), times, answers(), none, none > 0)
            values = encode_prediction_batch(served), encode_ground_truth_batch(truth)
            began = time.process_time()
            for topic, value in zip((PREDICTIONS, GROUND_TRUTH), values, strict=True):
                partition.apply([Message(topic, offset, 0, name.encode(), value)])
            spent += time.process_time() - began
            offset += 1
        began = time.process_time()
        checkpoint = partition.checkpoint()
        mirror.committed(mirror.write(checkpoint.changes), window)
        del checkpoint  # as the worker does
        partition.settled()
        spent += time.process_time() - began
    each = size_of(MonitorDefinition(model="m0", labels=_FLEET["labels"]), 0, _FEATURES)
    mirror.close()
    return {
        "batch_ms": spent / (2 * versions * _WINDOWS) * 1e3,
        "all_mb": versions * (_WINDOWS * each.window_bytes + each.other_bytes) / 1e6,
    }


if __name__ == "__main__":
    what, folder, n = sys.argv[1:]
    measured = {"fill": _fill, "restore": _restore, "versions": _versions}[what](folder, int(n))
    measured["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e6
    print(json.dumps(measured))
