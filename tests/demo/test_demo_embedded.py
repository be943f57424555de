"""The demo's own ends of the topics, against the embedded broker: traffic and definitions in, outputs out."""

import json
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.demo import traffic
from streamgauge.demo.definitions import send_definitions
from streamgauge.demo.outputs import OutputReader
from streamgauge.demo.world import World
from streamgauge.schemas.batch import PredictionBatch
from streamgauge.schemas.control import decode_control
from streamgauge.schemas.decode import decode_messages
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.message import METRICS, Message, Output
from streamgauge.streams.embedded import EmbeddedBroker

START_US = 1_763_712_000_000_000


@pytest.fixture
def connection() -> Iterator[Connection]:
    with EmbeddedBroker() as broker:
        yield Connection(broker.bootstrap_servers)


def _everything(connection: Connection, topic: str) -> list[Message]:
    consumer = Consumer(connection.librdkafka() | {"group.id": "test", "enable.partition.eof": True})
    name = connection.topic(topic)
    numbers = consumer.list_topics(name, timeout=60).topics[name].partitions
    consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in numbers])
    open_partitions, messages = set(numbers), []
    while open_partitions:
        message = consumer.poll(10.0)
        assert message is not None
        if message.error():
            open_partitions.discard(message.partition())
        else:
            messages.append(
                Message(
                    topic, message.offset(), message.timestamp()[1] * 1000, message.key(), message.value()
                )
            )
    consumer.close()
    return messages


@pytest.mark.slow
def test_every_prediction_and_label_of_the_world_reaches_the_broker(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "STREAMGAUGE_BOOTSTRAP_SERVERS", connection.bootstrap_servers)
    arguments = ["--seed=4", f"--start-us={START_US}", "--seconds=1"]
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as demo:
        demo.write("begin\n")
        demo.flush()
        monkeypatch.setattr("sys.stdin", stdin)
        assert traffic.main(arguments) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected: Counter[str] = Counter()
    for block in World(4, traffic.timeline_for(START_US, 1.0)).blocks():
        for requests in block.requests:
            expected[f"predictions {requests.service.name}"] += len(requests)
        for labels in block.labels:
            expected[f"ground-truth {labels.model}"] += len(labels)
    found: Counter[str] = Counter()
    for topic in ("predictions", "ground-truth"):
        result = decode_messages(topic, _everything(connection, topic))
        assert result.refused == []
        for batch, _ in result.batches:
            found[f"{topic} {batch.model}"] += len(batch)
            assert not (isinstance(batch, PredictionBatch) and batch.dropped)
    assert found == expected
    assert told[-1]["sent"] == sum(n for key, n in expected.items() if key.startswith("predictions"))


@pytest.mark.slow
def test_traffic_whose_demo_is_gone_does_not_begin(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "STREAMGAUGE_BOOTSTRAP_SERVERS", connection.bootstrap_servers)
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert traffic.main(["--seed=4", f"--start-us={START_US}", "--seconds=1"]) == 1
    assert capsys.readouterr().out == ""


def test_definitions_go_to_their_models_and_the_fleet_document_everywhere(connection: Connection) -> None:
    send_definitions(connection, START_US)
    events = [decode_control(message) for message in _everything(connection, "control")]
    assert Counter(event.model for event in events) == {None: 4, "phishing": 1, "approval": 1, "credit": 1}


def test_the_reader_gives_records_as_they_were_put_out(connection: Connection) -> None:
    record = {"model": "credit", "version": "7", "metric": "accuracy", "value": 0.5}
    value, headers = encode_output(Output(METRICS, b"credit", record), "json")
    producer = Producer(connection.librdkafka())
    producer.produce(connection.topic(METRICS), value, b"credit", headers=list(headers))
    assert producer.flush(60) == 0
    with OutputReader(connection) as reader:
        [(topic, read)] = reader.poll(10.0)
    assert topic == METRICS
    assert {name: read[name] for name in record} == record
