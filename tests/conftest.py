"""Of all tests: which begin first, and their real broker, started once a run (once a process under xdist)."""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from tests.certificates import Certificates
from tests.examples import DAILY
from tests.kafka_broker import Broker, JarBroker, OwnBroker, open_broker, open_jar_broker
from tests.kafka_cluster import Cluster, open_cluster
from tests.kafka_process import NoBrokerError
from tests.longest import LONGEST

settings.register_profile("daily", max_examples=DAILY, deadline=None)

_FOLDER = Path(__file__).parent
_unavailable: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seconds = {_FOLDER / name: seconds for name, seconds in LONGEST.items()}
    items.sort(key=lambda item: -seconds.get(item.path, 0))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The real broker of this run. Without one the test is skipped, and the last lines say why."""
    if _unavailable:
        _no_broker()
    try:
        with open_broker(tmp_path_factory.mktemp("kafka")) as running:
            yield running
    except NoBrokerError as why:
        _unavailable.append(str(why))
        _no_broker()


@pytest.fixture
def broker(kafka: Broker) -> str:
    """The bootstrap servers of the real broker."""
    return kafka.bootstrap_servers


@pytest.fixture(scope="session")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> OwnBroker:
    """Opens a broker for whoever asks. Without one the test is skipped, as without `kafka`."""

    @contextmanager
    def open_own(
        extra: Mapping[str, object] | None = None, certificates: Certificates | None = None
    ) -> Iterator[JarBroker]:
        try:
            with open_jar_broker(tmp_path_factory.mktemp("kafka"), extra, certificates) as running:
                yield running
        except NoBrokerError as why:
            _unavailable.append(str(why))
            _no_broker()

    return open_own


@pytest.fixture
def restartable_broker(kafka: Broker, own_broker: OwnBroker) -> Iterator[JarBroker]:
    """A broker that the test may kill and start again."""
    if isinstance(kafka, JarBroker):
        yield kafka
        return
    with own_broker() as running:
        yield running


@pytest.fixture
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers that the test may kill, with three copies of everything."""
    try:
        with open_cluster(tmp_path_factory.mktemp("cluster")) as running:
            yield running
    except NoBrokerError as why:
        _unavailable.append(str(why))
        _no_broker()


@pytest.fixture
def prefix() -> str:
    """A topic prefix of this test's own."""
    return f"t{uuid.uuid4().hex[:10]}."


def _no_broker() -> None:
    message = f"no real Kafka broker: {_unavailable[-1]}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for missing, tests in (
        ("no real Kafka broker", "real-broker"),
        ("no real Alertmanager", "Alertmanager"),
        ("no real schema registry", "schema-registry"),
        ("no verdict", "chaos"),
    ):
        skipped = [r for r in terminalreporter.stats.get("skipped", []) if missing in str(r.longrepr)]
        if skipped:
            reason = str(skipped[0].longrepr[2])  # type: ignore[index]
            terminalreporter.write_sep("!", f"{len(skipped)} {tests} tests DID NOT RUN", red=True, bold=True)
            terminalreporter.write_line(reason)
