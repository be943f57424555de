"""The commands that follow and send, end to end on the embedded cluster."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from streamgauge.cli.main import main
from streamgauge.clients.connection import Connection
from streamgauge.schemas.control import decode_control
from streamgauge.schemas.dead_letter import dead_letter, retried
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import (
    ALERTS,
    CONTROL,
    DEAD_LETTERS,
    METRICS,
    OUTPUTS,
    PREDICTIONS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
    Message,
    Output,
)


@pytest.fixture(scope="module")
def cluster() -> Any:
    """The address of librdkafka's mock cluster."""
    host = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 2})
    yield ",".join(f"{b.host}:{b.port}" for b in host.list_topics(timeout=60).brokers.values())
    host.flush(0)


@pytest.fixture
def connection(cluster: str, monkeypatch: pytest.MonkeyPatch) -> Connection:
    made = Connection(cluster, prefix=f"t{uuid.uuid4().hex[:8]}.")
    monkeypatch.setenv("STREAMGAUGE_BOOTSTRAP_SERVERS", made.bootstrap_servers)
    monkeypatch.setenv("STREAMGAUGE_TOPIC_PREFIX", made.prefix)
    producer = Producer(made.librdkafka())
    for name in OUTPUTS:
        producer.list_topics(made.topic(name), timeout=60)  # a producer that asks makes the topic
    return made


def publish(connection: Connection, topic: str, *records: dict[str, Any]) -> None:
    producer = Producer(connection.librdkafka())
    for record in records:
        value, headers = encode_output(Output(topic, b"credit", record))
        producer.produce(connection.topic(topic), value, b"credit", headers=list(headers))
    assert producer.flush(60) == 0


ALERT = {
    "alert_id": "9f2c-1", "fingerprint": "9f2c", "episode": 1, "sequence": 1, "state": "opened",
    "severity": "critical", "model": "credit", "version": "7", "monitor": "accuracy", "metric": "accuracy",
    "segment": {"country": "NO"}, "n": 3200, "opened_at": "2026-01-21T10:00:00.000000Z",
    "time": "2026-01-21T10:00:00.000000Z",
    "summary": "credit 7 [country=NO]: accuracy 0.79, below the limit 0.80",
}  # fmt: skip
METRIC = {
    "model": "credit", "version": "7", "segment": {}, "metric": "accuracy", "value": 0.91, "low": 0.88,
    "high": 0.93, "n": 480, "status": "final", "revision": 2,
    "window": {"start": "2026-01-21T10:00:00.000000Z", "end": "2026-01-21T10:05:00.000000Z"},
}  # fmt: skip
REQUEST = {
    "request_id": "credit:7:1", "model": "credit", "version": "7", "attempt": 1,
    "reasons": [{"monitor": "accuracy", "metric": "accuracy", "value": 0.79, "baseline": 0.9, "n": 3200,
                 "fingerprint": "9f2c"}],
    "data": {"offsets": []}, "labels": 3072, "priority": "high", "time": "2026-01-21T10:00:00.000000Z",
    "expires_at": "2026-01-21T12:00:00.000000Z", "dry_run": False,
}  # fmt: skip


