"""OAUTHBEARER for real: tokens that live for seconds, signed by a server that comes and goes, and a broker
that checks them, goes by the rights of docs/how-to/secure-kafka.md, and throws out whoever shows no new one.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicCollection
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from streamgauge.cli.main import main
from streamgauge.clients.alerts import AlertSubscription
from streamgauge.clients.connection import Connection
from streamgauge.clients.reach import REACH_S
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.message import ALERTS, TOPICS, Output
from streamgauge.streams.worker import DISPLACED, FAILED
from tests.certificates import Certificates
from tests.harness import PATIENCE_S, WorkerProcess, create_topics, notifier, wait_until
from tests.kafka.test_engine_exact import Traffic, assert_exact, committed_totals
from tests.kafka.test_secured_cluster import PREFIX, PRINCIPALS, ROWS, binding, operations
from tests.kafka.users import serve_until_judged
from tests.kafka_broker import JarBroker, OwnBroker
from tests.notify.alerts import record
from tests.notify.receivers import receiver
from tests.token_issuer import AUDIENCE, Issuer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

#: In no line, answer or file that anyone is shown; and so is the beginning of every token.
CANARY, TOKEN = "canary-b81d40", "eyJ"
WEBHOOK = {"kind": "webhook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
#: Seconds that a token lives, and a connection without showing a new one.
LIFE_S = 10
#: A principal that may do everything to topics, groups and transactions whose names begin so.
ENGINE, ENGINE_PREFIX = "engine", "engine."


class Cluster:
    """A broker that wants tokens, the page's ACLs in it, and who signs the tokens."""

    def __init__(self, broker: JarBroker, issuer: Issuer, certificates: Certificates) -> None:
        self.broker, self.issuer, self.certificates = broker, issuer, certificates
        create_topics(broker.bootstrap_servers, PREFIX, partitions=2)
        create_topics(broker.bootstrap_servers, ENGINE_PREFIX)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        kinds = ("topic", "group", "transactional-id")
        rows = [*ROWS, *((ENGINE, "All", kind, f"{ENGINE_PREFIX}*") for kind in kinds)]
        for granted in admin.create_acls([binding(*row) for row in rows]).values():
            granted.result()
        every = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        wait_until(lambda: len(admin.describe_acls(every).result()) == len(rows), saying="rights hold")

    def environment(self, principal: str) -> dict[str, str]:
        return {
            "STREAMGAUGE_BOOTSTRAP_SERVERS": self.broker.sasl_servers,
            "STREAMGAUGE_SASL_USERNAME": principal,
            "STREAMGAUGE_SASL_PASSWORD": f"{CANARY}-{principal}",
            "STREAMGAUGE_SASL_TOKEN_URL": self.issuer.url,
            "STREAMGAUGE_SASL_TOKEN_CA_LOCATION": str(self.certificates.ca),
            "STREAMGAUGE_SASL_EXTENSIONS": "traceId=1",
            "STREAMGAUGE_SSL_CA_LOCATION": str(self.certificates.ca),
        }

    def connection(self, principal: str) -> Connection:
        return Connection.from_environment(self.environment(principal))

    def worker(self, principal: str, prefix: str, log: Path, *words: str) -> WorkerProcess:
        # the default session: who has no token for a while is no more absent than who has no broker
        more = {"STREAMGAUGE_LOG_LEVEL": "debug", "STREAMGAUGE_SESSION_TIMEOUT_S": "30"}
        environment = self.environment(principal) | more
        module = {"module": "streamgauge", "arguments": list(words)} if words else {}
        return WorkerProcess(self.broker.sasl_servers, prefix, log, environment=environment, **module)


