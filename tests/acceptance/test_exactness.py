"""Whatever happens to workers, what they publish equals what is computed offline from the raw events."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.streams.worker import DISPLACED
from tests.acceptance.exact import Offline, assert_complete, assert_exact
from tests.acceptance.run import Run, open_partitions
from tests.acceptance.senders import Sender
from tests.acceptance.traffic import (
    CHANGE_US,
    PARTITIONS,
    SECOND_US,
    START_US,
    definitions,
    make_traffic,
)
from tests.harness import WorkerProcess, wait_until

pytestmark = pytest.mark.kafka

#: Forty minutes of traffic in ten seconds.
FAST = 240.0
WINDOW_US = round(300 * SECOND_US / FAST)


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
            wait_until(lambda n=number: sender.sent > sender.events * (1 + n) // 3)
            worker.kill()
            run.worker().wait_ready()

    traffic = make_traffic(seed=2)
    run.send(traffic, kill_both_in_turn)
    assert_exact(run, traffic)
    assert [worker.exit_code for worker in run.workers[2:]] == [None, None]


def test_a_worker_stopped_for_longer_than_its_session_changes_nothing(run: Run) -> None:
    def pause(sender: Sender, workers: list[WorkerProcess]) -> None:
        sleeper, survivor = workers
        wait_until(lambda: sender.sent > sender.events // 4)
        sleeper.pause()
        wait_until(lambda: open_partitions(survivor) == PARTITIONS)
        assert sender.sent < sender.events, "the traffic was over before the session was"
        sleeper.cont()
        # if it slept in the middle of something it is displaced; if not, it joins again as if it were new
        wait_until(lambda: sleeper.exit_code is not None or open_partitions(survivor) < PARTITIONS)
        assert sleeper.exit_code in (None, DISPLACED), sleeper.logs[-2000:]

    traffic = make_traffic(seed=3)
    run.send(traffic, pause, per_second=2_500)
    assert_exact(run, traffic)
    sleeper, *others = run.workers
    assert sleeper.exit_code in (None, DISPLACED)
    assert all(worker.exit_code is None for worker in others)


def test_the_clock_closes_windows_and_overtakes_no_event(run_by_the_clock: Run) -> None:
    def kill(sender: Sender, workers: list[WorkerProcess]) -> None:
        wait_until(lambda: sender.sent > sender.events // 2)
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
