"""The whole demo for real: it passes, it says what died, it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PATIENCE_S = 120.0


def _with_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _demo(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "streamgauge", "demo", "--seconds=30", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl+C, and whoever they start: these tests may be run by one.
        preexec_fn=_with_interrupts,
    )


def _children(parent: int) -> dict[int, str]:
    """Process ids with their command lines, from /proc."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent and fields[0] != "Z":
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # it ended while we looked
    return found


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _running(parent: int, what: str) -> int | None:
    return next((pid for pid, command in _children(parent).items() if what in command), None)


def test_every_fault_is_noticed_on_the_embedded_broker() -> None:
    demo = _demo("--seed=2", "--json")
    out, err = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0, out + err
    verdict = json.loads(out)
    assert verdict["passed"]
    assert len(verdict["faults"]) == 4
    assert verdict["causeless"] == []
    assert verdict["retrain_requests"] > 0
    decided = [each for each in verdict["successors"] if each["verdict"] == "better"]
    assert decided, verdict["successors"]
    assert all(each["delay_s"] > 0 for each in decided)
    assert "embedded broker: not durable" in err


def test_without_faults_there_is_no_alert_on_the_embedded_broker() -> None:
    demo = _demo("--no-faults")
    out, err = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0, out + err
    assert out.rstrip().endswith("no faults, and no alerts: 0 false alarms")


def test_a_worker_that_dies_is_reported_and_ends_the_demo() -> None:
    demo = _demo()
    _until(lambda: _running(demo.pid, "demo.traffic") is not None)
    worker = _running(demo.pid, "streamgauge worker")
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    _, err = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 1
    assert "the worker was killed by SIGKILL" in err
    assert "worker.log" in err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_behind(signum: signal.Signals) -> None:
    demo = _demo()
    _until(lambda: _running(demo.pid, "demo.traffic") is not None)
    children = _children(demo.pid)
    assert len(children) == 4
    demo.send_signal(signum)
    demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 130
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
