"""Confluent framing on a real broker with a real registry, sent with Confluent's own serializer."""

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema as Registered
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from streamgauge.clients.connection import Connection
from streamgauge.clients.events import OffsetRange
from streamgauge.clients.metrics import MetricSubscription
from streamgauge.clients.ranges import read_batches
from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.encode import decode_output
from streamgauge.schemas.message import CONTROL, DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS
from streamgauge.schemas.records import from_avro
from streamgauge.schemas.registry import schema
from tests.apicurio import Registry
from tests.core.scenario import final
from tests.harness import ROOT, Command, WorkerProcess, create_topics, read_topic, wait_until

pytestmark = pytest.mark.kafka

START_US = 1_735_725_600_000_000
COUNT = 600
END = 10_000
#: The example of the page, with a schema of its reader's own.
PAGE: dict[str, Any] = {}
exec(
    re.findall(r"(?ms)^```python\n(.*?)^```$", (ROOT / "docs/how-to/schema-registry.md").read_text())[0],
    PAGE,
)
OWN = json.loads(PAGE["SCHEMA"])
TAGS = {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []}
EVOLVED = {**OWN, "fields": [*OWN["fields"], TAGS]}
AUTO_OFF = {"STREAMGAUGE_SCHEMA_REGISTRY_AUTO_REGISTER_SCHEMAS": "false"}
Start = Callable[..., WorkerProcess]
Serialize = Callable[[str, dict[str, Any], dict[str, Any]], bytes]


def prediction(number: int, model: str) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}",
        "model": model,
        "version": "1",
        "time": datetime.fromtimestamp(START_US / 1e6 + number, UTC),
        "prediction": ["yes", "no"][number % 3 == 0],
        "score": number % 17 / 17,
        "features": {"age": float(number % 71), "job": "clerk", "balance": None},
    }


def label(number: int, model: str) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}",
        "model": model,
        "time": datetime.fromtimestamp(START_US / 1e6 + number + 20, UTC),
        "label": ["yes", "no"][number % 4 == 0],
    }


def as_json(event: dict[str, Any]) -> bytes:
    return json.dumps({**event, "time": event["time"].isoformat()}).encode()


@pytest.fixture
def confluent(registry: Registry) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry.url}) as client:
        yield client


@pytest.fixture
def serialize(confluent: SchemaRegistryClient) -> Serialize:
    """As a producer does with Confluent's serializer, which registers a schema when it first meets it."""
    made: dict[str, AvroSerializer] = {}

    def serialized(topic: str, document: dict[str, Any], event: dict[str, Any]) -> bytes:
        text = json.dumps(document)
        serializer = made.setdefault(text, AvroSerializer(confluent, text))
        value: bytes = serializer(event, SerializationContext(topic, MessageField.VALUE))
        assert value[:1] == b"\x00"
        return value

    return serialized


@pytest.fixture
def start(broker: str, prefix: str, registry: Registry, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker that knows the registry, with more settings."""
    started: list[WorkerProcess] = []

    def start_one(**more: str) -> WorkerProcess:
        log = tmp_path / f"worker{len(started)}.log"
        known = {"STREAMGAUGE_SCHEMA_REGISTRY_URL": registry.url, "STREAMGAUGE_CLOCK": "events"}
        worker = WorkerProcess(
            broker, prefix, log, module="streamgauge", arguments=["worker"], environment={**known, **more}
        )
        started.append(worker)
        return worker.start()

    yield start_one
    for worker in started:
        worker.__exit__()


def gauge(worker: WorkerProcess, name: str) -> float:
    """The value of one series, 0 while it is not there."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", worker.health("/metrics")[1], re.MULTILINE)
    return 0.0 if found is None else float(found[1])


def applied(worker: WorkerProcess) -> float:
    return gauge(worker, 'streamgauge_events_total{outcome="applied"}')


def dead_letters(broker: str, prefix: str) -> list[dict[str, Any]]:
    return [json.loads(message.value() or b"") for message in read_topic(broker, prefix + DEAD_LETTERS)]


def send(broker: str, topic: str, key: str, *values: bytes, partition: int = -1) -> None:
    producer = Producer({"bootstrap.servers": broker, "partitioner": "murmur2_random", "log_level": 2})
    for value in values:
        producer.produce(topic, value, key, partition)
        producer.poll(0)
    assert producer.flush(60) == 0


def told(records: list[dict[str, Any]], model: str) -> list[Any]:
    """What was said last of each number of a model, without what names the model."""
    mine = [record for record in records if record["model"] == model]
    return final([{**record, "model": "", "definition_id": "", "baseline_id": ""} for record in mine])


