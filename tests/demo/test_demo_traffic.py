"""The demo's serving apps log what the world decided, no more and no less."""

import numpy as np
import pytest

from streamgauge.clients.logger import PredictionLogger
from streamgauge.clients.sinks import MemorySink
from streamgauge.demo.traffic import BLOCK_S, log_labels, log_requests, timeline_for
from streamgauge.demo.world import SPAN_US, Block, World
from streamgauge.schemas.batch import Categories, Column

START_US = 1_763_712_000_000_000


@pytest.fixture(scope="module")
def block() -> Block:
    blocks = World(2, timeline_for(START_US, 30.0)).blocks()
    return next(b for b in blocks if any(r.failed.any() for r in b.requests) and len(b.labels) == 3)


@pytest.mark.slow
def test_what_the_apps_log_is_what_the_world_decided(block: Block) -> None:
    for requests in block.requests:
        sink = MemorySink()
        with PredictionLogger(requests.service.name, requests.service.version, sink=sink) as logger:
            log_requests(logger, requests)
        [logged], expected = sink.predictions, requests.to_batch()
        assert logged.ids.tobytes() == expected.ids.tobytes()
        assert logged.time_us.tolist() == expected.time_us.tolist()
        assert logged.failed.tolist() == expected.failed.tolist()
        np.testing.assert_array_equal(logged.latency_ms, expected.latency_ms)
        np.testing.assert_array_equal(logged.score, expected.score)
        _same(logged.prediction, expected.prediction)
        assert logged.features.keys() == expected.features.keys()
        for name, column in expected.features.items():
            _same(logged.features[name], column)
        for key, groups in expected.groups.items():
            _same(logged.groups[key], groups)


def test_what_the_label_sources_log_is_what_the_world_decided(block: Block) -> None:
    for expected in block.labels:
        sink = MemorySink()
        with PredictionLogger(expected.model, "1", sink=sink) as logger:
            log_labels(logger, expected)
        [logged] = sink.ground_truth
        assert logged.ids.tobytes() == expected.ids.tobytes()
        assert logged.time_us.tolist() == expected.time_us.tolist()
        assert logged.revision.tolist() == expected.revision.tolist()
        assert logged.retracted.tolist() == expected.retracted.tolist()
        _same(logged.label, expected.label)


@pytest.mark.parametrize("seconds", [30.0, 77.0, 90.0, 3600.0])
def test_the_whole_span_passes_in_the_time_given(seconds: float) -> None:
    timeline = timeline_for(START_US, seconds)
    assert SPAN_US / timeline.block_us * BLOCK_S == pytest.approx(seconds, rel=0.01)
    assert timeline.predictions_per_s * SPAN_US / 1_000_000 == pytest.approx(3_500 * seconds)


def _same(column: Column, expected: Column) -> None:
    if isinstance(expected, Categories):
        assert isinstance(column, Categories)
        assert column.to_list() == expected.to_list()
    else:
        assert not isinstance(column, Categories)
        np.testing.assert_array_equal(column, expected)
