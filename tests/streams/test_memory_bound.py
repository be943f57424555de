"""The bound of memory: what state is counted as is what it takes, and it keeps to its bytes."""

import ctypes
import hashlib
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from streamgauge.schemas.batch import Categories, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_output, encode_prediction_batch
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.streams import sizing
from streamgauge.streams.allocator import GiveBack, resident_bytes
from streamgauge.streams.core.context import CoreSettings
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.partition import Partition
from streamgauge.streams.core.relief import weigh
from streamgauge.streams.memory_plan import LEAST_BYTES, MemoryPlan
from streamgauge.streams.mirrors import Mirrors
from streamgauge.streams.settings import load_settings
from streamgauge.streams.sizing import deep_bytes
from streamgauge.streams.store import LogBounds
from tests.harness import ROOT

START_US, MINUTE_US = 1_795_255_200_000_000, 60_000_000
MODELS, ROWS, ROUNDS, FEATURES, WARM_UP = 4, 200, 50, 4, 3
FLEET = Fleet(defaults={"labels": {"ttl": "7d"}, "baseline": {"first": 500}})
#: All of these models take about 35 MB, most of it their windows.
TIGHT, WIDE, DISK_BYTES = 14_000_000, 1_000_000_000, 8_000_000


@pytest.mark.parametrize(("features", "segments"), [(0, 0), (10, 0), (30, 10)])
def test_a_model_weighs_what_can_be_reached_from_it(features: int, segments: int) -> None:
    model = sizing._fed(MonitorDefinition(model="credit"), features, segments)
    assert weigh(model).held == pytest.approx(deep_bytes(model), rel=0.25)


def life(folder: str, most_bytes: int) -> None:
    """Five hours of some models, of which half the labels come late and in no order; what that took."""
    memory = Memory(most_bytes)
    mirror = Mirrors(Path(folder), lambda: None, memory_bytes=DISK_BYTES).of("state", 0)
    mirror.open(lambda: "test", LogBounds(0, 1 << 40))
    partition = Partition(0, CoreSettings(fleet=FLEET, clock="events", memory=memory), mirror)
    told, offsets, most = hashlib.sha256(), {PREDICTIONS: -1, GROUND_TRUTH: -1}, 0
    rng = np.random.default_rng(7)

    def said(topic: str, name: str, value: bytes) -> Message:
        offsets[topic] += 1
        return Message(topic, offsets[topic], 0, name.encode(), value)

    counted = 0
    for number in range(ROUNDS):
        if number == WARM_UP:
            tracemalloc.start()
            counted = memory.used_bytes
        for model in range(MODELS):
            name = f"m{model}"
            times = START_US + 5 * MINUTE_US * number + np.arange(ROWS) * 1_000_000
            served = PredictionBatch(
                model=name, version="1", ids=ids(model, number), time_us=times, prediction=answers(rng),
                latency_ms=rng.exponential(20, ROWS), score=rng.random(ROWS), failed=np.zeros(ROWS, np.bool_),
                features={f"f{n}": rng.normal(size=ROWS) for n in range(FEATURES)},
                segments={"country": one_of(rng, tuple("abcdefghi"))},
            )  # fmt: skip
            chosen = rng.integers(0, number + 1)
            none = np.zeros(ROWS, np.int32)
            truth = GroundTruthBatch(name, ids(model, chosen), times, answers(rng), none, none > 0)
            partition.apply([said(PREDICTIONS, name, encode_prediction_batch(served))])
            partition.apply([said(GROUND_TRUTH, name, encode_ground_truth_batch(truth))])
        checkpoint = partition.checkpoint()
        for output in checkpoint.outputs:
            told.update(encode_output(output)[0])
        mirror.committed(mirror.write(checkpoint.changes), number)
        partition.settled()
        most = max(most, memory.used_bytes)
    took = tracemalloc.get_traced_memory()[0]
    counted = memory.used_bytes - counted
    mirror.close()
    print(json.dumps({"took": took, "counted": counted, "most": most, "told": told.hexdigest()}))


