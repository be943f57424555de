"""Garbage among good events on a real broker: each piece ends with its reason, or is counted."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError, Producer

from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import Reason
from streamgauge.schemas.message import DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS, Message
from streamgauge.schemas.monitor import MonitorDefinition
from tests.acceptance.garbage import pieces
from tests.acceptance.outcome import balance, ledgers, records
from tests.acceptance.run import Run
from tests.acceptance.senders import bare_producer
from tests.acceptance.traffic import MINUTE_US, SECOND_US
from tests.core.naive import Naive, differences
from tests.harness import read_topic
from tests.schemas.contract_events import encoded, prediction_batch

pytestmark = pytest.mark.kafka

_COMMON = {"window": "5s", "grace": "1s", "labels": {"ttl": "10m", "min_coverage": 0.1}}
DEFINITIONS: tuple[dict[str, Any], ...] = (
    {**_COMMON, "model": "credit", "task": "binary", "pos_label": "approved"},
    {**_COMMON, "model": "price", "task": "regression"},
)


class Conveyor:
    """Sends records in order, and knows the place of each refused one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer: Producer = bare_producer(connection, {"message.max.bytes": 2_000_000})
        self.refused: dict[tuple[str, int, int], tuple[Reason, bytes | None]] = {}

    def send(self, topic: str, value: bytes, key: str) -> None:
        self._producer.produce(self._connection.topic(topic), value, key)

    def refuse(self, topic: str, message: Message, reason: Reason) -> None:
        """A piece of garbage, with the key of a good model, so that it comes between its events."""

        def stored(error: KafkaError | None, record: Any) -> None:
            assert error is None, error
            place = (record.topic(), record.partition(), record.offset())
            self.refused[place] = (reason, message.value)

        self._producer.produce(
            self._connection.topic(topic),
            message.value,
            b"price" if b'"price"' in (message.value or b"") else b"credit",
            headers=list(message.headers),
            on_delivery=stored,
        )

    def flush(self) -> None:
        assert self._producer.flush(60) == 0


@pytest.fixture
def run(broker: str, prefix: str, tmp_path: Path) -> Iterator[Run]:
    with Run(broker, prefix, tmp_path, clock="wall") as started:
        started.start(DEFINITIONS, workers=1)
        yield started


def test_garbage_ends_in_dead_letters_or_counts_and_nothing_else_feels_it(run: Run) -> None:
    conveyor, naive = Conveyor(run.connection), Naive(map(MonitorDefinition.model_validate, DEFINITIONS))
    garbage = list(pieces())
    start_us = time.time_ns() // 1_000 - 20 * SECOND_US
    good = 0

    def predict(model: str, name: str, time_us: int, **changes: Any) -> None:
        nonlocal good
        answer: Any = "approved" if model == "credit" else 100.0 + good
        event = {"prediction_id": name, "model": model, "version": "7", "time": time_us, "prediction": answer}
        event |= {"latency_ms": 5.0 + good % 50} | changes
        conveyor.send(PREDICTIONS, json.dumps(event).encode(), model)
        naive.predict(event)
        good += 1

    def label(model: str, name: str, time_us: int, truth: Any, **changes: Any) -> None:
        nonlocal good
        event = {"prediction_id": name, "model": model, "time": time_us, "label": truth} | changes
        conveyor.send(GROUND_TRUTH, json.dumps(event).encode(), model)
        naive.label(event)
        good += 1

    for number, (topic, message, reason) in enumerate(garbage):
        for model in ("credit", "price"):
            for copy in range(3):
                name, at = f"{model}-{number}-{copy}", start_us + number * 20 * SECOND_US // len(garbage)
                truth: Any = ("approved", "rejected")[copy % 2] if model == "credit" else 90.0 + number
                predict(model, name, at, score=0.25 + 0.25 * copy if model == "credit" else None)
                label(model, name, at + SECOND_US, truth)
        conveyor.refuse(topic, message, reason)
    assert len(garbage) > 80

    # What is not refused, but counted.
    predict("credit", "credit-0-0", start_us)
    label("credit", "credit-0-0", start_us, "rejected")
    predict("price", "from last night", start_us - 600 * MINUTE_US)
    conveyor.flush()
    run.wait_applied()
    future = {"prediction_id": "a", "model": "hasty", "time": "2090-01-01T00:00:00Z", "prediction": 1.5}
    conveyor.send(PREDICTIONS, json.dumps(future).encode(), "hasty")
    lossy = prediction_batch(model="lossy", dropped=17, latency_ms=np.array([1.0, -1.0, 1.0]))
    conveyor.refuse(PREDICTIONS, Message(PREDICTIONS, 0, 0, None, encoded(lossy)), Reason.OUT_OF_RANGE)
    conveyor.flush()
    run.wait_applied()

    letters = {
        (letter["topic"], letter["partition"], letter["offset"]): letter
        for letter in records(run.connection, DEAD_LETTERS)
    }
    assert {place: letter["reason"] for place, letter in letters.items()} == {
        place: reason.value for place, (reason, _) in conveyor.refused.items()
    }
    for place, (_, value) in conveyor.refused.items():
        quoted = letters[place]["value"]
        assert (None if quoted is None else base64.b64decode(quoted)) == (value and value[:512_000])
    for record in read_topic(run.connection.bootstrap_servers, run.connection.topic(DEAD_LETTERS)):
        headers = dict(record.headers())
        letter = json.loads(record.value())
        assert headers["__connect.errors.exception.class.name"].decode() == letter["reason"]
        assert headers["__connect.errors.offset"].decode() == str(letter["offset"])

    expected = naive.metrics(rollups=False)

    def published() -> list[str]:
        found = [m for m in records(run.connection, METRICS) if m["model"] in ("credit", "price")]
        return differences(found, expected, final=False)

    deadline = time.monotonic() + 40
    while (wrong := published()) and time.monotonic() < deadline:
        time.sleep(1)  # until the clock has closed the last window
    assert wrong == []
    [worker] = run.workers
    assert worker.health("/healthz")[0] == 200
    assert worker.stop() == 0
    total = ledgers(run.connection)
    balance(total, good + 1 + len(lossy) - 1)
    assert (total["duplicate"], total["stale_revision"], total["late"]) == (1, 1, 1)
    assert (total["capped"], total["lost_by_client"]) == (1, 17)
