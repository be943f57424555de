"""Subscribers on a real broker: only what is committed, until it is done; errors that say what to do."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streamgauge.clients import reach
from streamgauge.clients.alerts import AlertSubscription
from streamgauge.clients.connection import Connection
from streamgauge.clients.control import Control
from streamgauge.clients.metrics import MetricSubscription
from streamgauge.clients.retrain import DataExpiredError, RetrainRequests, RetrainStatuses
from streamgauge.schemas.control import Define, Silence, decode_control, decode_retrain_status
from streamgauge.schemas.encode import Format, encode_output
from streamgauge.schemas.errors import ConfigurationError, StreamgaugeError
from streamgauge.schemas.message import (
    ALERTS,
    CONTROL,
    METRICS,
    PREDICTIONS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
    Message,
    Output,
)
from tests.harness import PATIENCE_S

pytestmark = pytest.mark.kafka
PARTITIONS = 3
Publish = Callable[..., None]


@pytest.fixture
def connection(broker: str, prefix: str) -> Connection:
    made = Connection(broker, prefix=prefix)
    names = (ALERTS, METRICS, RETRAIN_REQUESTS, RETRAIN_STATUS, CONTROL, PREDICTIONS)
    admin = AdminClient(made.librdkafka())
    for future in admin.create_topics([NewTopic(made.topic(n), PARTITIONS, 1) for n in names]).values():
        future.result()
    return made


@pytest.fixture
def publish(connection: Connection) -> Iterator[Publish]:
    """Stores records of an output topic, each in the given partition."""
    producer = Producer(connection.librdkafka() | {"linger.ms": 0})

    def store(topic: str, *records: Any, partition: int = 0, format: Format = "json") -> None:
        for record in records:
            if isinstance(record, bytes):
                value, headers = record, ()
            else:
                value, headers = encode_output(Output(topic, b"credit", record), format)
            producer.produce(connection.topic(topic), value, b"credit", partition, headers=list(headers))
        assert producer.flush(60) == 0

    yield store
    producer.flush(1)


def alert(episode: int, sequence: int = 1, **other: Any) -> dict[str, Any]:
    return {
        "alert_id": f"9f2c-{episode}", "fingerprint": "9f2c", "episode": episode, "sequence": sequence,
        "state": "opened", "severity": "critical", "model": "credit", "version": "7",
        "monitor": "concept_drift", "metric": "zero_one_loss", "segment": {"country": "NO"},
        "value": 0.21, "low": 0.18, "high": 0.24,
        "baseline": 0.1, "n": 3200, "onset": "2026-11-21T09:40:00.000000Z",
        "opened_at": "2026-11-21T10:00:00.000000Z", "time": "2026-11-21T10:00:00.000000Z",
        "contributors": [], "summary": f"credit 7: loss 0.21, was 0.10 ({episode})",
        "offsets": [{"topic": "predictions", "partition": 1, "start": 3, "end": 9}],
        **other,
    }  # fmt: skip


def request(number: int, attempt: int = 1, **other: Any) -> dict[str, Any]:
    expires = datetime.now(UTC) + timedelta(hours=1)
    return {
        "request_id": f"credit:7:{number}", "model": "credit", "version": "7", "attempt": attempt,
        "reasons": [{"monitor": "concept_drift", "metric": "zero_one_loss", "value": 0.21, "baseline": 0.1,
                     "n": 3200, "fingerprint": "9f2c"}],
        "data": {"start": "2026-11-21T09:00:00.000000Z", "end": "2026-11-21T10:00:00.000000Z", "offsets": []},
        "features": ["age"], "segments": [], "labels": 3072, "priority": "high", "dry_run": False,
        "time": "2026-11-21T10:00:00.000000Z", "expires_at": expires.isoformat(timespec="microseconds"),
        **other,
    }  # fmt: skip


def metric(value: float | None, **other: Any) -> dict[str, Any]:
    return {
        "model": "credit", "version": "7", "segment": {}, "metric": "accuracy", "value": value, "n": 480,
        "window": {"start": "2026-11-21T10:00:00.000000Z", "end": "2026-11-21T10:05:00.000000Z"},
        "status": "final", "revision": 0, **other,
    }  # fmt: skip


def all_alerts(connection: Connection, **settings: Any) -> AlertSubscription:
    return AlertSubscription(connection, start="earliest", **settings)


@pytest.mark.parametrize("format", ["json", "avro"])
def test_an_alert_arrives_as_it_was_written(connection: Connection, publish: Publish, format: Format) -> None:
    publish(ALERTS, alert(1), format=format)
    with all_alerts(connection, stop_at_end=True) as alerts:
        (found,) = alerts
    assert (found.model, found.state, found.value, found.segment) == (
        "credit",
        "opened",
        0.21,
        {"country": "NO"},
    )
    assert found.onset == datetime(2026, 11, 21, 9, 40, tzinfo=UTC)
    assert found.limit is None
    assert found.offsets is not None
    assert found.offsets[0].end == 9
    assert found.is_open


def test_what_an_aborted_transaction_wrote_is_never_seen(connection: Connection, publish: Publish) -> None:
    writer = Producer(connection.librdkafka() | {"transactional.id": connection.topic("writer")})
    writer.init_transactions(60)
    for episode, end in ((1, writer.abort_transaction), (2, writer.commit_transaction)):
        writer.begin_transaction()
        writer.produce(connection.topic(ALERTS), json.dumps(alert(episode)).encode(), partition=0)
        writer.flush(60)
        end(20)
    with all_alerts(connection, stop_at_end=True) as alerts:
        assert [found.episode for found in alerts] == [2]


def test_what_is_not_done_comes_again_after_a_restart(connection: Connection, publish: Publish) -> None:
    publish(ALERTS, *(alert(i) for i in range(1, 6)))
    with all_alerts(connection, group_id="pager", stop_at_end=True) as alerts:
        seen = list(alerts)
        assert [found.episode for found in seen] == [1, 2, 3, 4, 5]
        for found in (seen[0], seen[1], seen[3]):
            alerts.done(found)
    with all_alerts(connection, group_id="pager", stop_at_end=True) as alerts:
        seen = list(alerts)
        assert [found.episode for found in seen] == [3, 4, 5]
        for found in seen:
            alerts.done(found)
    with all_alerts(connection, group_id="pager", stop_at_end=True) as alerts:
        assert list(alerts) == []


def test_an_event_done_in_this_process_is_not_handed_out_again(
    connection: Connection, publish: Publish
) -> None:
    publish(ALERTS, alert(1))
    with all_alerts(connection, group_id="pager", timeout_s=PATIENCE_S) as alerts:
        alerts.done(next(alerts))
        publish(ALERTS, alert(1), alert(1, sequence=2))
        assert next(alerts).sequence == 2
        publish(ALERTS, alert(1, sequence=2))
        assert next(alerts).sequence == 2  # it was not done


def test_members_of_a_group_share_and_take_over(connection: Connection, publish: Publish) -> None:
    for partition in range(PARTITIONS):
        publish(ALERTS, alert(partition + 1), partition=partition)
    seen = []
    with all_alerts(connection, group_id="pager", timeout_s=PATIENCE_S) as first:
        for _ in range(PARTITIONS):
            found = next(first)
            seen.append(found.episode)
            if found.episode != 2:
                first.done(found)
    assert sorted(seen) == [1, 2, 3]
    with all_alerts(connection, group_id="pager", stop_at_end=True) as second:
        assert [found.episode for found in second] == [2]


def test_a_member_that_joins_gets_what_the_others_have_not_done(
    connection: Connection, publish: Publish
) -> None:
    def publish_in_all(episodes: range) -> None:
        for episode in episodes:
            publish(ALERTS, alert(episode), partition=episode % PARTITIONS)

    publish_in_all(range(6))
    with all_alerts(connection, group_id="pager", timeout_s=PATIENCE_S) as first:
        seen = [next(first) for _ in range(6)]
        for found in seen[:3]:
            first.done(found)
        with all_alerts(connection, group_id="pager") as second:
            again = []
            deadline = time.monotonic() + 60
            while len(again) < 3 or not (first._assigned and second._assigned):
                assert time.monotonic() < deadline
                for member in (first, second):
                    found_again = member.poll(0.1)
                    if found_again is not None:
                        again.append(found_again.episode)
                        member.done(found_again)
            publish_in_all(range(6, 12))
            after = []
            while len(after) < 6:
                assert time.monotonic() < deadline
                after += [a.episode for a in (first.poll(0.1), second.poll(0.1)) if a is not None]
    assert sorted(again) == sorted(found.episode for found in seen[3:])
    assert sorted(after) == list(range(6, 12))


def test_a_broker_that_restarts_does_not_end_a_subscription(restartable_broker: Any, prefix: str) -> None:
    connection = Connection(restartable_broker.bootstrap_servers, prefix=prefix)
    admin = AdminClient(connection.librdkafka())
    topic = connection.topic(ALERTS)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    producer = Producer(connection.librdkafka())
    with all_alerts(connection, group_id="pager", timeout_s=PATIENCE_S) as alerts:
        for episode in (1, 2):
            producer.produce(topic, json.dumps(alert(episode)).encode())
            assert producer.flush(60) == 0
            found = next(alerts)
            assert found.episode == episode
            alerts.done(found)
            if episode == 1:
                restartable_broker.kill()
                restartable_broker.start()


def test_latest_begins_with_what_comes_after_the_subscription_was_made(
    connection: Connection, publish: Publish
) -> None:
    publish(ALERTS, alert(1))
    with AlertSubscription(connection, timeout_s=PATIENCE_S) as alerts:
        publish(ALERTS, alert(2))
        assert next(alerts).episode == 2


def test_iteration_ends_when_nothing_comes_in_time(connection: Connection) -> None:
    with AlertSubscription(connection, timeout_s=0.1) as alerts:
        assert list(alerts) == []


def test_only_the_models_alerts_are_handed_out(connection: Connection, publish: Publish) -> None:
    publish(ALERTS, alert(1, model="price"), alert(2))
    with all_alerts(connection, model="credit", stop_at_end=True) as alerts:
        assert [found.episode for found in alerts] == [2]


def test_records_that_cannot_be_read_are_passed_over_and_told(
    connection: Connection, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    incomplete = {k: v for k, v in alert(1).items() if k != "state"}
    garbled = alert(1, opened_at="yesterday", offsets=[3])
    publish(ALERTS, b"\xff\x00", b"[]", *(json.dumps(r).encode() for r in (incomplete, garbled)), alert(2))
    with all_alerts(connection, group_id="pager", stop_at_end=True) as alerts:
        assert [found.episode for found in alerts] == [2]
    assert len([r for r in caplog.records if "passed over" in r.getMessage()]) == 4


def test_a_missing_topic_says_how_to_make_it(broker: str) -> None:
    with pytest.raises(ConfigurationError, match="topics create"):
        AlertSubscription(Connection(broker, prefix="nobody-made-this."))


def test_a_broker_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "REACH_S", 0.3)
    with pytest.raises(StreamgaugeError, match="cannot reach Kafka at"):
        AlertSubscription(Connection("127.0.0.1:1"))


def test_metrics_tell_apart_restatements(connection: Connection, publish: Publish) -> None:
    publish(METRICS, metric(0.9), metric(None, revision=1), metric(0.8, feature="age"))
    with MetricSubscription(connection, start="earliest", stop_at_end=True) as metrics:
        found = list(metrics)
    assert [each.value for each in found] == [0.9, None, 0.8]
    assert len({each.event_id for each in found}) == 3
    assert found[0].window.end - found[0].window.start == timedelta(minutes=5)


def test_a_training_jobs_answers_reach_the_status_topic(connection: Connection, publish: Publish) -> None:
    publish(RETRAIN_REQUESTS, request(1), request(2), request(3))
    with RetrainRequests(connection, "trainer", start="earliest", timeout_s=PATIENCE_S) as requests:
        first, second, third = next(requests), next(requests), next(requests)
        requests.accept(first)
        requests.started(first)
        requests.succeeded(first, new_version="8")
        requests.failed(second, "out of memory")
        requests.declined(third, "x" * 5_000)
    states = [decode_retrain_status(message(r)) for r in stored(connection, RETRAIN_STATUS)]
    assert [(s.request_id, s.state, s.new_version) for s in states] == [
        ("credit:7:1", "accepted", None),
        ("credit:7:1", "started", None),
        ("credit:7:1", "succeeded", "8"),
        ("credit:7:2", "failed", None),
        ("credit:7:3", "declined", None),
    ]
    assert {s.attempt for s in states} == {1}
    with RetrainRequests(connection, "trainer", start="earliest", stop_at_end=True) as requests:
        assert list(requests) == []
    with RetrainStatuses(connection, start="earliest", stop_at_end=True) as answers:
        assert [answer.state for answer in answers] == [s.state for s in states]


def test_dry_runs_and_expired_requests_are_passed_over(connection: Connection, publish: Publish) -> None:
    past = "2020-01-01T00:00:00.000000Z"
    publish(RETRAIN_REQUESTS, request(1, dry_run=True), request(2, expires_at=past), request(3, attempt=2))
    with RetrainRequests(connection, start="earliest", stop_at_end=True) as requests:
        assert [found.event_id for found in requests] == ["credit:7:3:2"]
    with RetrainRequests(
        connection, start="earliest", stop_at_end=True, include_dry_run=True, include_expired=True
    ) as requests:
        assert len(list(requests)) == 3


def test_data_beyond_its_retention_is_an_error_that_names_it(
    connection: Connection, publish: Publish
) -> None:
    topic = connection.topic(PREDICTIONS)
    publish(PREDICTIONS, *([b"x"] * 10))
    offsets = [{"topic": topic, "partition": 0, "start": 2, "end": 8}]
    data = {"start": None, "end": None, "offsets": offsets}
    publish(RETRAIN_REQUESTS, request(1, data=data))
    with RetrainRequests(connection, start="earliest", timeout_s=PATIENCE_S) as requests:
        found = next(requests)
        requests.check_data(found)
        admin = AdminClient(connection.librdkafka())
        futures = admin.delete_records([TopicPartition(topic, 0, 5)])
        next(iter(futures.values())).result()
        with pytest.raises(DataExpiredError, match=r"\[0\] 2 to 4") as caught:
            requests.check_data(found)
    assert caught.value.lost == ((topic, 0, 2, 5),)


def test_control_of_a_model_goes_to_its_partition_and_of_the_fleet_to_all(connection: Connection) -> None:
    control = Control(connection, actor="ann")
    control.define({"model": "credit", "window": "5m"})
    control.acknowledge("credit", "9f2c", note="on it")
    control.resolve("credit", "9f2c")
    control.retire("credit", "6")
    control.retrain("credit", note="new features")
    control.adopt_baseline("credit", {"n": 5}, "7")
    control.silence(datetime(2026, 11, 22, tzinfo=UTC), {"severity": "warning"}, note="deploy")
    control.define({"models": 3})
    records = stored(connection, CONTROL)
    decoded = [(r.partition(), decode_control(message(r))) for r in records]
    of_model = [(partition, event) for partition, event in decoded if event.model == "credit"]
    assert len(of_model) == 6
    assert len({partition for partition, _ in of_model}) == 1
    for kind in (Silence, Define):
        fleet = [partition for partition, event in decoded if type(event) is kind and event.model is None]
        assert sorted(fleet) == list(range(PARTITIONS))
    assert {event.actor for _, event in decoded} == {"ann"}


def test_an_event_that_is_not_stored_raises(connection: Connection) -> None:
    from streamgauge.clients.producer import EventProducer

    with pytest.raises(StreamgaugeError, match="was not stored"):
        EventProducer(connection, timeout_s=5).send(CONTROL, "credit", b"x" * 1_100_000)


def message(record: Any) -> Message:
    return Message("", record.offset(), 0, record.key(), record.value(), tuple(record.headers()))


def stored(connection: Connection, topic: str) -> list[Any]:
    """Every record of a topic."""
    consumer = Consumer(connection.librdkafka() | {"group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(connection.topic(topic), p, 0) for p in range(PARTITIONS)])
    records, ended = [], set()
    while len(ended) < PARTITIONS:
        record = consumer.poll(20)
        assert record is not None
        if record.error():
            ended.add(record.partition())
        else:
            records.append(record)
    consumer.close()
    return records
