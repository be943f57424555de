"""The jobs in `examples/` are run as a team would run them: a request in Kafka, data in Kafka, an answer."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from confluent_kafka import Producer

from streamgauge.clients.connection import Connection
from streamgauge.clients.retrain import RetrainStatuses
from streamgauge.schemas.batch import Categories, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_output, encode_prediction_batch
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, RETRAIN_REQUESTS, Output
from streamgauge.schemas.times import format_time
from tests.harness import PATIENCE_S, create_topics

ROOT = Path(__file__).parents[2]
START_US = 1_795_255_200_000_000
N = 1_000
#: Whoever sends predictions chooses them.
MODEL, VERSION = "risk/../../credit", "v7"


def store(connection: Connection) -> None:
    """Predictions of a model that says yes to all, labels that are so where x is above 0, and a request."""
    rng = np.random.default_rng(5)
    x, ids = rng.standard_normal(N), np.array([b"%016d" % n for n in range(N)], "S16")
    time_us = START_US + np.arange(N)
    none = np.zeros(N, np.bool_)
    answers = Categories(np.ones(N, np.int32), ("no", "yes"))
    truth = Categories((x > 0).astype(np.int32), ("no", "yes"))
    served = PredictionBatch(
        MODEL, VERSION, ids, time_us, answers, np.full(N, 1.0), np.full(N, 0.9), none,
        {"x": x, "noise": x * 0},
    )  # fmt: skip
    labels = GroundTruthBatch(MODEL, ids, time_us, truth, np.zeros(N, np.int32), none)
    producer = Producer(connection.librdkafka())
    for topic, value in (
        (PREDICTIONS, encode_prediction_batch(served)),
        (GROUND_TRUTH, encode_ground_truth_batch(labels)),
    ):
        producer.produce(connection.topic(topic), value, MODEL.encode(), partition=0)
    request: dict[str, Any] = {
        "request_id": f"{MODEL}:{VERSION}:1", "model": MODEL, "version": VERSION, "attempt": 1, "reasons": [],
        "data": {"start": format_time(START_US), "end": format_time(START_US + N), "offsets": [
            {"topic": connection.topic(topic), "partition": 0, "start": 0, "end": 1}
            for topic in (PREDICTIONS, GROUND_TRUTH)
        ]},
        "features": [], "segments": [], "label_coverage": 1.0, "labels": N, "priority": "high",
        "dry_run": False, "time": format_time(START_US), "expires_at": "2099-01-01T00:00:00.000000Z",
        "definition_id": "sha256:2f1c", "baseline_id": None, "software": None, "actor": None, "note": None,
    }  # fmt: skip
    value, headers = encode_output(Output(RETRAIN_REQUESTS, MODEL.encode(), request), "json")
    topic = connection.topic(RETRAIN_REQUESTS)
    producer.produce(topic, value, MODEL.encode(), partition=0, headers=list(headers))
    assert producer.flush(20.0) == 0


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize("job", ["train_sklearn.py", "train_river.py"])
def test_a_job_accepts_learns_and_answers_with_a_better_version(
    job: str, broker: str, prefix: str, tmp_path: Path
) -> None:
    connection = create_topics(broker, prefix, partitions=1)
    store(connection)
    environ = os.environ | {
        "STREAMGAUGE_BOOTSTRAP_SERVERS": broker,
        "STREAMGAUGE_TOPIC_PREFIX": prefix,
        "MODELS": str(tmp_path / "models"),
    }
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            [sys.executable, str(ROOT / "examples" / job)], env=environ, stderr=log, cwd=tmp_path
        )
    try:
        answers = []
        with RetrainStatuses(connection, start="earliest", timeout_s=PATIENCE_S) as statuses:
            for status in statuses:
                answers.append(status)
                if status.state not in ("accepted", "started"):
                    break
        assert [answer.state for answer in answers] == ["accepted", "started", "succeeded"], (
            tmp_path / "log"
        ).read_text()
    finally:
        running.terminate()
        running.wait(20.0)
    assert answers[1].message == "1,000 rows"
    assert answers[2].new_version == "20261121-100000"
    assert float(str(answers[2].message).split()[1]) > 0.9
    if job == "train_sklearn.py":
        (file,) = (tmp_path / "models").iterdir()
        model = joblib.load(file)
        assert model.predict([[0.0, 2.0], [0.0, -2.0]]).tolist() == ["yes", "no"]