def test_what_confluents_serializer_sends_is_measured_as_its_json_is(
    broker: str,
    prefix: str,
    registry: Registry,
    confluent: SchemaRegistryClient,
    serialize: Serialize,
    start: Start,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_topics(broker, prefix, partitions=1)
    predictions, labels, control = (prefix + topic for topic in (PREDICTIONS, GROUND_TRUTH, CONTROL))
    number = confluent.register_schema(
        f"{control}-value", Registered(json.dumps(schema("control").document), "AVRO")
    )
    for model in ("plain", "framed"):
        document = {"model": model, "window": "1m", "grace": "10s", "labels": {"ttl": "1h"}}
        order = Define(actor="ann", time_us=START_US, model=model, document=document)
        if model == "plain":
            send(broker, control, model, encode_control(order)[0])
        else:
            avro = encode_control(order, "avro")[0][10:]
            send(broker, control, model, b"\x00" + number.to_bytes(4, "big") + avro)
    worker = start()
    wait_until(lambda: gauge(worker, 'streamgauge_held{kind="models"}') == 2, saying="orders are applied")
    send(broker, predictions, "plain", *(as_json(prediction(n, "plain")) for n in range(COUNT)))
    events = [prediction(n, "framed") for n in range(COUNT)]
    published = [
        serialize(predictions, schema("prediction").document, event) for event in events[: COUNT // 2]
    ]
    send(broker, predictions, "framed", *published)
    send_own, flush = PAGE["sender"](broker, confluent, predictions)
    for event in events[COUNT // 2 : 400]:
        send_own({**event, "tenant": "a"})
    assert flush(60) == 0
    evolved = [
        serialize(predictions, EVOLVED, {**event, "tenant": "a", "tags": ["x"]}) for event in events[400:]
    ]
    send(broker, predictions, "framed", *evolved)
    kept = [n for n in range(COUNT) if n % 7]
    send(broker, labels, "plain", *(as_json(label(n, "plain")) for n in kept))
    truth = schema("ground_truth").document
    send(broker, labels, "framed", *(serialize(labels, truth, label(n, "framed")) for n in kept))
    sent = 2 * (COUNT + len(kept))
    wait_until(lambda: applied(worker) == sent, saying="every event is applied")
    send(broker, predictions, "plain", as_json(prediction(END, "plain")))  # ends the wait for labels
    last = {**prediction(END, "framed"), "tenant": "a"}
    send(broker, predictions, "framed", serialize(predictions, OWN, last))
    wait_until(lambda: applied(worker) == sent + 2, saying="the last events are applied")
    assert worker.stop() == 0

    records = [json.loads(message.value() or b"") for message in read_topic(broker, prefix + METRICS)]
    assert told(records, "framed") == told(records, "plain")
    assert {record["metric"] for record in records} >= {"accuracy", "throughput_per_s"}
    assert dead_letters(broker, prefix) == []
    found = re.findall(r"schema_found .*schema_id=(\d+)", worker.logs)
    assert len(found) == len(set(found)) >= 5  # each is asked for once

    monkeypatch.setenv("STREAMGAUGE_SCHEMA_REGISTRY_URL", registry.url)
    code, out, _ = command("replay", "--from-topics", "--out", str(tmp_path / "replayed"), "--json")
    assert code == 0
    assert json.loads(out)["applied"] == sent + 2
    replayed = [
        json.loads(line) for line in (tmp_path / "replayed" / "metrics.jsonl").read_text().splitlines()
    ]
    assert told(replayed, "framed") == told(replayed, "plain") != []

    known = Connection(broker, prefix=prefix, schema_registry=SchemaRegistry(registry.url))
    everything = [OffsetRange(predictions, 0, 0, 2 * COUNT + 2)]
    assert sum(map(len, read_batches(known, everything, "framed"))) == COUNT + 1


def test_a_registry_that_is_away_holds_up_one_partition_and_costs_nothing(
    broker: str,
    prefix: str,
    registry: Registry,
    serialize: Serialize,
    start: Start,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_topics(broker, prefix, partitions=2)
    topic = prefix + PREDICTIONS
    document = {**OWN, "doc": f"of {prefix}"}  # another id than in other tests
    extra = {"tenant": "a"}
    values = [serialize(topic, document, {**prediction(n, "framed"), **extra}) for n in range(COUNT)]
    registry.stop()
    try:
        worker = start()
        send(broker, topic, "framed", *values, partition=0)
        send(broker, topic, "plain", *(as_json(prediction(n, "plain")) for n in range(COUNT)), partition=1)
        wait_until(lambda: applied(worker) == COUNT, saying="the other partition goes on")

        def waits() -> bool:
            status, why = worker.health("/readyz")
            return status == 503 and why.startswith(
                "partitions [0] wait for a schema: the schema registry at"
            )

        wait_until(waits, saying="readiness says what is waited for")
        wait_until(lambda: gauge(worker, 'streamgauge_partitions{state="held"}') == 1)
        assert worker.logs.count("schema_registry_away") == 1
        worker.kill()
        worker = start()
        wait_until(waits, saying="its successor waits for the same")
        monkeypatch.setenv("STREAMGAUGE_SCHEMA_REGISTRY_URL", registry.url)
        code, out, _ = command("doctor", "--json")
        [line] = [checked for checked in map(json.loads, out.splitlines()) if checked["check"] == "schemas"]
        assert (code, line["status"]) == (1, "fail")
        assert "cannot be reached: Connection refused: partitions wait for new schemas" in line["what"]
    finally:
        registry.start()
    worker.wait_ready()
    wait_until(lambda: applied(worker) >= COUNT, saying="what waited is applied")
    assert worker.stop() == 0
    assert dead_letters(broker, prefix) == []
    counted = {
        record["model"]: record["n"]
        for message in read_topic(broker, prefix + METRICS)
        if (record := json.loads(message.value() or b""))["metric"] == "throughput_per_s"
    }
    assert counted["framed"] == counted["plain"]
    code, out, _ = command("doctor", "--json")
    [line] = [checked for checked in map(json.loads, out.splitlines()) if checked["check"] == "schemas"]
    assert line["status"] == "ok"


def test_outputs_are_read_with_confluents_deserializer_and_by_subscriptions_without_a_registry(
    broker: str,
    prefix: str,
    registry: Registry,
    confluent: SchemaRegistryClient,
    start: Start,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = create_topics(broker, prefix, partitions=1)
    unregistered = {"STREAMGAUGE_OUTPUT_FORMAT": "confluent", **AUTO_OFF}
    refused = start(**unregistered)
    assert refused.wait() == 2
    assert f"{prefix}metrics-value has not our schema" in refused.logs
    worker = start(STREAMGAUGE_OUTPUT_FORMAT="confluent")
    events = [as_json(prediction(n, "m")) for n in range(COUNT)]
    send(broker, prefix + PREDICTIONS, "m", *events, b"no json", as_json(prediction(END, "m")))
    wait_until(lambda: applied(worker) == COUNT + 1, saying="every event is applied")
    assert worker.stop() == 0

    read, count = AvroDeserializer(confluent), 0
    for topic, name in ((METRICS, "metric"), (DEAD_LETTERS, "dead_letter")):
        for message in read_topic(broker, prefix + topic):
            value, headers = message.value(), tuple(message.headers() or ())
            theirs = read(value, SerializationContext(prefix + topic, MessageField.VALUE))
            ours = decode_output(value, headers)
            assert from_avro(name, {**theirs, **times(theirs)}) == ours
            count += 1
    assert count > 10
    assert confluent.get_latest_version(f"{prefix}metrics-value").version == 1
    with MetricSubscription(connection, start="earliest", stop_at_end=True) as metrics:
        assert {metric.metric for metric in metrics} >= {"throughput_per_s"}

    # what others write to these topics is in the same encoding, and a worker finds what it registered
    for name, given in {**unregistered, "STREAMGAUGE_SCHEMA_REGISTRY_URL": registry.url}.items():
        monkeypatch.setenv(name, given)
    code, said, wrong = command("dead-letters", "retry", "--all", "--yes")
    assert code == 0, said + wrong
    assert all((m.value() or b"")[:1] == b"\x00" for m in read_topic(broker, prefix + DEAD_LETTERS))
    assert command("dead-letters", "list", "--json")[0] == 0
    again = start(**unregistered)
    again.wait_ready()
    wait_until(lambda: len(read_topic(broker, prefix + DEAD_LETTERS)) == 3, saying="it is refused again")
    assert again.stop() == 0


def times(record: dict[str, Any]) -> dict[str, Any]:
    """Confluent's deserializer makes datetimes of times, ours keeps microseconds."""

    def back(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: back(inner) for key, inner in value.items()}
        return round(value.timestamp() * 1e6) if isinstance(value, datetime) else value

    converted: dict[str, Any] = back(record)
    return converted


def test_ids_that_the_registry_does_not_know_are_dead_letters_and_a_flood_of_them_is_not_passed_on(
    broker: str,
    prefix: str,
    serialize: Serialize,
    start: Start,
) -> None:
    create_topics(broker, prefix, partitions=1)
    topic = prefix + PREDICTIONS
    good = [serialize(topic, OWN, {**prediction(n, "m"), "tenant": "a"}) for n in range(100)]
    made_up = random.Random(3).sample(range(10**6, 2**32), 3_000)
    bad = [b"\x00" + number.to_bytes(4, "big") + b"x" for number in made_up]
    worker = start()
    send(broker, topic, "m", *good[:1], *bad[:1])
    wait_until(lambda: len(dead_letters(broker, prefix)) == 1, saying="the first one is refused")
    [first] = dead_letters(broker, prefix)
    assert first["reason"] == "unknown_schema"
    assert f"schema id {made_up[0]} is not known to the schema registry" in first["detail"]
    send(broker, topic, "m", *good[1:50], *bad[1:], *good[50:])
    wait_until(lambda: applied(worker) == len(good), saying="the good ones are applied")
    wait_until(lambda: len(dead_letters(broker, prefix)) == len(bad), saying="the others are refused")
    letters = dead_letters(broker, prefix)
    assert {letter["reason"] for letter in letters} == {"unknown_schema"}
    assert len({letter["offset"] for letter in letters}) == len(bad)
    assert gauge(worker, 'streamgauge_schema_lookups_total{outcome="unknown"}') < 400
    assert worker.stop() == 0
