"""SASL/SCRAM, TLS and ACLs for real: each user may do what docs/how-to/secure-kafka.md lists, and no more."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streamgauge.cli.main import main
from streamgauge.clients.connection import Connection
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.schemas.message import PREDICTIONS, TOPICS
from tests.certificates import Certificates
from tests.harness import ROOT, WorkerProcess, create_topics, wait_until
from tests.kafka.users import serve_until_judged
from tests.kafka_broker import JarBroker, OwnBroker

pytestmark = pytest.mark.kafka
PAGE = (ROOT / "docs/how-to/secure-kafka.md").read_text()
ROWS = re.findall(
    r"^\| `(\w+)` \| `(Read|Write|Describe)` \| (topic|group|transactional-id) `([^`]+)` \|", PAGE, re.M
)
PRINCIPALS = sorted({row[0] for row in ROWS})
#: In no line, answer or file that anyone is shown.
CANARY = "canary-3f9a1c"
PREFIX = "streamgauge."


def binding(principal: str, operation: str, kind: str, name: str) -> AclBinding:
    prefixed = name.endswith("*")
    return AclBinding(
        {
            "topic": ResourceType.TOPIC,
            "group": ResourceType.GROUP,
            "transactional-id": ResourceType.TRANSACTIONAL_ID,
        }[kind],
        name.removesuffix("*"),
        ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL,
        f"User:{principal}",
        "*",
        AclOperation[operation.upper()],
        AclPermissionType.ALLOW,
    )


class Cluster:
    """A guarded broker, the page's ACLs in it, and credentials for each principal."""

    def __init__(self, broker: JarBroker, certificates: Certificates) -> None:
        self.broker = broker
        self.certificates = certificates
        create_topics(broker.bootstrap_servers, PREFIX, partitions=2)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        users = [
            UserScramCredentialUpsertion(
                name, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), f"{CANARY}-{name}".encode()
            )
            for name in PRINCIPALS
        ]
        for made in admin.alter_user_scram_credentials(users).values():
            made.result()
        for granted in admin.create_acls([binding(*row) for row in ROWS]).values():
            granted.result()

    def environment(self, principal: str) -> dict[str, str]:
        return {
            "STREAMGAUGE_BOOTSTRAP_SERVERS": self.broker.sasl_servers,
            "STREAMGAUGE_SASL_USERNAME": principal,
            "STREAMGAUGE_SASL_PASSWORD": f"{CANARY}-{principal}",
            "STREAMGAUGE_SSL_CA_LOCATION": str(self.certificates.ca),
        }

    def certificate_environment(self, principal: str) -> dict[str, str]:
        certificate, key = self.certificates.client(principal)
        return {
            "STREAMGAUGE_BOOTSTRAP_SERVERS": self.broker.tls_servers,
            "STREAMGAUGE_SSL_CA_LOCATION": str(self.certificates.ca),
            "STREAMGAUGE_SSL_CERTIFICATE_LOCATION": str(certificate),
            "STREAMGAUGE_SSL_KEY_LOCATION": str(key),
            "STREAMGAUGE_SSL_KEY_PASSWORD": CANARY,
        }

    def connection(self, principal: str) -> Connection:
        return Connection.from_environment(self.environment(principal))


