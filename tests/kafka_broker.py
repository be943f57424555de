"""A real Kafka broker for tests: one named in the environment, a container, or Kafka's own jars on Java."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.certificates import Certificates
from tests.kafka_process import JarProcess, NoBrokerError, ensure_jars, free_ports, kafka_uuid

SASL_USER, SASL_PASSWORD = "tester", "not-a-secret"
IMAGE = "apache/kafka:4.1.1"

#: What differs from Kafka's defaults: one node, small internal topics, quick rebalances and clean-ups.
BROKER_PROPERTIES: Mapping[str, object] = {
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "auto.create.topics.enable": "false",
    "num.partitions": 4,
    "message.max.bytes": 2_097_152,
    "log.cleaner.dedupe.buffer.size": 8_000_000,
}


class Broker:
    """A broker somebody else runs: it has an address, and cannot be killed."""

    restartable = False

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0}).list_topics(
                    timeout=2
                )
                return
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise NoBrokerError(f"no answer from {self.bootstrap_servers}: {error}") from error


class JarBroker(Broker):
    """Kafka's jars on Java 17, broker and controller in one process, data in `directory`.

    It can be killed and started again with its data, at the same address. At `sasl_servers` it asks for
    SCRAM credentials; with `certificates` it does so over TLS, and at `tls_servers` asks for a certificate.
    """

    restartable = True

    def __init__(
        self,
        directory: Path,
        extra: Mapping[str, object] | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        port, controller, sasl, tls = free_ports(4)
        super().__init__(f"127.0.0.1:{port}")
        self.sasl_servers, self.tls_servers = f"127.0.0.1:{sasl}", f"127.0.0.1:{tls}"
        listeners = {"PLAINTEXT": port, "SASL_PLAINTEXT" if certificates is None else "SASL_SSL": sasl}
        if certificates is not None:
            listeners["SSL"] = tls
        advertised = ",".join(f"{name}://127.0.0.1:{number}" for name, number in listeners.items())
        settings = (
            {
                "process.roles": "broker,controller",
                "node.id": 1,
                "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
                "listeners": f"{advertised},CONTROLLER://127.0.0.1:{controller}",
                "advertised.listeners": advertised,
                "controller.listener.names": "CONTROLLER",
                "listener.security.protocol.map": ",".join(
                    [*(f"{name}:{name}" for name in listeners), "CONTROLLER:PLAINTEXT"]
                ),
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                **{
                    f"listener.name.{name.lower()}.scram-sha-512.sasl.jaas.config": (
                        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                    )
                    for name in listeners
                    if name.startswith("SASL")
                },
                **({} if certificates is None else certificates.broker_properties()),
            }
            | BROKER_PROPERTIES
            | dict(extra or {})
        )
        user = f"SCRAM-SHA-512=[name={SASL_USER},password={SASL_PASSWORD}]"
        self._process = JarProcess(directory, settings, kafka_uuid(), "--standalone", "-S", user)

    def start(self) -> None:
        self._process.start()
        self.wait_until_ready()

    def kill(self) -> None:
        """SIGKILL: the broker writes nothing more."""
        self._process.kill()

    def stop(self) -> None:
        self._process.stop()


#: Opens a broker that no other test uses, with `extra` properties; the fixture `own_broker` is one.
OwnBroker = Callable[..., AbstractContextManager[JarBroker]]


@contextmanager
def open_broker(directory: Path) -> Iterator[Broker]:
    """The first of: the broker named in the environment, a container, the jars. Raises NoBrokerError."""
    named = os.environ.get("STREAMGAUGE_TEST_BOOTSTRAP_SERVERS")
    if named:
        broker = Broker(named)
        broker.wait_until_ready(20)
        yield broker
    elif _docker_answers():
        from testcontainers.kafka import KafkaContainer

        container = KafkaContainer(IMAGE).with_kraft()
        for key, value in BROKER_PROPERTIES.items():
            container = container.with_env("KAFKA_" + key.upper().replace(".", "_"), str(value))
        with container:
            yield Broker(container.get_bootstrap_server())
    else:
        with open_jar_broker(directory) as jar_broker:
            yield jar_broker


@contextmanager
def open_jar_broker(
    directory: Path, extra: Mapping[str, object] | None = None, certificates: Certificates | None = None
) -> Iterator[JarBroker]:
    """A broker from Kafka's jars, which a test may kill; `extra` properties. Raises NoBrokerError."""
    ensure_jars()
    broker = JarBroker(directory, extra, certificates)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


def _docker_answers() -> bool:
    """Whether a Docker daemon answers within two seconds."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "info"], capture_output=True, timeout=2, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
