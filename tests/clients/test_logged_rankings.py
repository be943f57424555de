"""`PredictionLogger` and rankings: what is logged is what the worker reads, and the rest is counted."""

import numpy as np
import pytest

from streamgauge import PredictionLogger
from streamgauge.clients.sinks import MemorySink
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message


def logged(*calls):
    sink = MemorySink()
    logger = PredictionLogger("shop", sink=sink, environ={})
    for name, *positional, given in calls:
        getattr(logger, name)(*positional, **given)
    assert logger.flush()
    return sink, logger.stats()


def test_rankings_and_their_relevance_are_what_the_worker_reads():
    sink, stats = logged(
        ("predict", {"ranked": ["a", np.int64(7), "ä"], "prediction_id": "1"}),
        ("predict", {"ranked": (item for item in "xy"), "prediction_id": "2"}),
        ("predict", {"error": "timeout"}),
        ("ground_truth", "1", {"relevance": {"a": 2, 7: 0.5}}),
        ("ground_truth", "2", {"relevance": ["x"]}),
        ("ground_truth", "2", {"revision": 1, "retracted": True}),
    )
    assert stats.invalid == 0
    for topic, [batch], encode in (
        (PREDICTIONS, sink.predictions, encode_prediction_batch),
        (GROUND_TRUTH, sink.ground_truth, encode_ground_truth_batch),
    ):
        result = decode_messages(topic, [Message(topic, 0, 0, None, encode(batch))])
        assert not result.refused
        [(read, _)] = result.batches
        lists = read.prediction if topic == PREDICTIONS else read.label
        assert lists.to_list() == (
            [["a", "7", "ä"], ["x", "y"], None]
            if topic == PREDICTIONS
            else [{"a": 2.0, "7": 0.5}, {"x": 1.0}, None]
        )


def test_a_watched_ranker_is_logged_with_its_items():
    sink = MemorySink()
    logger = PredictionLogger("shop", sink=sink, environ={})

    @logger.watch(outcome=lambda found: {"ranked": found})
    def search(features):
        return ["a", "b"]

    assert search({"words": 2}) == ["a", "b"]
    assert logger.flush()
    assert sink.predictions[0].prediction.to_list() == [["a", "b"]]


@pytest.mark.parametrize(
    "wrong",
    [
        ("predict", {"ranked": ["a", "a"]}),
        ("predict", {"ranked": [object()]}),
        ("predict", {"ranked": range(1_001)}),
        ("predict", {"ranked": 3}),
        ("ground_truth", "1", {"relevance": {"a": -1}}),
        ("ground_truth", "1", {"relevance": {"a": "much"}}),
        ("ground_truth", "1", {"relevance": {"a": float("nan")}}),
    ],
)
def test_what_is_no_ranking_is_counted_and_the_others_are_sent(wrong):
    sink, stats = logged(("predict", {"ranked": ["a"]}), wrong, ("ground_truth", "1", {"relevance": ["a"]}))
    assert stats.invalid == 1
    assert (len(sink.predictions), len(sink.ground_truth)) == (1, 1)
