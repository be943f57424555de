"""A demo from its first process to its verdict."""

import json
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from streamgauge.demo.board import Board
from streamgauge.demo.definitions import send_definitions
from streamgauge.demo.faults import MINUTE_US
from streamgauge.demo.news import Line, plain
from streamgauge.demo.outputs import OutputReader
from streamgauge.demo.report import report, successors
from streamgauge.demo.stage import Stage
from streamgauge.demo.traffic import timeline_for
from streamgauge.demo.verdict import judge
from streamgauge.demo.view import Progress, View, make_view
from streamgauge.demo.world import SPAN_US, World
from streamgauge.schemas.durations import SECOND_US
from streamgauge.schemas.errors import StreamgaugeError

WINDOW_US = 5 * MINUTE_US
#: After the traffic, the worker is done when all windows have come and then nothing for a moment; it is stuck
#: if windows are missing and nothing has come for so long.
QUIET_S = 1.5
STUCK_S = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """What ``streamgauge demo`` is asked for."""

    seconds: float = 90.0
    seed: int = 1
    with_faults: bool = True
    as_json: bool = False


def run_demo(options: Options) -> int:
    """Run it and print the verdict: 0 if every fault was noticed (without faults: if nothing was), else 1.

    Raises `StreamgaugeError` if a process ends before its time or the worker stays behind.
    """
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-demo-"))
    # Event time lies in the past by all of its length, so that no event is ever ahead of the clock.
    start_us = (time.time_ns() // 1_000 - SPAN_US) // WINDOW_US * WINDOW_US - WINDOW_US
    timeline = timeline_for(start_us, options.seconds)
    with _signals_that_stop(), Stage(folder, _traffic_arguments(options, start_us)) as stage:
        world = World(options.seed, timeline, with_faults=options.with_faults)
        board = Board(world.services, world.faults)
        title = f"streamgauge demo, seed {options.seed}"
        with make_view(title, options.seconds, board, quiet=options.as_json) as view:
            view.refresh(Progress(f"starting them; logs in {folder}"))
            stage.await_worker()
            send_definitions(stage.connection, start_us)
            with OutputReader(stage.connection) as outputs:
                stage.start_traffic()
                _watch(stage, outputs, board, view, start_us + SPAN_US)
    verdict = judge(world.faults, board.alert_events)
    if options.as_json:
        told: dict[str, Any] = {
            "seed": options.seed,
            "seconds": options.seconds,
            "retrain_requests": board.requests,
        }
        told |= {"successors": successors(verdict, board)}
        print(json.dumps(told | verdict.to_json() | {"logs": str(folder)}, indent=2))
    else:
        print()
        for line in report(verdict, board, SPAN_US / SECOND_US / options.seconds):
            print(plain(line))
    return 0 if verdict.passed() else 1


def _watch(stage: Stage, outputs: OutputReader, board: Board, view: View, end_us: int) -> None:
    """Show everything until the traffic is done and the worker has judged it."""
    progress = Progress("starting the traffic")
    done = False
    last_news_s = time.monotonic()
    while True:
        stage.check()
        for told in stage.reports():
            if "event_us" in told:
                progress = Progress("traffic", told["event_us"], told["elapsed_s"], told["sent"])
            else:
                done = True
                progress = replace(progress, phase="judging what is left")
        news = board.advance(progress.event_us or 0)
        for topic, record in outputs.poll(0.2):
            news += board.fold(topic, record)
            last_news_s = time.monotonic()
        for order in board.successors.orders():
            stage.order(order)
        view.show(sorted(news, key=_order_of_news))
        view.refresh(progress)
        quiet_s = time.monotonic() - last_news_s
        # Windows close once an event lies `grace` beyond their end: the last one stays open.
        judged = board.windows_end_us() >= end_us - WINDOW_US
        if done and judged and quiet_s > QUIET_S:
            return
        if done and quiet_s > STUCK_S:
            raise StreamgaugeError(
                f"the worker has not judged all of the traffic, and has said nothing for {STUCK_S:.0f} s: "
                "it may have missed events that the embedded broker keeps for a short while only; give it "
                "more time with --seconds"
            )


def _order_of_news(line: Line) -> tuple[int, bool]:
    """Topics have no order between them: by event time, and a request after the alert that it answers."""
    return line.time_us, line.tone == "retrain"


def _traffic_arguments(options: Options, start_us: int) -> list[str]:
    arguments = [f"--seed={options.seed}", f"--start-us={start_us}", f"--seconds={options.seconds}"]
    return arguments if options.with_faults else [*arguments, "--no-faults"]


@contextmanager
def _signals_that_stop() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does, with its processes stopped."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
