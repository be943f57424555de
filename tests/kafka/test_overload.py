"""More comes in than a worker can apply: memory stays flat, lag is told, nothing is dropped, others go on."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import DEAD_LETTERS, PREDICTIONS
from tests.harness import WorkerProcess, create_topics, read_topic, wait_until

pytestmark = pytest.mark.kafka

HOT, OTHER = 0, 1
#: A backlog of 240 MB: what goes with each message is dead weight that a queue would have to hold.
EVENTS, BALLAST = 30_000, 8_000
#: What the state of these predictions takes, and what is in hand of messages: an eighth of the backlog.
MOST_BYTES = 32_000_000


class Sender:
    def __init__(self, connection: Connection) -> None:
        self._topic = connection.topic(PREDICTIONS)
        self._producer = Producer({**connection.librdkafka(), "linger.ms": 50, "compression.type": "none"})

    def predict(self, number: int, model: str, partition: int, **more: Any) -> None:
        """A prediction of this second, with ballast in a header."""
        event = {
            "prediction_id": f"{model}-{number}", "model": model, "time": time.time_ns() // 1_000,
            "prediction": "yes", **more,
        }  # fmt: skip
        while True:
            try:
                self._producer.produce(
                    self._topic, json.dumps(event), model, partition, headers=[("ballast", b"x" * BALLAST)]
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def flush(self) -> None:
        assert self._producer.flush(120) == 0


def metric(worker: WorkerProcess, name: str) -> float:
    """The value of one series of the worker's own metrics."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", worker.health("/metrics")[1], re.MULTILINE)
    return 0.0 if found is None else float(found[1])


LAG = 'streamgauge_lag_messages{topic="predictions"}'
APPLIED = 'streamgauge_events_total{outcome="applied"}'


def test_a_backlog_of_a_hot_model_is_worked_off_in_the_same_memory_and_holds_up_no_other_partition(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    connection = create_topics(broker, prefix, partitions=2)
    sender = Sender(connection)
    with WorkerProcess(
        broker, prefix, tmp_path / "worker.log", module="streamgauge", arguments=["worker"],
        environment={"STREAMGAUGE_SESSION_TIMEOUT_S": "60"},  # it is put to sleep below
    ) as worker:  # fmt: skip
        worker.wait_ready()
        for number in range(2_000):  # what is loaded and made for the first events is there afterwards
            sender.predict(number, "hot", HOT)
        sender.flush()
        wait_until(lambda: metric(worker, APPLIED) == 2_000)

        worker.pause()  # so that the backlog does not depend on who is faster here
        for number in range(2_000, 2_000 + EVENTS):
            sender.predict(number, "hot", HOT)
        sender.flush()
        before = worker.peak_bytes()
        worker.cont()
        sender.predict(0, "other", OTHER, latency_ms=-1)  # refused, so that its way through can be seen
        sender.flush()
        wait_until(lambda: metric(worker, LAG) > 0, saying="the lag is told")

        def refused() -> list[Any]:
            return read_topic(broker, connection.topic(DEAD_LETTERS))

        [letter] = wait_until(refused, every=0.02, saying="the other partition's event came through")
        applied = metric(worker, APPLIED)
        assert letter.partition() == OTHER
        assert applied < 2_000 + EVENTS, "the backlog was over before the other partition had its turn"

        wait_until(lambda: metric(worker, APPLIED) == 2_000 + EVENTS, saying="all of it is applied")
        wait_until(lambda: metric(worker, LAG) == 0)
        assert metric(worker, 'streamgauge_events_total{outcome="dead_lettered"}') == 1
        grown = worker.peak_bytes() - before
        print(f"{applied:,.0f} applied when the other's event was through; {grown / 1e6:.0f} MB more")
        assert grown < MOST_BYTES
        assert worker.stop() == 0
    assert len(refused()) == 1