@pytest.fixture(scope="module")
def cluster(own_broker: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    certificates = Certificates(tmp_path_factory.mktemp("certificates"), CANARY)
    extra = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with own_broker(extra, certificates) as running:
        yield Cluster(running, certificates)


def test_each_user_does_its_work_and_no_password_is_shown(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "worker.log"
    environment = cluster.environment("worker") | {"STREAMGAUGE_LOG_LEVEL": "debug"}
    shown = []
    with WorkerProcess(
        cluster.broker.sasl_servers, PREFIX, log, module="streamgauge", arguments=["worker"],
        environment=environment,
    ) as worker:  # fmt: skip
        worker.wait_ready()
        serve_until_judged(cluster.broker.bootstrap_servers, PREFIX, cluster.connection)
        with RetrainRequests(cluster.connection("training"), group_id="trainer", timeout_s=1) as requests:
            assert list(requests) == []
        shown += [worker.health(path)[1] for path in ("/healthz", "/readyz", "/metrics", "/debug", "/config")]
        for variable, value in cluster.environment("operator").items():
            monkeypatch.setenv(variable, value)
        for words in (
            ("alerts", "list", "--json"),
            ("monitors", "list", "--json"),
            ("dead-letters", "list"),
            ("retrain", "list"),
            ("metrics", "watch", "--from-start", "--count", "1"),
        ):
            assert main(list(words)) == 0, (words, capfd.readouterr())
        main(["doctor", "--json", "--role", "operator"])
        for variable, value in cluster.environment("analyst").items():
            monkeypatch.setenv(variable, value)
        assert main(["replay", "--from-topics", "--out", str(tmp_path / "replayed")]) == 0
        monkeypatch.setenv("STREAMGAUGE_SASL_PASSWORD", f"{CANARY}-wrong")
        assert main(["alerts", "list"]) == 1
        assert worker.stop() == 0
    shown += [*capfd.readouterr(), worker.logs]
    assert "the credentials are refused" in shown[-2]
    assert "credit" in shown[-3]
    assert not any(CANARY in text for text in shown)


def test_a_worker_whose_password_is_wrong_ends_and_shows_none(cluster: Cluster, tmp_path: Path) -> None:
    environment = cluster.environment("worker") | {
        "STREAMGAUGE_SASL_PASSWORD": f"{CANARY}-wrong", "STREAMGAUGE_LOG_LEVEL": "debug",
    }  # fmt: skip
    with WorkerProcess(
        cluster.broker.sasl_servers, PREFIX, tmp_path / "worker.log", module="streamgauge",
        arguments=["worker"], environment=environment,
    ) as worker:  # fmt: skip
        assert worker.wait() == 1
        assert "the credentials are refused" in worker.logs
        assert CANARY not in worker.logs


def test_a_worker_with_a_client_certificate_does_its_work(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    environment = cluster.certificate_environment("worker")
    serving = Connection.from_environment(cluster.certificate_environment("serving"))
    with WorkerProcess(
        cluster.broker.tls_servers, PREFIX, log, module="streamgauge", arguments=["worker"],
        environment=environment,
    ) as worker:  # fmt: skip
        worker.wait_ready()
        producer = Producer(serving.librdkafka())
        event = {"prediction_id": "c", "model": "cert", "time": time.time_ns() // 1_000, "prediction": "yes"}
        producer.produce(PREFIX + PREDICTIONS, json.dumps(event))
        assert producer.flush(60) == 0
        wait_until(lambda: 'outcome="applied"} 1.0' in worker.health("/metrics")[1], saying="it is applied")
        assert worker.stop() == 0
    assert CANARY not in worker.logs


def refused(error: Any) -> bool:
    return error.code() in (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    )


def operations(description: Any) -> set[AclOperation]:
    """What the broker's authorizer allows on a topic."""
    try:
        return set(description.result().authorized_operations)
    except KafkaException as error:
        if not refused(error.args[0]):
            raise
        return set()


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_what_is_not_listed_is_refused(cluster: Cluster, principal: str) -> None:
    config = cluster.connection(principal).librdkafka()
    may = {(operation, kind, name) for who, operation, kind, name in ROWS if who == principal}
    reports: list[tuple[Any, Any]] = []
    producer = Producer(config | {"message.timeout.ms": 20_000})
    admin = AdminClient(config)
    names = [PREFIX + topic for topic in TOPICS]
    seen = admin.describe_topics(TopicCollection(names), include_authorized_operations=True)
    for name in names:
        allowed = operations(seen[name])
        listed = {AclOperation[how.upper()] for how in ("Read", "Write") if (how, "topic", name) in may}
        assert allowed - {AclOperation.DESCRIBE} == listed, (principal, name)
        if AclOperation.WRITE not in listed:
            producer.produce(
                name, b"x", on_delivery=lambda error, sent: reports.append((sent.topic(), error))
            )
    assert producer.flush(60) == 0
    assert [sent.topic() for sent, error in reports if error is None or not refused(error)] == []
    assert len(reports) == sum(("Write", "topic", PREFIX + topic) not in may for topic in TOPICS)

    for forbidden in (
        admin.create_topics([NewTopic(f"{PREFIX}new", 1, 1)]),
        admin.delete_topics([PREFIX + PREDICTIONS]),
        admin.create_acls([binding(principal, "Write", "topic", PREFIX + "control")]),
    ):
        for future in forbidden.values():
            with pytest.raises(KafkaException) as error:
                future.result()
            assert refused(error.value.args[0])
    if principal != "worker":
        fencing = Producer(config | {"transactional.id": f"{PREFIX}worker-0"})
        with pytest.raises(KafkaException) as error:
            fencing.init_transactions(60)
        assert refused(error.value.args[0])
