"""What the engine must not count, must not start on, and must survive."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import ALERTS, GROUND_TRUTH, METRICS, PREDICTIONS, STATE
from streamgauge.streams import topics
from tests.harness import WorkerProcess, create_topics, read_topic, wait_until
from tests.kafka_broker import SASL_PASSWORD, SASL_USER, JarBroker

pytestmark = pytest.mark.kafka


def send(broker: str, topic: str, *values: str, key: str = "model-0", **settings: object) -> None:
    producer = Producer({"bootstrap.servers": broker, "partitioner": "murmur2_random", **settings})
    for value in values:
        producer.produce(topic, key=key, value=value)
    assert producer.flush(60) == 0


def origins(broker: str, prefix: str) -> list[dict[str, object]]:
    return [json.loads(m.value()) for m in read_topic(broker, prefix + METRICS)]


def test_events_of_a_transaction_that_their_producer_aborted_do_not_count(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    create_topics(broker, prefix)
    topic = prefix + PREDICTIONS
    producer = Producer(
        {"bootstrap.servers": broker, "transactional.id": prefix + "user", "partitioner": "murmur2_random"}
    )
    producer.init_transactions(60)
    with WorkerProcess(broker, prefix, tmp_path / "worker.log"):
        producer.begin_transaction()
        producer.produce(topic, key="model-0", value="1000")
        producer.flush(60)
        producer.abort_transaction(60)
        producer.begin_transaction()
        producer.produce(topic, key="model-0", value="1")
        producer.commit_transaction(60)
        wait_until(lambda: origins(broker, prefix), every=0.5)
        # The aborted event lies before the committed one, which the worker has applied.
        (state,) = [m for m in read_topic(broker, prefix + STATE) if m.key() == b"model-0"]
        assert json.loads(state.value())["totals"] == [1, 1]


def test_idle_partitions_get_ticks_although_their_logs_end_in_transaction_markers(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    connection = create_topics(broker, prefix, partitions=1)
    producer = Producer({"bootstrap.servers": broker, "transactional.id": prefix + "user"})
    producer.init_transactions(60)
    for topic in (PREDICTIONS, GROUND_TRUTH):
        producer.begin_transaction()
        producer.produce(connection.topic(topic), key="model-0", value="1")
        producer.commit_transaction(60)
    with WorkerProcess(broker, prefix, tmp_path / "worker.log") as worker:
        wait_until(lambda: 'outcome="ticks"' in worker.health("/metrics")[1])


def test_a_worker_refuses_topics_of_different_partition_counts_and_says_what_to_do(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(prefix + ALERTS, 2)])[prefix + ALERTS].result()
    connection = Connection(broker, prefix=prefix)
    wait_until(lambda: any(topic.partitions for topic in topics.describe_topics(connection)))
    with pytest.raises(ConfigurationError, match="--partitions 2"):
        topics.create_topics(connection, partitions=4, replication=1)
    topics.create_topics(connection, partitions=2, replication=1)
    admin.delete_topics([prefix + ALERTS])[prefix + ALERTS].result()
    wait_until(lambda: not all(topic.partitions for topic in topics.describe_topics(connection)))
    admin.create_topics([NewTopic(prefix + ALERTS, 3)])[prefix + ALERTS].result()
    wait_until(lambda: all(topic.partitions for topic in topics.describe_topics(connection)))
    with WorkerProcess(broker, prefix, tmp_path / "worker.log") as worker:
        assert worker.wait() == 2
        assert "different partition counts" in worker.logs
        assert "streamgauge topics create --partitions 2" in worker.logs


def test_a_topic_deleted_while_topics_are_described_is_missing(
    broker: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = create_topics(broker, prefix)
    admin = AdminClient({"bootstrap.servers": broker})
    before = admin.list_topics(timeout=60)
    admin.delete_topics([prefix + ALERTS])[prefix + ALERTS].result()
    wait_until(lambda: not all(topic.partitions for topic in topics.describe_topics(connection)))
    monkeypatch.setattr(topics.Reach, "metadata", lambda *_: before)
    assert [t.name for t in topics.describe_topics(connection) if not t.partitions] == [prefix + ALERTS]


def test_a_worker_refuses_state_that_is_ahead_of_its_inputs(broker: str, prefix: str, tmp_path: Path) -> None:
    create_topics(broker, prefix, partitions=1)
    topic = prefix + PREDICTIONS
    with WorkerProcess(broker, prefix, tmp_path / "before.log") as worker:
        send(broker, topic, *["1"] * 50)
        wait_until(lambda: len(origins(broker, prefix)) == 50, every=0.5)
        assert worker.stop() == 0
    admin = AdminClient({"bootstrap.servers": broker})
    admin.delete_topics([topic])[topic].result()
    connection = Connection(broker, prefix=prefix)
    wait_until(lambda: not all(t.partitions for t in topics.describe_topics(connection)))
    create_topics(broker, prefix, partitions=1)
    send(broker, topic, *["1"] * 10)
    with WorkerProcess(broker, prefix, tmp_path / "after.log") as worker:
        assert worker.wait() == 2
        assert "deleted and created again" in worker.logs


def test_an_error_in_the_core_ends_the_process_and_the_event_is_not_skipped(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    create_topics(broker, prefix, partitions=1)
    send(broker, prefix + PREDICTIONS, "1", "die", "1")
    for attempt in range(2):
        with WorkerProcess(broker, prefix, tmp_path / f"worker-{attempt}.log") as worker:
            assert worker.wait() == 1
            assert "told to die" in worker.logs


def test_a_snapshot_larger_than_a_message_survives_a_restart(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    create_topics(broker, prefix, partitions=1)
    topic = prefix + PREDICTIONS
    with WorkerProcess(broker, prefix, tmp_path / "before.log") as worker:
        send(broker, topic, "1", "2", key="large")
        wait_until(lambda: len(origins(broker, prefix)) == 2, every=0.5)
        worker.kill()
    with WorkerProcess(broker, prefix, tmp_path / "after.log"):
        send(broker, topic, "3", key="large")
        wait_until(lambda: len(origins(broker, prefix)) == 3, every=0.5)
    records = [m for m in read_topic(broker, prefix + STATE) if m.key().endswith(b"large")]
    assert max(len(m.value()) for m in records) <= 500_000
    newest = [m for m in records if m.key() == b"large"][-1]
    assert newest.value().startswith(b'{"totals": [3, 6]')


def test_a_worker_reaches_a_broker_that_asks_for_scram_credentials(
    restartable_broker: JarBroker, prefix: str, tmp_path: Path
) -> None:
    create_topics(restartable_broker.bootstrap_servers, prefix, partitions=1)
    send(restartable_broker.bootstrap_servers, prefix + PREDICTIONS, "1")
    credentials = {"STREAMGAUGE_SASL_USERNAME": SASL_USER, "STREAMGAUGE_SASL_PASSWORD": SASL_PASSWORD}
    with WorkerProcess(
        restartable_broker.sasl_servers, prefix, tmp_path / "worker.log", environment=credentials
    ):
        wait_until(lambda: origins(restartable_broker.bootstrap_servers, prefix), every=0.5)


def test_an_input_as_large_as_the_broker_takes_is_read(broker: str, prefix: str, tmp_path: Path) -> None:
    create_topics(broker, prefix, partitions=1)
    digits = "1" + "0" * 3_000
    send(broker, prefix + PREDICTIONS, " " * 2_000_000 + "1", digits, **{"message.max.bytes": 2_090_000})
    with WorkerProcess(broker, prefix, tmp_path / "worker.log"):
        wait_until(lambda: len(origins(broker, prefix)) == 2, every=0.5)
