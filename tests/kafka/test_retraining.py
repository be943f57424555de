"""A training job that is killed is asked again; one that says everything twice is heard once."""

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streamgauge.clients.control import Control
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.schemas.message import (
    DEAD_LETTERS,
    GROUND_TRUTH,
    METRICS,
    PREDICTIONS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
)
from tests.harness import PATIENCE_S, ROOT, Command, WorkerProcess, create_topics, read_topic, wait_until

pytestmark = pytest.mark.kafka
#: Takes the first request, says so, and trains for ever.
JOB = """
import os, time
from streamgauge import Connection, RetrainRequests
kafka = Connection.from_environment(os.environ)
with RetrainRequests(kafka, group_id="trainer", start="earliest") as requests:
    for request in requests:
        requests.accept(request)
        requests.started(request)
        time.sleep(600)
"""


def traffic(broker: str, prefix: str, version: str, count: int = 100) -> None:
    """Labelled predictions of one model, now."""
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 50, "partitioner": "murmur2_random"})
    for n in range(count):
        now = time.time_ns() // 1_000
        identity = {"prediction_id": f"{version}-{n}-{now}", "model": "credit", "time": now}
        answer = {"version": version, "prediction": "yes" if n % 3 else "no"}
        producer.produce(prefix + PREDICTIONS, json.dumps(identity | answer), b"credit")
        producer.produce(prefix + GROUND_TRUTH, json.dumps(identity | {"label": "yes"}), b"credit")
    assert producer.flush(60) == 0


def test_a_job_that_is_killed_is_asked_again_and_one_that_says_all_twice_is_heard_once(
    broker: str, prefix: str, tmp_path: Path, command: Command
) -> None:
    def told(topic: str) -> list[Any]:
        return [json.loads(message.value() or b"") for message in read_topic(broker, prefix + topic)]

    def asked() -> list[tuple[str, int]]:
        return [(each["request_id"], each["attempt"]) for each in told(RETRAIN_REQUESTS)]

    connection = create_topics(broker, prefix, partitions=1)
    definition = {
        "model": "credit", "task": "binary", "pos_label": "yes", "window": "1s", "grace": "100ms",
        "retrain": {"on": [], "expiry": "6s", "cooldown": "1s"},
    }  # fmt: skip
    log = tmp_path / "worker.log"
    worker = WorkerProcess(broker, prefix, log, module="streamgauge", arguments=["worker"])
    with worker, closing(Control(connection, actor="anna")) as control:
        worker.wait_ready()
        control.define(definition)
        traffic(broker, prefix, "7")
        wait_until(lambda: [r for r in told(METRICS) if r["model"] == "credit"], every=0.5)
        kafka = {"STREAMGAUGE_BOOTSTRAP_SERVERS": broker, "STREAMGAUGE_TOPIC_PREFIX": prefix}
        job = subprocess.Popen([sys.executable, "-c", JOB], cwd=ROOT, env={**os.environ, **kafka})
        try:
            control.retrain("credit", note="new features")
            wait_until(lambda: "started" in [r["state"] for r in told(RETRAIN_STATUS)], every=0.2)
        finally:
            job.kill()
            job.wait(PATIENCE_S)
        (attempt,) = {each["attempt"] for each in told(RETRAIN_STATUS)}

        with RetrainRequests(connection, start="earliest", timeout_s=PATIENCE_S) as requests:
            request = next(each for each in requests if each.attempt > attempt)
            for answer in (requests.accept, requests.started):
                answer(request)
                answer(request)
            requests.succeeded(request, new_version="8")
            requests.succeeded(request, new_version="8")
        assert request.attempt == attempt + 1
        assert request.reasons == ({**request.reasons[0], "monitor": "manual"},)

        def succeeded() -> bool:
            return "the latest request is succeeded" in command("monitors", "list")[1]

        wait_until(succeeded, every=0.5, saying="the success is known")
        traffic(broker, prefix, "8")
        (compared,) = [json.loads(line) for line in command("compare", "--json")[1].splitlines()]
        assert (compared["champion"], compared["challenger"]) == ("7", "8")
        control.retrain("credit", version="7", note="once more")
        wait_until(lambda: ("credit:7:2", 1) in asked(), every=0.5, saying="the next one is asked for")
        assert asked() == [*[("credit:7:1", n) for n in range(1, attempt + 2)], ("credit:7:2", 1)]
        assert told(DEAD_LETTERS) == []
