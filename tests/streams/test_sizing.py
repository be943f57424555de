"""Sizing: what it says of a model is what such a model takes."""

import tracemalloc

import pytest

from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams import sizing
from streamgauge.streams.core.cold_store import ColdStore
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.parking import PARKED_BYTES
from streamgauge.streams.core.relief import park
from streamgauge.streams.core.shelf import DictShelf
from streamgauge.streams.sizing import deep_bytes, size_of


def define(**changes: object) -> MonitorDefinition:
    return MonitorDefinition.model_validate({"model": "credit", **changes})


@pytest.mark.slow
def test_what_is_counted_is_what_python_allocated() -> None:
    definition = define(features={"job": {"kind": "categorical"}}, fairness={"groups": ["sex"]})
    sizing._fed(definition, 20, 5)  # what is made once in a process
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    model = sizing._fed(definition, 20, 5)
    after, _ = tracemalloc.get_traced_memory()
    on_disk = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/core/snapshot.py")])
    tracemalloc.stop()
    after -= sum(trace.size for trace in on_disk.traces)
    assert deep_bytes(model) == pytest.approx(after - before, rel=0.15)


@pytest.mark.slow
def test_rows_grow_with_rate_and_time_to_live_and_windows_with_their_number() -> None:
    day, hour = (size_of(define(labels={"ttl": ttl}), 100) for ttl in ("1d", "1h"))
    assert (day.rows, hour.rows) == (8_640_000, 360_000)
    assert (day.windows, hour.windows) == (290 + 26 + 3, 14 + 3 + 2)
    assert day.total_bytes > 20 * hour.total_bytes
    assert size_of(define(window="1h", labels={"ttl": "1d"}), 100).windows == 26 + 3
    # windows older than a day are folded into their hours
    assert size_of(define(labels={"ttl": "7d"}), 100).windows == 290 + 170 + 9


def test_what_can_be_on_disk_takes_less_of_memory() -> None:
    sizing = size_of(define(), 100)
    assert sizing.cold_row_bytes < 0.7 * sizing.row_bytes
    spared = sizing.rows * (sizing.row_bytes - sizing.cold_row_bytes)
    spared += sizing.windows * (sizing.window_bytes - PARKED_BYTES)
    assert sizing.total_bytes - sizing.least_bytes == pytest.approx(spared, rel=0.01)


@pytest.mark.parametrize("features", [0, 10])
def test_a_window_that_is_parked_takes_what_is_said_of_it(features: int) -> None:
    model = sizing._fed(define(), features, 0)
    park("credit", model, ColdStore(DictShelf({}), Memory(0)), spare_used=False)
    (version,) = model.intake.versions.values()
    assert [deep_bytes(window) for window in version.windows.values()] == pytest.approx(
        [PARKED_BYTES] * 4, rel=0.2
    )


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"features": 100}, {"segments": 20}])
def test_features_and_segments_make_windows_larger(more: dict[str, int]) -> None:
    assert size_of(define(), 1, **more).window_bytes > 1.5 * size_of(define(), 1).window_bytes


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "regression"},
        {
            "task": "binary",
            "pos_label": "approved",
            "fairness": {"groups": ["sex", "age"], "intersections": True},
        },
        {"window": "3660d", "labels": {"ttl": "1s"}},
        {"monitors": {"accuracy": {"min": 0.8}}, "retrain": {"on": ["accuracy"]}},
    ],
    ids=str,
)
def test_any_definition_has_a_size(changes: dict[str, object]) -> None:
    assert size_of(define(**changes), 5).total_bytes > 0
