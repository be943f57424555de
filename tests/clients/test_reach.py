"""A Kafka that cannot be reached: said once, soon, with what to do; librdkafka's own lines are not seen."""

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient

from streamgauge.clients.connection import Connection
from streamgauge.clients.reach import LIBRDKAFKA, Reach, UnreachableError
from streamgauge.streams.topics import _configs
from tests.kafka_broker import SASL_USER, JarBroker
from tests.token_issuer import Issuer


def reached(connection: Connection) -> None:
    reach = Reach(connection)
    reach.check(Producer(reach.config(connection.librdkafka()), logger=reach))


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """A server that sends `answer` and hangs up; None: it says nothing at all."""
    server = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            open_ones.append(client)
            if answer is not None:
                client.sendall(answer)
                client.close()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for client in open_ones:
            client.close()


def test_where_nothing_listens_the_error_says_to_start_kafka() -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1: Connect to .*start Kafka, or set"):
        reached(Connection("127.0.0.1:1"))


def test_what_listens_but_is_no_kafka_is_told_apart() -> None:
    with (
        listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as servers,
        pytest.raises(UnreachableError, match="does not speak Kafka's protocol"),
    ):
        reached(Connection(servers))


def test_silence_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.clients.reach.REACH_S", 1.5)
    with listening(None) as servers, pytest.raises(UnreachableError, match="a firewall"):
        reached(Connection(servers))


@pytest.mark.kafka
def test_refused_credentials_are_told_at_once(restartable_broker: JarBroker) -> None:
    with pytest.raises(UnreachableError, match="STREAMGAUGE_SASL_PASSWORD"):
        reached(Connection(restartable_broker.sasl_servers, sasl_username=SASL_USER, sasl_password="wrong"))


@pytest.mark.kafka
def test_a_port_that_wants_credentials_says_which_setting_is_missing(restartable_broker: JarBroker) -> None:
    with pytest.raises(UnreachableError, match="STREAMGAUGE_SECURITY_PROTOCOL"):
        reached(Connection(restartable_broker.sasl_servers))


def test_no_token_for_librdkafka_is_told_too(tmp_path: Path) -> None:
    class OnceOnly(Issuer):
        def _answered(self, authorization: str, form: str) -> tuple[int, bytes]:
            answer = super()._answered(authorization, form)
            self.failing = 401
            return answer

    with OnceOnly(tmp_path, {"app": "secret"}) as issuer:
        connection = Connection(
            "127.0.0.1:1", security_protocol="SASL_PLAINTEXT", sasl_username="app", sasl_password="secret",
            sasl_token_url=issuer.url,
        )  # fmt: skip
        with pytest.raises(UnreachableError, match=r"token.*check STREAMGAUGE_SASL_TOKEN_URL, and what"):
            reached(connection)
    assert [each.status for each in issuer.asked[:2]] == [200, 401]


def test_an_outage_after_the_start_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    reach = Reach(Connection("127.0.0.1:1"))
    reach._reached = True
    for _ in range(3):
        reach._note(KafkaError(KafkaError._TRANSPORT, "b:1/1: Connect failed: Connection refused"))
        reach._note(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert [record.getMessage() for record in caplog.records if "trying again" in record.getMessage()] == [
        "streamgauge: Kafka at 127.0.0.1:1 went away (Connect failed: Connection refused); trying again"
    ]


def test_lines_of_librdkafka_come_once_a_minute_each(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, LIBRDKAFKA.name):
        for n in range(5):
            LIBRDKAFKA.error("%s [%s] %s", "FAIL", f"client-of-{test_silence_is_told_apart.__name__}", n)
    assert len(caplog.records) == 1


def test_a_broker_that_goes_away_while_a_worker_starts_is_no_wrong_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamgauge.streams.topics._TIMEOUT_S", 0.2)
    nowhere = Connection("127.0.0.1:1")
    reach = Reach(nowhere)
    admin = AdminClient(reach.config(nowhere.librdkafka()), logger=reach)
    with pytest.raises(UnreachableError, match="try again"):
        _configs(admin, reach, ["predictions"])


COMMANDS = ["topics show", "topics create", "alerts list", "metrics watch", "retrain list", "worker",
            "send predictions {events}", "monitors apply {monitors}"]  # fmt: skip


@pytest.mark.slow
def test_every_command_says_in_one_line_that_kafka_is_down(tmp_path: Path) -> None:
    events, monitors = tmp_path / "events.jsonl", tmp_path / "monitors.yaml"
    events.write_text('{"prediction_id": "a", "model": "m", "time": 1795255200000000, "prediction": "yes"}\n')
    monitors.write_text("model: credit\n")
    running = {
        command: subprocess.Popen(
            [sys.executable, "-m", "streamgauge", *command.format(events=events, monitors=monitors).split()],
            env={"STREAMGAUGE_BOOTSTRAP_SERVERS": "127.0.0.1:1", "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in COMMANDS
    }
    for command, process in running.items():
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, ""), command
        assert err.startswith("streamgauge: cannot reach Kafka at 127.0.0.1:1: "), command
        assert len(err.splitlines()) == 1, command
