"""A demo from its first process to its verdict: embedded broker, worker, traffic, and this process to watch."""

import json
import os
import signal
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import IO, Any

from streamgauge.clients.connection import Connection
from streamgauge.demo.board import Board
from streamgauge.demo.children import Child
from streamgauge.demo.definitions import send_definitions
from streamgauge.demo.faults import MINUTE_US
from streamgauge.demo.outputs import OutputReader
from streamgauge.demo.ports import free_port
from streamgauge.demo.report import plain, report
from streamgauge.demo.traffic import timeline_for
from streamgauge.demo.verdict import judge
from streamgauge.demo.view import Progress, View, make_view
from streamgauge.demo.world import SPAN_US, World
from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.streams.embedded import EmbeddedBroker

WINDOW_US = 5 * MINUTE_US
#: The worker must be ready so soon after its start, and judge what was sent so soon after the last event.
READY_WITHIN_S = 60.0
DRAIN_WITHIN_S = 45.0


@dataclass(frozen=True, slots=True)
class Options:
    """What ``streamgauge demo`` is asked for."""

    seconds: float = 90.0
    seed: int = 1
    with_faults: bool = True
    as_json: bool = False


def run_demo(options: Options) -> int:
    """Run it and print the verdict. 0 if every fault was noticed (without faults: if nothing was), else 1."""
    # In the past by all of its length, so that no event is ever ahead of the clock.
    start_us = (time.time_ns() // 1_000 - SPAN_US) // WINDOW_US * WINDOW_US - WINDOW_US
    world = World(options.seed, timeline_for(start_us, options.seconds), with_faults=options.with_faults)
    board = Board(world.services, world.faults)
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-demo-"))
    view = make_view(f"streamgauge demo, seed {options.seed}", options.seconds, board, quiet=options.as_json)
    with _stopping_signals(), ExitStack() as stack:
        stack.enter_context(view)
        _perform(options, start_us, board, view, folder, stack)
        view.show(board.advance(world.timeline.end_us))
    verdict = judge(world.faults, board.alert_events)
    if options.as_json:
        summary = {"seed": options.seed, "seconds": options.seconds, "retrain_requests": board.requests}
        print(json.dumps(summary | verdict.to_json() | {"logs": str(folder)}, indent=2))
    else:
        print()
        for line in report(verdict, board.requests):
            print(plain(line))
        print(f"      logs: {folder}")
    return 0 if verdict.passed() else 1


def _perform(
    options: Options, start_us: int, board: Board, view: View, folder: Path, stack: ExitStack
) -> None:
    view.refresh(Progress("starting the embedded broker and the worker"))
    broker = stack.enter_context(EmbeddedBroker())
    connection = Connection(broker.bootstrap_servers)
    port = free_port()
    environ = _environ(connection, port)
    worker = stack.enter_context(
        Child("worker", "streamgauge", ["worker"], folder / "worker.log", environ)
    )
    _await_ready(worker, port)
    send_definitions(connection, start_us)
    view.refresh(Progress("training the three models"))
    traffic = stack.enter_context(
        Child("traffic", "streamgauge.demo.traffic", _traffic_arguments(options, start_us), folder / "traffic.log", environ, piped=True)
    )
    reader = stack.enter_context(OutputReader(connection))
    reports = _lines_of(traffic.stdout)
    progress = Progress("training the three models")
    while not progress.phase.startswith("judging"):
        worker.check()
        traffic.check()
        if worker.exit_code() is not None:
            raise worker.death()
        progress = _latest(reports, progress)
        for topic, record in reader.poll(0.2):
            view.show(board.fold(topic, record))
        if progress.event_us is not None:
            view.show(board.advance(progress.event_us))
        view.refresh(progress)
    _drain(worker, reader, board, view, progress, start_us + SPAN_US)
