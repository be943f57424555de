"""Three brokers, three copies of everything: each broker is killed in turn, and no number changes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.exact import Offline, assert_complete
from tests.acceptance.run import Run
from tests.acceptance.senders import Sender
from tests.acceptance.traffic import CHANGE_US, definitions, make_traffic
from tests.harness import WorkerProcess, wait_until
from tests.kafka_cluster import Cluster

pytestmark = pytest.mark.kafka
#: Exit codes after which a supervisor starts a worker again.
FAILED, FENCED = 1, 3


@pytest.fixture
def run(three_brokers: Cluster, prefix: str, tmp_path: Path) -> Iterator[Run]:
    """Two workers on three brokers."""
    with Run(three_brokers.bootstrap_servers, prefix, tmp_path, replication=3) as started:
        started.start(definitions())
        yield started


def goes_on(run: Run, before: int) -> bool:
    return run.applied() > before


def test_each_of_three_brokers_killed_in_turn_under_load_changes_nothing(
    three_brokers: Cluster, run: Run
) -> None:
    def kill_each(sender: Sender, workers: list[WorkerProcess]) -> None:
        for broker in three_brokers.brokers.values():
            assert sender.sent < sender.events, "the traffic was over too soon"
            broker.kill()
            wait_until(lambda: three_brokers.in_sync() == 2, saying="the others know that it is gone")
            wait_until(partial(goes_on, run, run.applied()), saying="work goes on without it")
            broker.start()
            wait_until(lambda: three_brokers.in_sync() == 3, saying="it has caught up")
            for worker in list(workers):
                if worker.exit_code in (FAILED, FENCED):  # as a supervisor does
                    workers.remove(worker)
                    run.worker()
        sender.per_second = 10_000

    traffic = make_traffic(seed=5, predictions=10_000)
    run.send(traffic, kill_each, per_second=200)
    assert Offline(traffic, 1.0).differences(run) == []
    assert_complete(run, traffic, CHANGE_US)
