"""Three real brokers and a controller, each a process of its own: what one loses, two others have."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.kafka_broker import BROKER_PROPERTIES, Broker
from tests.kafka_process import JarProcess, NoBrokerError, ensure_jars, free_ports, kafka_uuid

#: As the documentation asks of production: three copies, of which two must have what is acknowledged.
REPLICATED = {
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    # A dead broker is noticed after this long; Kafka's default is 9 s.
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 500,
}
_CONTROLLER, _BROKERS = 1, (2, 3, 4)


class Cluster(Broker):
    """Its brokers, by number; each can be killed and started again with its data, at the same address."""

    def __init__(self, directory: Path) -> None:
        controller, *ports = free_ports(4)
        super().__init__(",".join(f"127.0.0.1:{port}" for port in ports))
        cluster = kafka_uuid()
        common = {
            "controller.quorum.voters": f"{_CONTROLLER}@127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            **BROKER_PROPERTIES,
            **REPLICATED,
        }
        own: dict[int, dict[str, object]] = {
            _CONTROLLER: {
                "process.roles": "controller",
                "listeners": f"CONTROLLER://127.0.0.1:{controller}",
            },
            **{
                number: {"process.roles": "broker", "listeners": f"PLAINTEXT://127.0.0.1:{port}"}
                for number, port in zip(_BROKERS, ports, strict=True)
            },
        }

        def node(number: int) -> JarProcess:
            settings = {"node.id": number, **common, **own[number]}
            return JarProcess(directory / str(number), settings, cluster, heap="384m")

        with ThreadPoolExecutor(len(own)) as pool:  # formatting is a process of its own
            nodes = dict(zip(own, pool.map(node, own), strict=True))
        self.controller = nodes.pop(_CONTROLLER)
        self.brokers = nodes

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        super().wait_until_ready(seconds)
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        deadline = time.monotonic() + seconds
        while len(admin.list_topics(timeout=60).brokers) < len(self.brokers):
            if time.monotonic() > deadline:
                raise NoBrokerError("not all brokers have come")
            time.sleep(0.2)

    def in_sync(self) -> int:
        """The fewest copies that any partition has, of those that are not behind; 0 if none can be seen."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        topics = admin.list_topics(timeout=60).topics.values()
        copies = [len(part.isrs) for topic in topics for part in topic.partitions.values()]
        return min(copies, default=0)


@contextmanager
def open_cluster(directory: Path) -> Iterator[Cluster]:
    """A running cluster, from Kafka's jars. Raises NoBrokerError."""
    ensure_jars()
    cluster = Cluster(directory)
    with ExitStack() as ends:
        for node in (cluster.controller, *cluster.brokers.values()):
            ends.callback(node.kill)  # nobody needs its data any more
            node.start()
        cluster.wait_until_ready()
        yield cluster
