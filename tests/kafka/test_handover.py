"""Retrain requests on a real broker: handed over by the notifier, answered for, once, whoever is down."""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streamgauge.cli.main import main
from streamgauge.clients.connection import Connection
from streamgauge.clients.retrain import RetrainStatuses
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.message import RETRAIN_REQUESTS, Output
from tests.harness import create_topics, notifier, wait_until
from tests.notify.receivers import receiver
from tests.notify.requests import request_record

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def write(connection: Connection, *records: dict[str, Any], partition: int = -1) -> None:
    producer = Producer(connection.librdkafka() | {"partitioner": "murmur2_random"})
    for record in records:
        key = record["model"].encode()
        value, headers = encode_output(Output(RETRAIN_REQUESTS, key, record))
        producer.produce(connection.topic(RETRAIN_REQUESTS), value, key, partition, headers=list(headers))
    assert producer.flush(60) == 0


def answers(connection: Connection) -> Counter[tuple[str, int, str]]:
    with RetrainStatuses(connection, start="earliest", stop_at_end=True) as statuses:
        return Counter((each.request_id, each.attempt, each.state) for each in statuses)


def model(name: str, **fields: Any) -> dict[str, Any]:
    return request_record(**({"request_id": f"{name}:7:1", "model": name} | fields))


def test_requests_go_where_they_belong_are_answered_for_and_a_target_that_is_down_holds_up_no_other(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    connection = create_topics(broker, prefix)
    with receiver() as hook, receiver() as argo:
        argo.status = 503
        config = {
            "targets": {
                "hook": {"kind": "webhook", "url": hook.url, "secret": SECRET},
                "argo": {"kind": "argo-events", "url": argo.url},
                "job": {"kind": "command", "argv": [sys.executable, "-c", "raise SystemExit(65)"]},
            },
            "retrain": [
                {"model": "credit*", "to": "hook"},
                {"model": "fraud", "to": "argo", "accept": False},
                {"model": "churn", "to": "job"},
            ],
        }
        with notifier(broker, prefix, tmp_path, config) as process:
            process.wait_ready()
            write(
                connection,
                model("fraud"), model("credit-no"), model("credit-se", dry_run=True), model("churn"),
                model("credit-dk", expires_at="2026-01-01T00:00:00.000000Z"), model("unknown"),
            )  # fmt: skip
            expected = Counter({("credit-no:7:1", 1, "accepted"): 1, ("churn:7:1", 1, "declined"): 1})
            wait_until(lambda: answers(connection) == expected, saying="those that can be are answered")
            wait_until(lambda: len(argo.requests) > 1, saying="the one that is down is tried again")
            argo.status = 202
            wait_until(lambda: argo.answered == 202)
            assert process.stop() == 0
        (tmp_path / "again").mkdir()
        with notifier(broker, prefix, tmp_path / "again", config) as process:
            process.wait_ready()
            write(connection, model("credit-no", attempt=2))
            expected["credit-no:7:1", 2, "accepted"] = 1
            wait_until(lambda: answers(connection) == expected)
        assert [headers["webhook-id"] for _, headers, _ in hook.requests] == [
            "credit-no:7:1:1",
            "credit-no:7:1:2",
        ]
        assert {document["request_id"] for document in argo.documents} == {"fraud:7:1"}


def test_a_request_that_was_not_handed_over_when_the_notifier_died_is_handed_over_by_the_next(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    connection = create_topics(broker, prefix)
    with receiver() as hook:
        config = {
            "targets": {"hook": {"kind": "webhook", "url": hook.url, "secret": SECRET}},
            "retrain": [{"to": "hook"}],
        }
        hook.hold.clear()
        process = notifier(broker, prefix, tmp_path, config).start()
        process.wait_ready()
        write(connection, model("credit"))
        wait_until(lambda: len(hook.requests) == 1)
        process.kill()
        hook.hold.set()
        (tmp_path / "again").mkdir()
        with notifier(broker, prefix, tmp_path / "again", config):
            wait_until(lambda: answers(connection)["credit:7:1", 1, "accepted"] == 1)
        assert {headers["webhook-id"] for _, headers, _ in hook.requests} == {"credit:7:1:1"}


def test_a_request_that_fails_holds_up_neither_other_partitions_nor_a_second_notifier(
    broker: str, prefix: str, tmp_path: Path
) -> None:
    connection, mended, log = (
        create_topics(broker, prefix, partitions=2),
        tmp_path / "mended",
        tmp_path / "log",
    )
    code = (
        "import json, pathlib, sys\n"
        "model = json.load(sys.stdin)['model']\n"
        f"pathlib.Path({str(log)!r}).open('a').write(model + '\\n')\n"
        f"sys.exit(model == 'fraud' and not pathlib.Path({str(mended)!r}).exists())"
    )
    config = {
        "targets": {"job": {"kind": "command", "argv": [sys.executable, "-c", code]}},
        "retrain": [{"to": "job"}],
    }
    (tmp_path / "second").mkdir()
    first = notifier(broker, prefix, tmp_path, config)
    second = notifier(broker, prefix, tmp_path / "second", config)
    with first:
        first.wait_ready()
        write(connection, model("fraud"), model("behind"), partition=0)
        wait_until(lambda: log.exists() and log.read_text().count("fraud") > 1, saying="it fails")
        names = [f"credit-{number}" for number in range(8)]
        write(connection, *map(model, names), partition=1)
        expected = Counter((f"{name}:7:1", 1, "accepted") for name in names)
        wait_until(lambda: answers(connection) == expected, saying="the others are handed over")
        with second:
            second.wait_ready()

            def works() -> bool:
                write(connection, model("churn", request_id=f"churn:{time.time_ns()}:1"), partition=1)
                return "handed_over" in second.logs or "attempt_failed" in second.logs

            wait_until(works, every=1.0, saying="the second has a partition")
        mended.touch()
        for name in ("fraud", "behind"):
            wait_until(lambda name=name: answers(connection)[f"{name}:7:1", 1, "accepted"] == 1)
        assert first.stop() == 0
    counts = Counter(log.read_text().split())
    assert all(counts[name] == 1 for name in [*names, "behind"]), (
        "what is done is not done again after a rebalance"
    )


def test_a_job_that_is_no_python_answers_by_the_command_line(
    broker: str, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = create_topics(broker, prefix)
    (tmp_path / "record.json").write_text(json.dumps(model("credit")))
    (tmp_path / "webhook.json").write_text(json.dumps({"type": "retrain.requested", "data": model("credit")}))
    (tmp_path / "wrong.json").write_text("{}")
    where = ["--bootstrap-servers", broker, "--topic-prefix", prefix]

    def answer(*words: str) -> int:
        return main(["retrain", "answer", *words, *where])

    assert answer("started", "--request", str(tmp_path / "record.json")) == 0
    assert "sent: credit:7:1 attempt 1 is started" in capsys.readouterr().out
    done = ["succeeded", "--request", str(tmp_path / "webhook.json")]
    assert answer(*done, "--new-version", "8") == 0
    assert answers(connection) == Counter(
        {("credit:7:1", 1, "started"): 1, ("credit:7:1", 1, "succeeded"): 1}
    )
    assert answer(*done) == 1
    assert "--new-version goes with succeeded" in capsys.readouterr().err
    assert answer("failed", "--request", str(tmp_path / "wrong.json")) == 1
    assert "wrong.json holds no retrain request" in capsys.readouterr().err