def test_alerts_watch_prints_a_line_an_alert(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(connection, ALERTS, ALERT, ALERT | {"model": "price", "alert_id": "77-1"})
    assert (
        main(["alerts", "watch", "--from-start", "--seconds", "20", "--count", "1", "--model", "credit"]) == 0
    )
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("2026-01-21 10:00:00  opened       critical accuracy: credit 7 [country=NO]: ")
    assert line.endswith("below the limit 0.80  (9f2c-1)")


def test_alerts_list_shows_the_last_step_of_what_is_open(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    over = ALERT | {"alert_id": "77-1", "state": "resolved", "sequence": 2}
    publish(connection, ALERTS, ALERT, ALERT | {"sequence": 2, "state": "updated"}, over)
    assert main(["alerts", "list", "--json"]) == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (found["alert_id"], found["state"]) == ("9f2c-1", "updated")
    assert main(["alerts", "list", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_nothing_open_says_so(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "list"]) == 0
    assert capsys.readouterr().out == "no open alerts\n"


def test_letters_that_were_sent_again_do_not_wait_behind_a_limit(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    producer = Producer(connection.librdkafka())
    for offset in range(3):
        refused = Message(PREDICTIONS, offset, 1_795_255_200_000_000, b"credit", b"{")
        letter = dead_letter(refused, BadEvent(Reason.UNDECODABLE, "not JSON"), connection.prefix, 0)
        for output in (letter, *([retried(letter.record, "ann", 1_795_255_300_000_000)] if offset else [])):
            value, headers = encode_output(output)
            producer.produce(connection.topic(DEAD_LETTERS), value, b"credit", headers=list(headers))
    assert producer.flush(60) == 0
    assert main(["dead-letters", "list", "--waiting"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 dead letter"
    assert main(["dead-letters", "list", "--limit", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "3 undecodable",
        "2 dead letters of 3; --limit shows more",
    ]


def test_metrics_watch_prints_values_with_their_interval(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    undefined = METRIC | {"metric": "recall", "value": None, "low": None, "high": None, "feature": "age"}
    publish(connection, METRICS, METRIC | {"metric": "f1"}, METRIC, undefined)
    arguments = [
        "--from-start",
        "--seconds",
        "20",
        "--count",
        "2",
        "--metric",
        "accuracy",
        "--metric",
        "recall",
    ]
    assert main(["metrics", "watch", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-01-21 10:00:00  credit 7  accuracy = 0.91 [0.88, 0.93]  n=480  final r2",
        "2026-01-21 10:00:00  credit 7  recall age = -  n=480  final r2",
    ]


def test_watching_ends_in_time(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "watch", "--seconds", "0.1"]) == 0
    assert capsys.readouterr().out == ""


def test_retrain_list_shows_what_became_of_each_request(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(connection, RETRAIN_REQUESTS, REQUEST, REQUEST | {"request_id": "credit:7:2"})
    answer = {
        "request_id": "credit:7:1",
        "model": "credit",
        "attempt": 1,
        "time": "2026-01-21T11:00:00.000000Z",
    }
    publish(connection, RETRAIN_STATUS, answer | {"state": "started"})
    assert main(["retrain", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "started    2026-01-21 10:00:00  credit:7:1 attempt 1  high  3,072 labels  "
        "accuracy: accuracy 0.79, was 0.9"
    )
    assert lines[1].startswith("waiting")
    assert main(["retrain", "watch", "--from-start", "--count", "1", "--json", "--seconds", "20"]) == 0
    assert json.loads(capsys.readouterr().out)["request_id"] == "credit:7:1"


def test_send_stores_good_lines_and_names_the_others(
    connection: Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = '{"prediction_id": "a", "model": "credit", "time": 1795255200000000, "prediction": "yes"}'
    file = tmp_path / "predictions.jsonl"
    file.write_text(
        f'{good}\n\n{{"model": "credit"}}\nnot json\n[1]\n{{"model": 3, "prediction_id": "b"}}\n{good}'
    )
    assert main(["send", "predictions", str(file), "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"sent": 2, "left_out": 4, "failed": 0}
    assert [line.removeprefix(f"{file}:") for line in err.splitlines()] == [
        "3: prediction_id must be a text",
        "4: not JSON in UTF-8: each line must be one event",
        "5: not a JSON object",
        "6: model must be a text",
    ]
    file.write_text('{"prediction_id": "a", "model": "credit", "label": "yes"}\n' * 30)
    assert main(["send", PREDICTIONS, str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == "predictions: 0 sent, 30 left out, 0 failed\n"
    assert err.splitlines()[0] == f"{file}:1: has no prediction, ranked or error: are these the right lines?"
    assert err.splitlines()[20:] == ["and more, which are counted"]
    file.write_bytes(b"\xff" + good.encode())
    assert main(["send", PREDICTIONS, str(file)]) == 1
    assert f"{file}:1: not JSON in UTF-8" in capsys.readouterr().err
    file.write_text(good.replace("yes", "y" * 1_100_000))
    assert main(["send", PREDICTIONS, str(file), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"sent": 0, "left_out": 0, "failed": 1}
    file.write_text(good)
    assert main(["send", PREDICTIONS, str(file)]) == 0
    assert capsys.readouterr().out == "predictions: 1 sent, 0 left out, 0 failed\n"


def test_apply_sends_definitions_to_their_partition_and_the_fleet_to_all(
    connection: Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Producer(connection.librdkafka()).list_topics(connection.topic(CONTROL), timeout=60)
    file = tmp_path / "monitors.yaml"
    file.write_text("models: 3\n---\nmodel: credit\nmonitors: {acuracy: {min: 0.8}}\n")
    assert main(["monitors", "apply", str(file), "--actor", "anna"]) == 1
    assert "nothing was sent" in capsys.readouterr().err
    file.write_text("models: 3\n---\nmodel: credit\nretrain: {on: [drift]}\n")
    assert main(["monitors", "apply", str(file), "--actor", "anna", "--yes"]) == 0
    out, err = capsys.readouterr()
    assert "what the workers hold cannot be shown: there is no topic" in err
    assert out.endswith(f"{file}: sent; 1 model and the fleet document\n")
    consumer = Consumer(connection.librdkafka() | {"group.id": "reader"})
    consumer.assign([TopicPartition(connection.topic(CONTROL), n, OFFSET_BEGINNING) for n in range(4)])
    stored = [decode_control(Message(CONTROL, 0, 0, None, m.value())) for m in consumer.consume(5, 20.0)]
    consumer.close()
    assert {order.actor for order in stored} == {"anna"}
    assert sorted(str(order.model) for order in stored) == ["None"] * 4 + ["credit"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["alerts", "list"], 1, "STREAMGAUGE_BOOTSTRAP_SERVERS"),
        (["alerts", "list", "--bootstrap-servers", "nowhere"], 1, "host:port"),
        (["send", "predictions", "/no/such/file", "--bootstrap-servers", "localhost:1"], 1, "No such file"),
        (["alerts"], 2, "VERB"),
        (["send", "weather", "x"], 2, "weather"),
    ],
)
def test_errors_say_what_to_do(
    arguments: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("STREAMGAUGE_BOOTSTRAP_SERVERS", raising=False)
    try:
        found = main(arguments)
    except SystemExit as exit_:
        found = int(str(exit_.code))
    assert found == code
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["alerts", "watch"],
        ["alerts", "list"],
        ["retrain", "watch"],
        ["retrain", "list"],
        ["metrics", "watch"],
        ["send"],
    ],
)
def test_help_has_an_example_and_the_exit_codes(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert f"streamgauge {' '.join(command)}" in text
    assert "example" in text
    assert "Exit codes" in text
