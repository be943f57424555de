"""`streamgauge replay --from-topics` on a real broker: what Kafka still holds, through the worker's core."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streamgauge.cli.main import main
from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.message import CONTROL, DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS, Message
from tests.core.scenario import SECOND_US, final, length_us
from tests.harness import create_topics, read_topic, wait_until

pytestmark = pytest.mark.kafka

#: Long ago: a broker that stamps records when it stores them finds nothing too early.
START_US = 1_735_725_600_000_000
MODELS = ("credit", "animals", "prices", "churn", "spam")
MONITORS = "models: 5\n" + "".join(
    f"---\nmodel: {model}\ntask: binary\npos_label: 'yes'\nwindow: 1m\ngrace: 10s\nlateness: 2m\n"
    "labels: {ttl: 5m, min_coverage: 0.3}\n"
    for model in MODELS
)


def prediction(number: int) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}",
        "model": MODELS[number % len(MODELS)],
        "version": "1",
        "time": START_US + number * 400_000,
        "prediction": ["yes", "no"][number % 3 == 0],
        "score": number % 17 / 17,
        "features": {"age": float(number % 71), "job": "clerk"},
    }


def label(number: int) -> dict[str, Any]:
    event = prediction(number)
    return {
        "prediction_id": event["prediction_id"],
        "model": event["model"],
        "time": event["time"] + 20_000_000,
        "label": ["yes", "no"][number % 4 == 0],
    }


def packed(topic: str, events: Sequence[dict[str, Any]]) -> list[tuple[str, bytes]]:
    """Columnar messages, one a model."""
    rows = [Message(topic, n, 0, None, json.dumps(event).encode()) for n, event in enumerate(events)]
    encode: Any = encode_prediction_batch if topic == PREDICTIONS else encode_ground_truth_batch
    return [(batch.model, encode(batch)) for batch, _ in decode_messages(topic, rows).batches]


def singles(events: Sequence[dict[str, Any]]) -> list[tuple[str, bytes]]:
    return [(event["model"], json.dumps(event).encode()) for event in events]


class Sender:
    """Transactions, as some users send."""

    def __init__(self, broker: str, prefix: str) -> None:
        self._prefix = prefix
        self._producer = Producer(
            {
                "bootstrap.servers": broker,
                "transactional.id": f"{prefix}sender",
                "partitioner": "murmur2_random",
                "log_level": 2,
            }
        )
        self._producer.init_transactions(60)

    def begin(self, topic: str, values: Sequence[tuple[str, bytes]]) -> None:
        """A transaction that goes on."""
        self._producer.begin_transaction()
        for key, value in values:
            self._producer.produce(self._prefix + topic, value, key)
        self._producer.flush(60)

    def abort(self) -> None:
        self._producer.abort_transaction(60)

    def send(self, topic: str, values: Sequence[tuple[str, bytes]], commit: bool = True) -> None:
        self.begin(topic, values)
        if commit:
            self._producer.commit_transaction(60)
        else:
            self.abort()


def replay(broker: str, prefix: str, *arguments: str) -> int:
    connection = ["--bootstrap-servers", broker, "--topic-prefix", prefix]
    return main(["replay", "--from-topics", *arguments, *connection])


def records(out: Path, topic: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / f"{topic}.jsonl").read_text().splitlines()]


@pytest.fixture
def monitors(tmp_path: Path) -> Path:
    (tmp_path / "monitors.yaml").write_text(MONITORS)
    return tmp_path / "monitors.yaml"


def test_topics_give_the_metrics_that_files_of_their_events_give(
    broker: str, prefix: str, monitors: Path, tmp_path: Path
) -> None:
    create_topics(broker, prefix)
    predictions, labels = [prediction(n) for n in range(1_500)], [label(n) for n in range(1_500) if n % 7]
    sender = Sender(broker, prefix)
    sender.send(PREDICTIONS, singles(predictions[:500]))
    sender.send(PREDICTIONS, singles(predictions[:900]), commit=False)  # never happened
    for start in range(500, 1_500, 250):
        sender.send(PREDICTIONS, packed(PREDICTIONS, predictions[start : start + 250]))
    sender.send(GROUND_TRUTH, singles(labels[:700]))
    sender.send(GROUND_TRUTH, packed(GROUND_TRUTH, labels[700:]))
    files = []
    for name, events in (("predictions", predictions), ("ground-truth", labels)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        files.append(f"--{name}={tmp_path / name}.jsonl")
    assert main(["replay", *files, f"--monitors={monitors}", f"--out={tmp_path / 'files'}"]) == 0
    for out in ("topics", "again"):
        assert replay(broker, prefix, f"--monitors={monitors}", f"--out={tmp_path / out}") == 0
    topics, files = (records(tmp_path / out, METRICS) for out in ("topics", "files"))
    assert final(topics) == final(files)
    assert records(tmp_path / "topics", DEAD_LETTERS) == []
    for topic in (METRICS, DEAD_LETTERS):
        first, second = ((tmp_path / out / f"{topic}.jsonl").read_bytes() for out in ("topics", "again"))
        assert first == second


@pytest.fixture
def ordered(broker: str, prefix: str) -> None:
    """A history of a prediction, before which an operator ordered windows of two minutes."""
    create_topics(broker, prefix)
    sender = Sender(broker, prefix)
    now_us = time.time_ns() // 1_000
    order = Define(actor="ann", time_us=now_us, model="credit", document={"model": "credit", "window": "2m"})
    sender.send(CONTROL, [("credit", encode_control(order)[0])])
    sender.send(PREDICTIONS, singles([{**prediction(0), "time": time.time_ns() // 1_000}]))


@pytest.mark.usefixtures("ordered")
def test_what_operators_sent_is_part_of_the_history(
    broker: str, prefix: str, monitors: Path, tmp_path: Path
) -> None:
    for out, given in (("history", []), ("file", [f"--monitors={monitors}"])):
        assert replay(broker, prefix, *given, f"--out={tmp_path / out}") == 0
    assert window_s(records(tmp_path / "history", METRICS)) == 120
    assert window_s(records(tmp_path / "file", METRICS)) == 60


@pytest.mark.usefixtures("ordered")
def test_what_was_is_compared_with_another_file(
    broker: str, prefix: str, monitors: Path, tmp_path: Path
) -> None:
    assert replay(broker, prefix, f"--what-if={monitors}", f"--out={tmp_path / 'out'}") == 0
    assert window_s(records(tmp_path / "out", METRICS)) == 120
    assert window_s(records(tmp_path / "out" / "what-if", METRICS)) == 60


def window_s(metrics: list[dict[str, Any]]) -> int:
    """How long windows are: the shortest of the spans, of which the others are hours and days."""
    return min(map(length_us, metrics)) // SECOND_US


def test_since_and_until_bound_when_the_broker_stored_a_record(
    broker: str, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_topics(broker, prefix)
    sender = Sender(broker, prefix)
    sender.send(PREDICTIONS, singles([prediction(n) for n in range(30)]))
    stored_ms = newest_ms(broker, prefix + PREDICTIONS)
    later = "the next ones get a later stamp"
    wait_until(lambda: time.time_ns() // 1_000_000 > stored_ms + 1, every=0.001, saying=later)
    sender.send(PREDICTIONS, singles([prediction(n) for n in range(30, 40)]))
    between = str(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((stored_ms + 1) // 1_000)))
    between += f".{(stored_ms + 1) % 1_000:03d}Z"
    applied = []
    for bound in ([], [f"--since={between}"], [f"--until={between}"]):
        assert replay(broker, prefix, *bound, f"--out={tmp_path / 'out'}", "--json") == 0
        applied.append(json.loads(capsys.readouterr().out)["applied"])
    assert applied == [40, 10, 30]


def newest_ms(broker: str, topic: str) -> int:
    return max(int(message.timestamp()[1]) for message in read_topic(broker, topic))


def test_times_from_the_future_are_taken_back_to_the_record_s(
    broker: str, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_topics(broker, prefix)
    sender = Sender(broker, prefix)
    now_us = time.time_ns() // 1_000
    events = [{**prediction(5 * n), "time": now_us - 60_000_000 + n} for n in range(20)]
    events[3]["time"] = now_us + 10**15
    sender.send(PREDICTIONS, singles(events))
    assert replay(broker, prefix, f"--out={tmp_path / 'out'}", "--json") == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["applied"], counts["capped"], counts["late"]) == (20, 1, 0)


def test_a_transaction_that_goes_on_is_not_waited_for(
    broker: str, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_topics(broker, prefix, partitions=1)
    sender = Sender(broker, prefix)
    sender.send(PREDICTIONS, singles([prediction(n) for n in range(10)]))
    sender.begin(PREDICTIONS, singles([prediction(n) for n in range(10, 20)]))
    assert replay(broker, prefix, f"--out={tmp_path / 'out'}", "--json") == 0
    sender.abort()
    assert json.loads(capsys.readouterr().out)["applied"] == 10


def test_a_dead_letter_names_the_offset(broker: str, prefix: str, tmp_path: Path) -> None:
    create_topics(broker, prefix, partitions=1)
    sender = Sender(broker, prefix)
    sender.send(PREDICTIONS, [*singles([prediction(0)]), ("credit", b"no json"), *singles([prediction(5)])])
    assert replay(broker, prefix, f"--out={tmp_path / 'out'}") == 0
    [letter] = records(tmp_path / "out", DEAD_LETTERS)
    named = (letter["topic"], letter["partition"], letter["offset"], letter["reason"])
    assert named == (prefix + PREDICTIONS, 0, 1, "undecodable")


def test_a_missing_topic_is_told(broker: str, prefix: str, tmp_path: Path, capsys: Any) -> None:
    assert replay(broker, prefix, f"--out={tmp_path / 'out'}") == 1
    assert "streamgauge topics show" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
