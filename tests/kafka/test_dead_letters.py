"""`streamgauge dead-letters` with a worker on a real broker: list, show, and retry, each message once."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streamgauge.clients.connection import Connection
from streamgauge.clients.control import Control
from streamgauge.clients.dead_letters import RETRY_OF, DeadLetter, Retry
from streamgauge.clients.events import Position
from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.schemas.message import DEAD_LETTERS, PREDICTIONS
from streamgauge.streams.stored import DEFINED, read_stored
from tests.acceptance.outcome import ledgers
from tests.acceptance.traffic import PARTITIONS
from tests.harness import Command, WorkerProcess, create_topics, read_topic, wait_until

pytestmark = pytest.mark.kafka


@pytest.fixture
def command(command: Command) -> Command:
    """Runs `streamgauge dead-letters`."""
    return partial(command, "dead-letters")


@pytest.fixture
def connection(broker: str, prefix: str, tmp_path: Path) -> Iterator[Connection]:
    made = create_topics(broker, prefix, partitions=PARTITIONS)
    log = tmp_path / "worker.log"
    with WorkerProcess(broker, prefix, log, module="streamgauge", arguments=["worker"]) as worker:
        worker.wait_ready()
        yield made


def event(number: int, model: str = "credit", **more: Any) -> bytes:
    fields = {"prediction_id": f"p{number}", "model": model, "time": time.time_ns() // 1_000}
    return json.dumps(fields | {"prediction": "yes"} | more).encode()


def send(connection: Connection, *values: bytes, partition: int = 1) -> None:
    producer = Producer({"bootstrap.servers": connection.bootstrap_servers})
    for value in values:
        headers = [("trace", b"\x00\xff")]
        producer.produce(connection.topic(PREDICTIONS), value, b"credit", partition, headers=headers)
    assert producer.flush(60) == 0


def listed(command: Command, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command("list", "--json", *words)[1].splitlines()]


def told(out: str, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(json.loads(line)[field] for field in fields) for line in out.splitlines()]


def wait_letters(command: Command, count: int) -> list[dict[str, Any]]:
    return wait_until(
        lambda: (found := listed(command)) and len(found) == count and found, every=0.5,
        saying=f"{count} dead letters",
    )  # fmt: skip


def counts(connection: Connection) -> dict[str, int]:
    total = ledgers(connection)
    return {name: total.get(name, 0) for name in ("applied", "duplicate")}


def test_refused_messages_are_listed_shown_and_sent_again_once(
    connection: Connection, command: Command
) -> None:
    long = b'{"prediction_id": "' + b"x" * 600_000 + b'"}'
    send(connection, event(1, latency_ms=-3), event(2), b"{", long)
    letters = wait_letters(command, 3)
    assert sorted(letter["reason"] for letter in letters) == ["out_of_range", "oversized", "undecodable"]
    [negative] = listed(command, "--reason", "out_of_range", "--model", "credit", "--topic", "predictions")
    assert (negative["partition"], negative["retried"]) == (1, None)
    assert listed(command, "--since", "2099-01-01T00:00:00Z") == listed(command, "--model", "other") == []
    assert [letter["letter"] for letter in listed(command, "--limit", "1")] == [letters[-1]["letter"]]
    out = command("show", negative["letter"])[1]
    assert "header trace: 00 ff" in out
    assert '"latency_ms": -3' in out

    code, out, _ = command("retry", "--all", "--dry-run", "--json")
    assert code == 1
    assert sorted(became for (became,) in told(out, "became")) == [
        "left_out",
        "would_be_sent",
        "would_be_sent",
    ]
    assert "say which" in command("retry")[2]
    assert "add --yes" in command("retry", "--all")[2]
    assert "no dead letter is called 0:999" in command("retry", "0:999", "--yes")[2]

    code, out, err = command("retry", "--reason", "oversized", "--yes")
    assert (code, out) == (1, "0 sent again, 0 had been before, 1 cannot be\n")
    assert "only 512,000 of its 600,021 bytes were kept" in err
    code, out, _ = command("retry", negative["letter"], "--yes", "--actor", "anna")
    assert (code, out) == (0, "1 sent again, 0 had been before, 0 cannot be\n")

    # what was refused is refused again, and says so; the letter of the first time is done
    wait_letters(command, 4)
    first, again = listed(command, "--reason", "out_of_range")
    assert first["retried"]["actor"] == "anna"
    assert again["value"] == negative["value"]
    place = f"{connection.topic(PREDICTIONS)}[1]@{negative['offset']}"
    [sent] = [m for m in read_topic(connection.bootstrap_servers, connection.topic(PREDICTIONS))
              if any(name == RETRY_OF for name, _ in m.headers())]  # fmt: skip
    assert (sent.partition(), sent.key(), dict(sent.headers())) == (
        1, b"credit", {"trace": b"\x00\xff", RETRY_OF: place.encode()},
    )  # fmt: skip
    assert f"[a retry of {place}]" in command("list", "--waiting")[1]

    code, out, _ = command("retry", negative["letter"], "--yes", "--json")
    assert (code, told(out, "became")) == (0, [("sent_before",)])
    code, out, _ = command("retry", negative["letter"], "--yes", "--force", "--json")
    assert (code, told(out, "became")) == (0, [("sent",)])
    wait_letters(command, 5)


def test_a_retried_event_that_was_applied_meanwhile_is_a_duplicate(
    connection: Connection, command: Command
) -> None:
    control = Control(connection, "anna")
    control.define({"max_models": 1})

    def allowed() -> set[int | None]:
        return {p.fleet and p.fleet.max_models for p in read_stored(connection, DEFINED)}

    wait_until(lambda: allowed() == {1}, every=0.5, saying="one model is the most, in every partition")
    send(connection, event(1), event(2, model="price"))
    [letter] = wait_letters(command, 1)
    assert (letter["reason"], counts(connection)) == ("unknown_model", {"applied": 1, "duplicate": 0})
    control.define({"max_models": 10})
    control.close()
    wait_until(lambda: allowed() == {10}, every=0.5, saying="ten models are the most")
    assert command("retry", "--reason", "unknown_model", "--yes")[0] == 0
    wait_until(lambda: counts(connection) == {"applied": 2, "duplicate": 0}, every=0.5)
    assert command("retry", "--reason", "unknown_model", "--yes", "--force")[0] == 0
    wait_until(lambda: counts(connection) == {"applied": 2, "duplicate": 1}, every=0.5)


def test_of_two_that_retry_the_first_is_shut_out(broker: str, prefix: str) -> None:
    connection = create_topics(broker, prefix, partitions=1)
    record = {"topic": connection.topic(PREDICTIONS), "partition": 0, "offset": 0, "key": None, "value": None}
    record |= {
        "time": "2026-11-21T10:00:00Z",
        "reason": "undecodable",
        "detail": "",
        "headers": [],
        "length": 0,
    }
    letter = DeadLetter.from_record(record, Position(connection.topic(DEAD_LETTERS), 0, 0))

    def begin_twice() -> None:
        with Retry(connection, "anna") as first, Retry(connection, "ben"):
            first.send(letter)

    with pytest.raises(StreamgaugeError, match="another retry has begun"):
        begin_twice()
    assert read_topic(broker, connection.topic(PREDICTIONS)) == []
