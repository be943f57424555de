"""Whatever happens to workers, what they publish equals what is computed offline from the raw events."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamgauge.clients.alerts import AlertSubscription
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.schemas.message import DEAD_LETTERS, METRICS
from streamgauge.schemas.monitor import MonitorDefinition
from tests.acceptance.feature_oracle import feature_differences, feature_metrics
from tests.acceptance.outcome import balance, ledgers, records
from tests.acceptance.run import Run, open_partitions
from tests.acceptance.senders import Sender
from tests.acceptance.traffic import (
    BASELINE_ROWS,
    CHANGE_US,
    CREDIT,
    PARTITIONS,
    SECOND_US,
    START_US,
    Traffic,
    definitions,
    make_traffic,
)
from tests.core.naive import Naive, differences
from tests.harness import WorkerProcess, wait_until

pytestmark = pytest.mark.kafka

DISPLACED = 3
#: Forty minutes of traffic in ten seconds.
FAST = 240.0
WINDOW_US = round(300 * SECOND_US / FAST)


class Offline:
    """Every metric of every window, from the raw events."""

    def __init__(self, traffic: Traffic, speed: float) -> None:
        watched = [MonitorDefinition.model_validate(document) for document in definitions(speed)]
        naive = Naive(watched)
        for event in traffic.predictions:
            naive.predict(event)
        for event in traffic.labels:
            naive.label(event)
        self._expected = naive.metrics(rollups=False)
        self._features = feature_metrics(traffic.predictions, BASELINE_ROWS, watched[0].window)

    def differences(self, run: Run) -> list[str]:
        """How what the workers have published so far differs; every record must be final."""
        published = records(run.connection, METRICS)
        return [
            *differences(published, self._expected),
            *feature_differences(published, self._features),
        ]


def assert_complete(run: Run, traffic: Traffic, change_us: int) -> None:
    """Ledgers, dead letters, and what subscribers get, of a run whose windows are all final."""
    connection = run.connection
    total = ledgers(connection)
    balance(total, traffic.sent)
    assert total["late"] == traffic.late
    assert total["dead:orphaned"] == total["orphaned"] == traffic.orphans
    assert len(records(connection, DEAD_LETTERS)) == traffic.orphans

    with AlertSubscription(connection, "pager", start="earliest", stop_at_end=True) as alerts:
        told = list(alerts)
    assert len({alert.event_id for alert in told}) == len(told)
    opened = [alert for alert in told if (alert.state, alert.monitor) == ("opened", "accuracy")]
    assert {alert.model for alert in opened} == {CREDIT}
    [alert] = [alert for alert in opened if (alert.version, alert.segment) == ("7", {})]
    assert (alert.severity, alert.limit) == ("critical", 0.8)
    assert alert.onset is not None
    assert alert.onset >= datetime.fromtimestamp(change_us / 1e6, UTC)
    with RetrainRequests(
        connection, "trainer", start="earliest", stop_at_end=True, include_expired=True
    ) as requests:
        [request] = list(requests)
        requests.check_data(request)
    assert (request.model, request.priority) == (CREDIT, "high")
    assert request.data_offsets


def assert_exact(run: Run, traffic: Traffic) -> None:
    """All windows are final, every number is the one computed offline, and nothing was lost or doubled."""
    assert traffic.sent > 50_000
    assert Offline(traffic, 1.0).differences(run) == []
    assert_complete(run, traffic, CHANGE_US)


@pytest.fixture
def run(broker: str, prefix: str, tmp_path: Path) -> Iterator[Run]:
    """Two workers, whose time moves by the events alone."""
    with Run(broker, prefix, tmp_path) as started:
        started.start(definitions())
        yield started


@pytest.fixture
def run_by_the_clock(broker: str, prefix: str, tmp_path: Path) -> Iterator[Run]:
    """Two workers as they are by default: idle windows close by the clock."""
    with Run(broker, prefix, tmp_path, clock="wall") as started:
        started.start(definitions(FAST))
        yield started


def test_two_workers_publish_what_is_computed_offline(run: Run) -> None:
    traffic = make_traffic(seed=1)
    run.send(traffic)
    assert_exact(run, traffic)
    assert [worker.stop() for worker in run.workers] == [0, 0]


def test_workers_killed_in_the_middle_change_nothing(run: Run) -> None:
    def kill_both_in_turn(sender: Sender, workers: list[WorkerProcess]) -> None:
        for number, worker in enumerate(workers[:2]):
            wait_until(lambda n=number: sender.sent > sender.events * (1 + n) // 3, 60)
            worker.kill()
            run.worker().wait_ready()

    traffic = make_traffic(seed=2)
    run.send(traffic, kill_both_in_turn)
    assert_exact(run, traffic)
    assert [worker.exit_code for worker in run.workers[2:]] == [None, None]


def test_a_worker_stopped_for_longer_than_its_session_changes_nothing(run: Run) -> None:
    def pause(sender: Sender, workers: list[WorkerProcess]) -> None:
        sleeper, survivor = workers
        wait_until(lambda: sender.sent > sender.events // 4, 60)
        sleeper.pause()
        wait_until(lambda: open_partitions(survivor) == PARTITIONS, 60)
        assert sender.sent < sender.events, "the traffic was over before the session was"
        sleeper.cont()
        # if it slept in the middle of something it is displaced; if not, it joins again as if it were new
        wait_until(lambda: sleeper.exit_code is not None or open_partitions(survivor) < PARTITIONS, 60)
        if sleeper.exit_code is not None:
            assert sleeper.exit_code == DISPLACED, sleeper.logs[-2000:]
            run.worker()

    traffic = make_traffic(seed=3)
    run.send(traffic, pause, per_second=2_500)
    assert_exact(run, traffic)
    sleeper, *others = run.workers
    assert sleeper.exit_code in (None, DISPLACED)
    assert all(worker.exit_code is None for worker in others)


def test_the_clock_closes_windows_and_overtakes_no_event(run_by_the_clock: Run) -> None:
    def kill(sender: Sender, workers: list[WorkerProcess]) -> None:
        wait_until(lambda: sender.sent > sender.events // 2, 60)
        workers[0].kill()
        run_by_the_clock.worker()

    run, start_us = run_by_the_clock, time.time_ns() // 1_000 + SECOND_US
    traffic = make_traffic(4, predictions=7_000, start_us=start_us, speed=FAST)
    traffic.late, traffic.afterwards = 0, []
    run.send(traffic, kill, per_second=None)
    offline = Offline(traffic, FAST)
    deadline = time.monotonic() + 60
    while (wrong := offline.differences(run)) and time.monotonic() < deadline:
        time.sleep(1)  # until the last label's time to live is over
    assert wrong == []
    assert_complete(run, traffic, start_us + round((CHANGE_US - START_US) / FAST) - WINDOW_US)
