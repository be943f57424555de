"""What the core costs an event: decode and apply, on one core, for each way in which events come.

CPU time, and as a ratio to numpy's sort of as many numbers in the same run, so that figures of different
machines can be compared. Other work on a machine disturbs some batches of every round, but not the same ones:
so of each batch the best of some rounds counts.
"""

import json
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.figure import Figure
from streamgauge.schemas.batch import Categories, Floats, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction, encode_prediction_batch
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.streams.core.bank import FEATURE_MONITORS, MULTIVARIATE_DRIFT
from streamgauge.streams.core.join import LabelJoin
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.core.predictions import Labels

_START_US = 1_795_255_200_000_000
_STEP_US = 2_000
_WINDOW_STEP_US = 600_000  # so 500 events fill a window of five minutes
_LEARN = 5_000
_BATCHES = 64


def figures(rounds: int = 8) -> list[Figure]:
    """The table's lines about the core."""
    sort_us = _best(lambda: np.sort(np.random.default_rng(0).random(500)), rounds * 20) / 500
    columnar, gathered, labelled, segments = _by_turns(
        rounds, _columnar(), _columnar(run=16), _columnar(labels=True), _columnar(segments=True)
    )
    window, labelled_window = _by_turns(rounds, _windows(labels=False), _windows(labels=True))
    alone, gathered_evidence = _evidence(rounds, run=1), _evidence(rounds, run=16)
    return [
        Figure("decode + apply, columnar 500, 12 features, one by one", columnar, "µs/event", "≤ 1.5"),
        Figure("the same, 16 messages at a time, as a busy worker has them", gathered, "µs/event"),
        Figure("the same, numpy.sort being 1", columnar / sort_us, "×"),
        Figure("evidence on all features, one by one", alone.features, "µs/event", "≤ 0.3"),
        Figure("and on all pairs of them", alone.pairs, "µs/event"),
        Figure("both, decode + apply without them being 1", alone.share, "×"),
        Figure(
            "evidence on all features, 16 messages at a time", gathered_evidence.features, "µs/event", "≤ 0.3"
        ),
        Figure("and on all pairs of them", gathered_evidence.pairs, "µs/event"),
        Figure("both, decode + apply without them being 1", gathered_evidence.share, "×"),
        Figure("the same with 2 segment keys and a protected attribute", segments, "µs/event"),
        Figure("decode + apply of its labels, columnar 500", labelled, "µs/label"),
        Figure("a window of 5 minutes and 500 events: decode, apply, close and tell", window / 1_000, "ms"),
        Figure("the same with their labels, a window later", labelled_window / 1_000, "ms"),
        *_join(1_000_000),
        Figure("decode + apply, single JSON", min(_single("json") for _ in range(rounds)), "µs/event"),
        Figure("decode + apply, single Avro", min(_single("avro") for _ in range(rounds)), "µs/event"),
    ]


def predictions(
    rng: np.random.Generator, start_us: int, n: int = 500, segments: bool = False, step_us: int = _STEP_US
) -> PredictionBatch:
    """A batch of a binary classifier: 9 numeric and 3 categorical features."""

    def words(values: tuple[str, ...]) -> Categories:
        return Categories(rng.integers(0, len(values), n).astype(np.int32), values)

    features = {f"number_{i}": rng.normal(size=n) for i in range(9)}
    features |= {
        "job": words(("clerk", "cook", "pilot")),
        "city": words(("Oslo", "Bergen")),
        "plan": words(("a", "b", "c", "d")),
    }  # type: ignore[dict-item]
    return PredictionBatch(
        model="bench",
        version="1",
        ids=np.frombuffer(rng.bytes(16 * n), dtype="S16"),
        time_us=start_us + step_us * np.arange(n, dtype=np.int64),
        prediction=words(("no", "yes")),
        latency_ms=rng.lognormal(3.0, 0.3, n),
        score=rng.random(n),
        failed=np.zeros(n, np.bool_),
        features=features,
        groups={"sex": words(("f", "m"))} if segments else {},
        segments={"country": words(("NO", "SE", "DK")), "channel": words(("web", "app"))} if segments else {},
    )


class _Evidence(NamedTuple):
    """What an event costs more with evidence than without, in µs: on its 12 features, and besides on pairs of
    them; and both as a share."""

    features: float
    pairs: float
    share: float


def _evidence(rounds: int, run: int) -> _Evidence:
    kinds = (), (MULTIVARIATE_DRIFT,), FEATURE_MONITORS
    both, features, without = _by_turns(rounds, *(_columnar(run=run, disabled=names) for names in kinds))
    return _Evidence(features - without, both - features, both / without - 1)


def _by_turns(rounds: int, *kinds: Callable[[], Floats]) -> list[float]:
    """The mean of what each kind gives by batch, in µs."""
    best = [np.full(_BATCHES, np.inf) for _ in kinds]
    for _ in range(rounds):
        best = [np.minimum(least, kind()) for least, kind in zip(best, kinds, strict=True)]
    return [float(least.mean()) for least in best]