def ids(model: int, number: int) -> np.ndarray:
    return np.frombuffer(np.random.default_rng([model, number]).bytes(16 * ROWS), "S16")


def answers(rng: np.random.Generator) -> Categories:
    return one_of(rng, ("no", "yes"))


def one_of(rng: np.random.Generator, values: tuple[str, ...]) -> Categories:
    return Categories(rng.integers(0, len(values), ROWS).astype(np.int32), values)


@pytest.mark.slow
def test_state_keeps_to_its_bytes_and_tells_the_same(tmp_path: Path) -> None:
    """Each in a process of its own, where Python says what it has allocated."""
    found = {}
    for most_bytes in (TIGHT, WIDE):
        body = f"life({str(tmp_path / str(most_bytes))!r}, {most_bytes})"
        command = [sys.executable, "-c", f"from tests.streams.test_memory_bound import life\n{body}"]
        said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        found[most_bytes] = json.loads(said.splitlines()[-1])
    tight, wide = found[TIGHT], found[WIDE]
    assert tight["told"] == wide["told"]
    assert wide["took"] > 2 * TIGHT  # or nothing had to leave
    assert wide["counted"] == pytest.approx(wide["took"], rel=0.25)
    assert tight["most"] <= TIGHT
    assert tight["took"] <= TIGHT


def test_what_a_commit_carries_is_counted_before_the_next_one_is_taken() -> None:
    memory = Memory(WIDE)
    partition = Partition(0, CoreSettings(fleet=FLEET, clock="events", memory=memory))
    rng = np.random.default_rng(7)
    for number in range(3):  # so that windows close, and are told
        served = PredictionBatch(
            model="m", version="1", ids=ids(0, number), prediction=answers(rng),
            time_us=START_US + 5 * MINUTE_US * number + np.arange(ROWS) * 1_000_000,
            latency_ms=rng.exponential(20, ROWS), score=rng.random(ROWS), failed=np.zeros(ROWS, np.bool_),
            features={f"f{n}": rng.normal(size=ROWS) for n in range(FEATURES)},
            segments={"country": one_of(rng, tuple("abcdefghi"))},
        )  # fmt: skip
        partition.apply([Message(PREDICTIONS, number, 0, b"m", encode_prediction_batch(served))])
    told, model = memory.used_bytes, partition.models["m"]
    without = weigh(model).held
    checkpoint = partition.checkpoint()
    assert len(checkpoint.outputs) > 100
    carried = memory.used_bytes - told - (weigh(model).held - without)
    records = [output.record for output in checkpoint.outputs]
    assert carried > deep_bytes(checkpoint.changes) + deep_bytes(records)
    partition.settled()
    held = memory.used_bytes
    partition.tick(START_US)
    partition.checkpoint()
    assert memory.used_bytes == pytest.approx(held, rel=0.01)  # a small commit does not make us forget it


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
@pytest.mark.parametrize("left", [True, False])
def test_what_was_freed_among_what_stays_goes_back_to_the_machine(left: bool) -> None:
    give_back = GiveBack()
    give_back(True)
    pieces = [np.ones(5_000) for _ in range(2_000)]  # of 40 kB: none is a mapping of its own
    pieces = pieces[::50]
    before = resident_bytes()
    give_back(left)
    assert before - resident_bytes() > 40_000_000
    assert len(pieces) == 40


def test_a_bound_that_leaves_nothing_for_state_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match=r"STREAMGAUGE_MAX_MEMORY: .*give at least 350MB"):
        load_settings({"max_memory": "100MB"})
    assert load_settings({"max_memory": "1.5GiB"}).max_memory == 1.5 * (1 << 30)
    assert MemoryPlan.of(LEAST_BYTES).state_bytes > 0


def test_what_a_plan_leaves_to_state_is_what_was_asked_for() -> None:
    for most_bytes in (LEAST_BYTES, 1_000_000_000, 1_500_000_000):
        plan = MemoryPlan.of(most_bytes)
        assert plan.most_for(plan.state_bytes) == pytest.approx(most_bytes, rel=0.1)
