"""Whatever happens to workers, what they publish equals what is computed offline from the raw events."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamgauge.clients.alerts import AlertSubscription
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.schemas.message import DEAD_LETTERS, METRICS
from streamgauge.schemas.monitor import MonitorDefinition
from tests.acceptance.outcome import balance, ledgers, records
from tests.acceptance.run import Run, open_partitions
from tests.acceptance.traffic import (
    CHANGE_US,
    CREDIT,
    DEFINITIONS,
    PARTITIONS,
    SPAN_US,
    START_US,
    Sender,
    Traffic,
    make_traffic,
)
from tests.core.naive import Key, Naive, Number, differences, key_of
from tests.harness import WorkerProcess, wait_until

pytestmark = pytest.mark.kafka

DISPLACED = 3


@pytest.fixture
def run(broker: str, prefix: str, tmp_path: Path) -> Iterator[Run]:
    with Run(broker, prefix, tmp_path) as started:
        started.start(DEFINITIONS)
        yield started


def offline(traffic: Traffic) -> dict[Key, Number]:
    """Every metric of every window, from the raw events."""
    naive = Naive(MonitorDefinition.model_validate(definition) for definition in DEFINITIONS)
    for event in traffic.predictions:
        naive.predict(event)
    for event in traffic.labels:
        naive.label(event)
    return naive.metrics()


def assert_exact(run: Run, traffic: Traffic) -> None:
    """Metrics, ledgers, dead letters and subscribers' view of a run that is over."""
    connection = run.connection
    assert traffic.sent >= 50_000
    windows = range(START_US, START_US + SPAN_US)
    published = [metric for metric in records(connection, METRICS) if key_of(metric)[3] in windows]
    expected = offline(traffic)
    assert len(expected) > 2_000
    assert differences(published, expected) == []
    total = ledgers(connection)
    balance(total, traffic.sent)
    assert total["late"] == traffic.late
    assert total["dead:orphaned"] == total["orphaned"] == traffic.orphans
    assert len(records(connection, DEAD_LETTERS)) == traffic.orphans

    with AlertSubscription(connection, "pager", start="earliest", stop_at_end=True) as alerts:
        opened = [alert for alert in alerts if (alert.state, alert.monitor) == ("opened", "accuracy")]
    assert {alert.model for alert in opened} == {CREDIT}
    [alert] = [alert for alert in opened if (alert.version, alert.segment) == ("7", {})]
    assert (alert.severity, alert.limit) == ("critical", 0.8)
    assert alert.onset is not None
    assert alert.onset >= datetime.fromtimestamp(CHANGE_US / 1e6, UTC)
    with RetrainRequests(
        connection, "trainer", start="earliest", stop_at_end=True, include_expired=True
    ) as requests:
        [request] = list(requests)
        requests.check_data(request)
    assert (request.model, request.priority) == (CREDIT, "high")
    assert request.data_offsets


def test_two_workers_publish_what_is_computed_offline(run: Run) -> None:
    traffic = make_traffic(seed=1)
    run.send(traffic)
    assert_exact(run, traffic)
    assert [worker.stop() for worker in run.workers] == [0, 0]


def test_a_worker_killed_in_the_middle_changes_nothing(run: Run) -> None:
    def kill(sender: Sender, workers: list[WorkerProcess]) -> None:
        wait_until(lambda: sender.sent > sender.events // 3, 60)
        workers[0].kill()
        wait_until(lambda: sender.sent > sender.events * 2 // 3, 60)
        run.worker()

    traffic = make_traffic(seed=2)
    run.send(traffic, kill)
    assert_exact(run, traffic)
    assert [worker.exit_code for worker in run.workers[1:]] == [None, None]


def test_a_worker_stopped_for_longer_than_its_session_changes_nothing(run: Run) -> None:
    def pause(sender: Sender, workers: list[WorkerProcess]) -> None:
        sleeper, survivor = workers
        wait_until(lambda: sender.sent > sender.events // 4, 60)
        sleeper.pause()
        wait_until(lambda: open_partitions(survivor) == PARTITIONS, 60)
        assert sender.sent < sender.events, "the traffic was over before the session was"
        sleeper.cont()
        assert sleeper.wait(30) == DISPLACED, sleeper.logs[-2000:]
        run.worker()

    traffic = make_traffic(seed=3)
    run.send(traffic, pause, per_second=2_500)
    assert_exact(run, traffic)
    assert [worker.exit_code for worker in run.workers[1:]] == [None, None]
