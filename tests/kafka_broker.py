"""A real Kafka broker for tests: one named in the environment, a container, or Kafka's own jars on Java."""

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.certificates import Certificates

ROOT = Path(__file__).resolve().parents[1]
JARS = ROOT / ".kafka" / "libs"
POM = Path(__file__).parent / "kafka" / "pom.xml"
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


class NoBrokerError(Exception):
    """No real broker can be had here; the message says why."""


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
        port, controller, sasl, tls = _free_ports(4)
        super().__init__(f"127.0.0.1:{port}")
        self.sasl_servers, self.tls_servers = f"127.0.0.1:{sasl}", f"127.0.0.1:{tls}"
        listeners = {"PLAINTEXT": port, "SASL_PLAINTEXT" if certificates is None else "SASL_SSL": sasl}
        if certificates is not None:
            listeners["SSL"] = tls
        advertised = ",".join(f"{name}://127.0.0.1:{number}" for name, number in listeners.items())
        self._directory = directory
        self._properties = directory / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
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
                "log.dirs": directory / "data",
            }
            | BROKER_PROPERTIES
            | dict(extra or {})
        )
        directory.mkdir(parents=True, exist_ok=True)
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        cluster = _kafka_uuid()
        user = f"SCRAM-SHA-512=[name={SASL_USER},password={SASL_PASSWORD}]"
        formatting = ["format", "--standalone", "-t", cluster, "-c", str(self._properties), "-S", user]
        done = subprocess.run(_java("kafka.tools.StorageTool", *formatting), capture_output=True, check=False)
        if done.returncode:
            raise NoBrokerError(f"formatting failed: {(done.stdout + done.stderr).decode()[-500:]}")

    def start(self) -> None:
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                _java("kafka.Kafka", str(self._properties)), stdout=log, stderr=log, start_new_session=True
            )
        self.wait_until_ready()

    def kill(self) -> None:
        """SIGKILL: the broker writes nothing more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


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
    _ensure_jars()
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


def _ensure_jars() -> None:
    """Kafka's jars in `.kafka/libs`, fetched once with Maven; several test processes may ask at once."""
    if shutil.which("java") is None:
        raise NoBrokerError("no Docker, and no java (17 or newer) to run Kafka's jars")
    JARS.parent.mkdir(exist_ok=True)
    complete = JARS.parent / f"complete-{POM.stat().st_size}"
    with (JARS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists():
            return
        if shutil.which("mvn") is None:
            raise NoBrokerError("no Docker, and no mvn to fetch Kafka's jars")
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        try:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={JARS}"], capture_output=True, timeout=280, check=False
            )
        except subprocess.TimeoutExpired:
            raise NoBrokerError("mvn did not fetch Kafka's jars within 280 s") from None
        if done.returncode:
            raise NoBrokerError(f"mvn could not fetch Kafka's jars: {done.stdout.decode()[-500:]}")
        complete.touch()


def _java(main_class: str, *arguments: str) -> list[str]:
    heap = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return ["java", *heap, "-cp", f"{JARS}/*", main_class, *arguments]


def _kafka_uuid() -> str:
    from base64 import urlsafe_b64encode

    text = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return "A" + text[1:]  # one in 64 would begin with "-", which is read as an option


#: Below those that systems give to outgoing connections: while a broker is down, a client that connects to it
#: again and again could be given its very port, and the broker could not come back.
_PORTS = range(15_000, 32_000)


def _free_ports(count: int) -> list[int]:
    found: list[socket.socket] = []
    while len(found) < count:
        with suppress(OSError):
            found.append(socket.create_server(("127.0.0.1", random.choice(_PORTS))))
    ports = [s.getsockname()[1] for s in found]
    for s in found:
        s.close()
    return ports