def _columnar(
    *, labels: bool = False, segments: bool = False, run: int = 1, disabled: Sequence[str] = ()
) -> Callable[[], Floats]:
    """Of messages of 500 that come in runs of so many, after the first twenty: µs an event, or a label, in
    each message."""
    rng = np.random.default_rng(0)
    sent = [predictions(rng, _START_US + i * 500 * _STEP_US, segments=segments) for i in range(_BATCHES + 20)]
    messages = [Message(PREDICTIONS, i, 0, b"bench", encode_prediction_batch(b)) for i, b in enumerate(sent)]
    truths = [Message(GROUND_TRUTH, i, 0, b"bench", _labels(rng, batch)) for i, batch in enumerate(sent)]

    def timed() -> Floats:
        partition, rest = _partition(disabled), messages
        if labels:
            partition.apply(messages)
            rest = truths
        partition.apply(rest[:20])
        runs = [rest[start : start + run] for start in range(20, len(rest), run)]
        return np.repeat([_timed(partial(partition.apply, some)) for some in runs], run) / (500 * run)

    return timed


def _windows(*, labels: bool) -> Callable[[], Floats]:
    """Of messages that fill a window each, after the first twenty: µs a window. With `labels`, those of the
    window before come after each of them."""
    rng = np.random.default_rng(0)
    messages: list[list[Message]] = [[] for _ in range(_BATCHES + 21)]
    for i, some in enumerate(messages[:-1]):
        batch = predictions(rng, _START_US + i * 500 * _WINDOW_STEP_US, step_us=_WINDOW_STEP_US)
        some.insert(0, Message(PREDICTIONS, i, 0, b"bench", encode_prediction_batch(batch)))
        if labels:
            messages[i + 1].append(Message(GROUND_TRUTH, i, 0, b"bench", _labels(rng, batch)))

    def timed() -> Floats:
        partition = _partition(())
        used = [_timed(partial(partition.apply, some)) for some in messages[:-1]]
        return np.array(used[20:])

    return timed


def _partition(disabled: Sequence[str]) -> Partition:
    partition = Partition(0, CoreSettings(clock="events"))
    document = {"model": "bench", "monitors": {name: {"enabled": False} for name in disabled}}
    value, headers = encode_control(
        Define(model="bench", document=document, actor="bench", time_us=_START_US)
    )
    partition.apply([Message(CONTROL, 0, 0, b"bench", value, headers)])
    return partition


def _single(form: str, events: int = 4_000) -> float:
    rng = np.random.default_rng(0)
    names = {"job": "clerk", "city": "Oslo", "plan": "a"}
    values = [
        encode_prediction(
            {
                "prediction_id": rng.bytes(16).hex(),
                "model": "bench",
                "version": "1",
                "time": _START_US + i * _STEP_US,
                "latency_ms": 20.0,
                "prediction": "yes",
                "score": 0.8,
                "features": {f"number_{k}": float(x) for k, x in enumerate(rng.normal(size=9))} | names,
            },
            form,  # type: ignore[arg-type]
        )
        for i in range(events + _LEARN)
    ]
    messages = [Message(PREDICTIONS, i, 0, b"bench", value) for i, value in enumerate(values)]
    partition = Partition(0, CoreSettings(clock="events"))
    partition.apply(messages[:_LEARN])
    rest = messages[_LEARN:]
    runs = [rest[i : i + 256] for i in range(0, events, 256)]  # as the worker gathers them

    def apply() -> None:
        for run in runs:
            partition.apply(run)

    return _timed(apply) / events


def _join(pending: int) -> list[Figure]:
    """Predictions of one model that wait for labels: what they take, and what labels of some of them cost."""
    rng, n = np.random.default_rng(0), 500
    ids = np.frombuffer(rng.bytes(16 * pending), "S16")
    columns = {"prediction": np.zeros(n), "score": np.zeros(n)}
    tracemalloc.start()
    join = LabelJoin(86_400_000_000)
    for start in range(0, pending, n):
        time_us = np.arange(start, start + n)
        join.add_predictions(0, ids[start : start + n], time_us, columns, np.zeros(n, np.int64))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    def join_some() -> None:
        some = ids[rng.integers(0, pending, n)]
        zeros = np.zeros(n)
        labels = Labels(zeros, zeros.astype(np.int32), zeros > 0, zeros.astype(np.int64))
        join.add_labels(some, labels, np.arange(n), 0)

    return [
        Figure(f"{pending:,} predictions of one model wait for labels", held / 1e6, "MB", "≤ 60"),
        Figure(f"{n} labels join among them", _best(join_some, 20) / 1_000, "ms", "≤ 1"),
    ]


def _labels(rng: np.random.Generator, batch: PredictionBatch) -> bytes:
    n = len(batch)
    return encode_ground_truth_batch(
        GroundTruthBatch(
            "bench",
            batch.ids,
            batch.time_us + 60_000_000,
            Categories(rng.integers(0, 2, n).astype(np.int32), ("no", "yes")),
            np.zeros(n, np.int32),
            np.zeros(n, np.bool_),
        )
    )


def _timed(call: Callable[[], object]) -> float:
    started = time.process_time_ns()
    call()
    return (time.process_time_ns() - started) / 1_000


def _best(call: Callable[[], object], rounds: int) -> float:
    return min(_timed(call) for _ in range(rounds))


if __name__ == "__main__":
    for figure in figures():
        print(json.dumps([figure.name, round(figure.value, 3), figure.unit, figure.expected]))
