"""What a training job learns from: exactly the records that a request names, joined as the worker does."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.clients.connection import Connection
from streamgauge.clients.events import OffsetRange, Position, RetrainRequest
from streamgauge.clients.ranges import read_batches
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.clients.training_data import TrainingData, join, within
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import encode_ground_truth, encode_prediction
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Message
from tests.harness import create_topics

START_US = 1_795_255_200_000_000


def prediction(number: int, **more: Any) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}", "model": "credit", "version": "7", "time": START_US + number,
        "prediction": "yes", "features": {"age": number, "job": "clerk"}, "segments": {"country": "NO"},
        "score": 0.5, **more,
    }  # fmt: skip


def label(number: int, **more: Any) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}", "model": "credit", "time": START_US + number, "label": "yes",
        "revision": 0, "retracted": False, **more,
    }  # fmt: skip


def batches(topic: str, events: list[dict[str, Any]]) -> list[Any]:
    encode: Any = encode_prediction if topic == PREDICTIONS else encode_ground_truth
    messages = [Message(topic, i, 0, b"credit", encode(event)) for i, event in enumerate(events)]
    result = decode_messages(topic, messages)
    assert result.refused == []
    return [batch for batch, _ in result.batches]


def joined(predictions: list[dict[str, Any]], labels: list[dict[str, Any]]) -> TrainingData:
    return join(batches(PREDICTIONS, predictions), batches(GROUND_TRUTH, labels))


numbers = st.integers(0, 6)
served = st.lists(
    st.builds(lambda n, x: prediction(n, features={"age": x}), numbers, st.integers(0, 99)), max_size=12
)
said = st.lists(
    st.builds(
        lambda n, word, at, out: label(n, label=None if out else word, revision=at, retracted=out),
        numbers, st.sampled_from(["yes", "no"]), st.integers(0, 3), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@given(served, said)
def test_the_join_is_that_of_a_loop_over_all_events(predictions, labels):
    first, best = {}, {}
    for event in predictions:
        first.setdefault(event["prediction_id"], event)
    for event in labels:
        known = best.get(event["prediction_id"])
        if known is None or event["revision"] > known["revision"]:
            best[event["prediction_id"]] = event
    expected = [
        (event["features"]["age"], best[id_]["label"])
        for id_, event in first.items()
        if id_ in best and not best[id_]["retracted"]
    ]
    data = joined(predictions, labels)
    ages = data.features.get("age", np.zeros(0))
    found = data.label.to_list() if len(data) else []
    assert list(zip(ages.tolist() if len(data) else [], found, strict=True)) == expected


def test_a_feature_that_came_later_is_missing_before():
    data = joined([prediction(1), prediction(2, features={"age": 2, "income": 5.0})], [label(1), label(2)])
    assert np.isnan(data.features["income"][0])
    assert data.features["income"][1] == 5.0
    assert data.features["job"].to_list() == ["clerk", None]
    assert data.matrix(["age", "job"]).tolist()[0] == [1.0, 0.0]
    with pytest.raises(ConfigurationError, match="no feature 'Age'; there are age, income, job"):
        data.matrix(["Age"])


def test_a_feature_that_changed_its_type_is_text():
    data = joined([prediction(1), prediction(2, features={"age": "old"})], [label(1), label(2)])
    assert data.features["age"].to_list() == ["1", "old"]


def test_failed_predictions_teach_nothing():
    data = joined([prediction(1, prediction=None, error="timeout"), prediction(2)], [label(1), label(2)])
    assert data.time_us.tolist() == [START_US + 2]


def test_nothing_is_no_data():
    data = join([], [])
    assert len(data) == 0
    assert data.matrix().shape == (0, 0)


def test_rows_outside_the_time_of_a_request_are_left_out():
    [batch] = batches(PREDICTIONS, [prediction(n * 1_000_000) for n in range(4)])
    moment = datetime.fromtimestamp(START_US / 1e6, UTC)
    assert len(within(batch, moment.replace(second=1), moment.replace(second=3))) == 2
    assert within(batch, None, None) is batch


def test_it_is_a_table_for_pandas_and_parquet(tmp_path: Path):
    data = joined([prediction(1), prediction(2)], [label(1), label(2, label="no")])
    frame = data.to_pandas()
    assert frame["label"].tolist() == ["yes", "no"]
    assert frame["feature.age"].tolist() == [1.0, 2.0]
    assert frame["segment.country"].tolist() == ["NO", "NO"]
    data.to_parquet(tmp_path / "data.parquet")
    assert pq.read_table(tmp_path / "data.parquet").to_pylist() == frame.to_dict("records")


def test_rankings_keep_their_grades(tmp_path: Path):
    ranked = prediction(1, prediction=None, ranked=["a", "b"], features={})
    graded = label(1, relevance={"b": 2.0})
    del graded["label"]
    data = joined([ranked], [graded])
    assert data.columns()["label"] == [{"b": 2.0}]
    sink = io.BytesIO()
    data.to_parquet(sink)
    assert pq.read_table(sink).to_pylist()[0]["label"] == [("b", 2.0)]


@pytest.mark.kafka
def test_exactly_the_committed_records_of_the_ranges_are_read(broker: str, prefix: str) -> None:
    create_topics(broker, prefix, partitions=1)
    connection = Connection(broker, prefix=prefix)
    producer = Producer(connection.librdkafka() | {"transactional.id": f"{prefix}test"})
    producer.init_transactions(60)

    def store(topic: str, events: list[dict[str, Any]], commit: bool = True) -> None:
        encode: Any = encode_prediction if topic == PREDICTIONS else encode_ground_truth
        producer.begin_transaction()
        for event in events:
            producer.produce(connection.topic(topic), encode(event), event["model"].encode())
        assert producer.flush(60) == 0  # else what is aborted is not even sent
        (producer.commit_transaction if commit else producer.abort_transaction)(20)

    store(PREDICTIONS, [prediction(n) for n in range(5)])  # offsets 0 to 4, and a marker
    store(PREDICTIONS, [prediction(n) for n in range(5, 8)], commit=False)  # 6 to 8
    store(PREDICTIONS, [prediction(8), prediction(9, model="other"), prediction(10, version="8")])  # 10 to 12
    store(PREDICTIONS, [prediction(11)])  # 14
    store(GROUND_TRUTH, [label(n) for n in range(12)])
    record = {
        "request_id": "credit:7:1", "model": "credit", "version": "7", "attempt": 1, "reasons": [],
        "data": {"start": None, "end": None, "offsets": [
            {"topic": connection.topic(PREDICTIONS), "partition": 0, "start": 2, "end": 13},
            {"topic": connection.topic(GROUND_TRUTH), "partition": 0, "start": 0, "end": 12},
        ]},
        "labels": 4, "priority": "high", "dry_run": False, "time": "2026-11-21T10:00:00.000000Z",
        "expires_at": "2026-11-21T12:00:00.000000Z",
    }  # fmt: skip
    request = RetrainRequest.from_record(record, Position("", 0, 0))
    with RetrainRequests(connection) as requests:
        data = requests.dataset(request)
    assert data.features["age"].tolist() == [2.0, 3.0, 4.0, 8.0]
    assert len(data) == request.labels
    nothing = [OffsetRange(connection.topic(PREDICTIONS), 0, 3, 3), OffsetRange("elsewhere", 0, 0, 9)]
    assert list(read_batches(connection, nothing, "credit")) == []
