"""`streamgauge doctor` on a real broker: what is wrong is named, with what to do; a sound cluster is ok."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from streamgauge.cli.main import main
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, STATE
from streamgauge.streams.core.snapshot import encode_state
from tests.harness import WorkerProcess, create_topics, wait_until
from tests.kafka_broker import SASL_PASSWORD, SASL_USER, JarBroker, OwnBroker

pytestmark = pytest.mark.kafka
Found = dict[str, list[dict[str, str]]]
Doctor = Callable[..., tuple[int, Found]]


@pytest.fixture
def doctor(prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Examines a broker; the exit code, and the lines by what was checked."""
    monkeypatch.setenv("STREAMGAUGE_TOPIC_PREFIX", prefix)

    def examine(servers: str, *words: str) -> tuple[int, Found]:
        capsys.readouterr()
        code = main(["doctor", "--json", "--bootstrap-servers", servers, *words])
        found: Found = {}
        for line in capsys.readouterr().out.splitlines():
            checked = json.loads(line)
            found.setdefault(checked["check"], []).append(checked)
        return code, found

    return examine


def statuses(found: Found) -> dict[str, set[str]]:
    return {check: {line["status"] for line in lines} for check, lines in found.items()}


def test_without_topics_it_says_how_to_make_them(broker: str, doctor: Doctor) -> None:
    code, found = doctor(broker)
    assert code == 1
    assert statuses(found) == {"broker": {"ok"}, "topics": {"fail"}, "permissions": {"skip"}}
    assert found["topics"][0]["advice"] == "run `streamgauge topics create`"


def test_a_sound_cluster_with_a_worker_is_ok(
    broker: str, prefix: str, doctor: Doctor, tmp_path: Path
) -> None:
    create_topics(broker, prefix, partitions=2)
    code, found = doctor(broker)
    assert code == 1
    assert found["workers"][0]["what"] == "no worker runs"
    assert found["clock"][0]["status"] == "skip"
    log = tmp_path / "worker.log"
    with WorkerProcess(broker, prefix, log, module="streamgauge", arguments=["worker"]) as worker:
        worker.wait_ready()
        producer = Producer({"bootstrap.servers": broker})
        producer.produce(prefix + PREDICTIONS, b"{}", b"credit")
        assert producer.flush(60) == 0

        def sound() -> bool:
            return doctor(broker)[0] == 0

        wait_until(sound, every=0.5, saying="the doctor finds nothing")

        def told() -> bool:
            [line] = doctor(broker, "--role", "operator")[1]["heartbeats"]
            return line["what"] == "all 1 partitions in use were told of within three minutes"

        wait_until(told, every=0.5, saying="the partition in use has a heartbeat")
        code, found = doctor(broker, "--probe")
    assert code == 0
    assert {status for lines in statuses(found).values() for status in lines} == {"ok"}
    assert set(found) == {
        "broker", "topics", "settings", "permissions", "clock", "state", "workers", "lag",
    }  # fmt: skip
    assert found["workers"][0]["what"] == "1 worker, in a stable group"
    leftovers = [
        n for n in AdminClient({"bootstrap.servers": broker}).list_topics(timeout=60).topics if "doctor" in n
    ]
    assert not [name for name in leftovers if name.startswith(prefix)]


def test_settings_that_would_lose_something_are_named(broker: str, prefix: str, doctor: Doctor) -> None:
    create_topics(broker, prefix, partitions=1)
    admin = AdminClient({"bootstrap.servers": broker})
    changes = {
        PREDICTIONS: ("message.timestamp.type", "CreateTime"),
        STATE: ("cleanup.policy", "delete"),
        CONTROL: ("max.message.bytes", "1000"),
    }
    for topic, (key, value) in changes.items():
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, prefix + topic, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result()

    def named() -> bool:
        what = " ".join(line["what"] for line in doctor(broker)[1]["topics"])
        return all(prefix + topic in what for topic in changes)

    wait_until(named, saying="all three are named")
    code, found = doctor(broker)
    assert code == 1
    assert len(found["topics"]) == 3
    assert any("--add-config cleanup.policy=compact" in line["advice"] for line in found["topics"])


def test_state_of_another_program_and_recreated_topics_are_named(
    broker: str, prefix: str, doctor: Doctor
) -> None:
    create_topics(broker, prefix, partitions=1)
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(prefix + STATE, encode_state({PREDICTIONS: 99}), b'["applied"]')
    assert producer.flush(60) == 0
    code, found = doctor(broker)
    assert code == 1
    assert "ends before what state has applied" in found["state"][1]["what"]
    producer.produce(prefix + STATE, b"hello", b"someone")
    assert producer.flush(60) == 0
    assert "none of ours" in doctor(broker)[1]["state"][0]["what"]


@pytest.fixture(scope="module")
def guarded(own_broker: OwnBroker) -> Iterator[JarBroker]:
    """A broker that lets only the anonymous do everything."""
    extra = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with own_broker(extra) as running:
        yield running


def test_what_credentials_may_not_do_is_named_with_the_command_that_allows_it(
    guarded: JarBroker, prefix: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topics(guarded.bootstrap_servers, prefix, partitions=1)
    code, found = doctor(guarded.bootstrap_servers, "--role", "serving")
    assert (code, found["permissions"][0]["status"]) == (0, "ok")
    monkeypatch.setenv("STREAMGAUGE_SASL_USERNAME", SASL_USER)
    monkeypatch.setenv("STREAMGAUGE_SASL_PASSWORD", SASL_PASSWORD)

    def allow(topic: str, *operations: AclOperation) -> None:
        admin = AdminClient({"bootstrap.servers": guarded.bootstrap_servers})
        acls = [
            AclBinding(
                ResourceType.TOPIC, prefix + topic, ResourcePatternType.LITERAL, f"User:{SASL_USER}", "*",
                operation, AclPermissionType.ALLOW,
            )
            for operation in operations
        ]  # fmt: skip
        for future in admin.create_acls(acls).values():
            future.result()

    code, found = doctor(guarded.sasl_servers, "--role", "serving")
    assert code == 1
    assert {line["what"] for line in found["permissions"]} == {
        f"these credentials may not write {prefix}{topic}" for topic in (PREDICTIONS, GROUND_TRUTH)
    }
    command = f"--allow-principal User:{SASL_USER} --operation write --topic {prefix}{GROUND_TRUTH}"
    assert command in found["permissions"][1]["advice"]
    allow(PREDICTIONS, AclOperation.WRITE, AclOperation.DESCRIBE)
    allow(GROUND_TRUTH, AclOperation.DESCRIBE)
    code, found = doctor(guarded.sasl_servers, "--role", "serving")
    assert code == 1
    assert [line["what"] for line in found["permissions"]] == [
        f"these credentials may not write {prefix}{GROUND_TRUTH}"
    ]
    allow(GROUND_TRUTH, AclOperation.WRITE)
    assert doctor(guarded.sasl_servers, "--role", "serving")[0] == 0