@pytest.fixture(scope="module")
def cluster(own_broker: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("issuer")
    certificates = Certificates(folder, "unused")
    secrets = {name: f"{CANARY}-{name}" for name in [*PRINCIPALS, ENGINE]}
    with (
        Issuer(folder, secrets, LIFE_S, certificates.server("issuer")) as issuer,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("JDK_JAVA_OPTIONS", issuer.java_options)
        extra = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        with own_broker(issuer.broker_properties("SASL_SSL", LIFE_S) | extra, certificates) as running:
            yield Cluster(running, issuer, certificates)


@pytest.fixture
def command(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Runs a command as a principal, and sees that nothing secret is shown: (exit code, output, errors)."""

    def run(principal: str, *words: str, **more: str) -> tuple[int, str, str]:
        capfd.readouterr()
        for variable, value in (cluster.environment(principal) | more).items():
            monkeypatch.setenv(variable, value)
        began = time.monotonic()
        code = main(list(words))
        shown = capfd.readouterr()
        assert CANARY not in shown.out + shown.err
        assert TOKEN not in shown.out + shown.err
        assert code == 0 or time.monotonic() - began < REACH_S + 2
        return code, shown.out, shown.err

    return run


def test_each_user_does_its_work_for_longer_than_a_token_lives(cluster, command, tmp_path) -> None:
    with (
        receiver() as hook,
        cluster.worker("worker", PREFIX, tmp_path / "worker.log", "worker") as worker,
        notifier(
            cluster.broker.sasl_servers, PREFIX, tmp_path,
            {"targets": {"hook": {**WEBHOOK, "url": hook.url}}, "routes": [{"to": "hook"}]},
            cluster.environment("notifier") | {"STREAMGAUGE_LOG_LEVEL": "debug"},
        ) as telling,
        AlertSubscription(
            cluster.connection("operator"), group_id="pager", start="earliest", timeout_s=PATIENCE_S
        ) as pager,
    ):  # fmt: skip
        worker.wait_ready()
        telling.wait_ready()
        open_servers = cluster.broker.bootstrap_servers
        serve_until_judged(open_servers, PREFIX, cluster.connection, for_s=2.5 * LIFE_S)
        alert = record("aa-1", model="credit")
        value, headers = encode_output(Output(ALERTS, b"credit", alert), "json")
        writing = Producer({"bootstrap.servers": cluster.broker.bootstrap_servers})
        writing.produce(PREFIX + ALERTS, value, b"credit", headers=list(headers))
        assert writing.flush(60) == 0
        seen = next(pager)
        pager.done(seen)
        assert seen.alert_id == "aa-1"
        wait_until(lambda: any("aa-1" in str(each) for each in hook.documents), saying="it is delivered")
        with RetrainRequests(cluster.connection("training"), group_id="trainer", timeout_s=1) as requests:
            assert list(requests) == []
        for words in (["alerts", "list", "--json"], ["monitors", "list", "--json"], ["retrain", "list"]):
            assert command("operator", *words)[0] == 0
        assert command("analyst", "replay", "--from-topics", "--out", str(tmp_path / "replayed"))[0] == 0
        assert (worker.stop(), telling.stop()) == (0, 0)
    for shown in (worker.logs, telling.logs):
        assert CANARY not in shown
        assert TOKEN not in shown
    asked = {each.client for each in cluster.issuer.asked}
    assert {"worker", "notifier", "serving", "labels", "operator", "training", "analyst"} <= asked


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_a_token_gives_the_rights_of_its_subject_and_no_others(cluster: Cluster, principal: str) -> None:
    admin = AdminClient(cluster.connection(principal).librdkafka())
    may = {(operation, name) for who, operation, kind, name in ROWS if (who, kind) == (principal, "topic")}
    names = [PREFIX + topic for topic in TOPICS]
    seen = admin.describe_topics(TopicCollection(names), include_authorized_operations=True)
    for name in names:
        listed = {AclOperation[how.upper()] for how in ("Read", "Write") if (how, name) in may}
        assert operations(seen[name]) - {AclOperation.DESCRIBE} == listed


def test_what_a_user_may_not_do_is_refused(command) -> None:
    code, _, errors = command("serving", "alerts", "list")
    assert code == 1
    assert "does not allow us to read streamgauge.alerts" in errors


def test_workers_count_every_event_once_while_tokens_come_and_go(cluster: Cluster, tmp_path: Path) -> None:
    """Also while there are none for longer than the last ones live: a supervisor starts again what ended."""
    servers, issuer = cluster.broker.bootstrap_servers, cluster.issuer
    with (
        cluster.worker(ENGINE, ENGINE_PREFIX, tmp_path / "worker-0.log") as first,
        cluster.worker(ENGINE, ENGINE_PREFIX, tmp_path / "worker-1.log") as second,
    ):
        for worker in (first, second):
            worker.wait_ready()
        # No token: librdkafka gives up what is in flight when one is refused, and that may be stored or not.
        traffic = Traffic(servers, ENGINE_PREFIX, events=40_000, per_second=1_000).start()
        wait_until(lambda: traffic.sent > 15_000, saying="a life and a half are over")
        issuer.stop()
        away_since = time.monotonic()
        wait_until(lambda: time.monotonic() - away_since > 1.5 * LIFE_S)
        issuer.start()

        def all_counted() -> bool:
            for worker in (first, second):
                if worker.exit_code in (FAILED, DISPLACED):  # a transaction of 10 s is ended by the broker
                    worker.start()
            return sum(n for n, _ in committed_totals(servers, ENGINE_PREFIX).values()) >= 40_000

        wait_until(all_counted, 150, every=1, saying="every event is in committed state")
        assert_exact(servers, ENGINE_PREFIX, traffic)
    logs = first.logs + second.logs
    assert "no_token" in logs  # Faust's client says so,
    assert "Failed to retrieve OIDC token" in logs  # and so does librdkafka
    assert CANARY not in logs
    assert TOKEN not in logs


@pytest.mark.parametrize(
    "words", [["alerts", "list", "--json"], ["topics", "show"], ["worker"], ["retrain", "list"]]
)
def test_without_a_token_a_command_says_why_in_one_line(cluster: Cluster, command, words: list[str]) -> None:
    wrong = {"STREAMGAUGE_SASL_PASSWORD": f"{CANARY}-wrong"}
    code, out, errors = command("operator", *words, **wrong)
    assert (code, out) == (1, "")
    assert "answers 401 invalid_client; check STREAMGAUGE_SASL_USERNAME and" in errors
    assert len(errors.splitlines()) == 1

    away = {"STREAMGAUGE_SASL_TOKEN_URL": "https://127.0.0.1:1/token"}
    code, _, errors = command("operator", *words, **away)
    assert code == 1
    assert "no token: https://127.0.0.1:1/token does not answer: Connection refused" in errors

    code, _, errors = command("operator", *words, STREAMGAUGE_SASL_TOKEN_CA_LOCATION="")
    assert code == 1
    assert "check STREAMGAUGE_SASL_TOKEN_CA_LOCATION" in errors


def test_a_token_for_others_is_refused_and_that_is_told(cluster: Cluster, command) -> None:
    cluster.issuer.audience = "somebody else"
    try:
        code, _, errors = command("operator", "alerts", "list")
    finally:
        cluster.issuer.audience = AUDIENCE
    assert code == 1
    assert "the broker refuses the token: its issuer and audience must be" in errors


def test_a_token_that_another_signed_is_refused(cluster: Cluster, command, tmp_path: Path) -> None:
    with Issuer(tmp_path, cluster.issuer.secrets, store=cluster.issuer.store) as forger:
        code, _, errors = command("operator", "alerts", "list", STREAMGAUGE_SASL_TOKEN_URL=forger.url)
    assert code == 1
    assert "the broker refuses the token" in errors


def test_the_doctor_says_whom_a_token_is_for_and_why_there_is_none(cluster: Cluster, command) -> None:
    code, out, _ = command("serving", "doctor", "--json", "--role", "training")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert found[0]["check"] == "token"
    assert found[0]["status"] == "ok"
    assert found[0]["what"].endswith(" s for the principal User:serving, audience kafka")
    missing = [each["advice"] for each in found if each["check"] == "permissions"]
    assert all("--allow-principal User:serving" in advice for advice in missing)

    code, out, _ = command("serving", "doctor", "--json", STREAMGAUGE_SASL_PASSWORD="wrong")
    [only] = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert (only["check"], only["status"]) == ("token", "fail")
    assert "STREAMGAUGE_SASL_PASSWORD" in only["advice"]


def test_the_doctor_finds_a_broker_that_takes_forged_tokens(
    cluster: Cluster, own_broker: OwnBroker, command
) -> None:
    probed = ("doctor", "--probe", "--json")
    _, out, _ = command("operator", *probed, "--role", "operator")
    found = [json.loads(line) for line in out.splitlines()]
    assert [each["status"] for each in found if each["check"] == "token"] == ["ok", "ok"]
    assert [each["status"] for each in found if each["check"] == "clock"] == ["skip"]  # may make no topic
    trusting = cluster.issuer.broker_properties("SASL_SSL", LIFE_S, validator="Default")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JDK_JAVA_OPTIONS", cluster.issuer.java_options)
        with own_broker(trusting, cluster.certificates) as broker:
            _, out, _ = command("operator", *probed, STREAMGAUGE_BOOTSTRAP_SERVERS=broker.sasl_servers)
    [_, forged] = [each for each in map(json.loads, out.splitlines()) if each["check"] == "token"]
    assert forged["status"] == "fail"
    assert "BrokerJwtValidator" in forged["advice"]
