"""How a running demo looks: a live screen on a terminal, plain lines anywhere else."""

import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streamgauge.demo.board import Board, Row
from streamgauge.demo.news import Line, Tone, clock, plain

STYLES: dict[Tone, str] = {
    "fault": "bold yellow",
    "alert": "bold red",
    "ended": "green",
    "retrain": "cyan",
    "quiet": "dim",
}
#: Without a terminal, the models are summed up so often, in seconds.
STATUS_EVERY_S = 15.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the demo is: in words, in event time (None before traffic), in seconds, in predictions sent."""

    phase: str
    event_us: int | None = None
    elapsed_s: float = 0.0
    sent: int = 0


class View(Protocol):
    """What the demo tells its progress to; a context, entered once."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, lines: Iterable[Line]) -> None:
        """News, as they come."""

    def refresh(self, progress: Progress) -> None:
        """Called several times a second."""


class ScreenView:
    """Redraws one screen: the models, and the latest news."""

    def __init__(self, title: str, seconds: float, board: Board, console: Console) -> None:
        self._title = title
        self._seconds = seconds
        self._board = board
        self._console = console
        self._news: deque[Line] = deque(maxlen=200)
        self._progress = Progress("starting")
        self._live = Live(console=console, auto_refresh=False, get_renderable=self._draw)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.refresh()
        self._live.stop()

    def show(self, lines: Iterable[Line]) -> None:
        self._news.extend(lines)

    def refresh(self, progress: Progress) -> None:
        self._progress = progress
        self._live.refresh()

    def _draw(self) -> Group:
        room = max(6, self._console.height - len(self._board.rows) - 10)
        news = [
            Text.assemble((f"{clock(line.time_us)} ", "dim"), (f"{line.mark} {line.text}", STYLES[line.tone]))
            for line in list(self._news)[-room:]
        ]
        for text in news:
            text.no_wrap, text.overflow = True, "ellipsis"
        empty = Text("nothing has gone wrong yet: the monitors learn what is normal", "dim")
        return Group(
            self._header(),
            self._models(),
            Panel(
                Group(*(news or [empty])),
                title="▼ △ a fault, unknown to the worker   ● alert   ✓ over   ↻ ⇄ a new model",
                title_align="left",
            ),
        )

    def _header(self) -> Text:
        progress = self._progress
        text = Text.assemble((self._title, "bold"), " · embedded broker: not durable\n")
        text.append(_progress_in_words(progress, self._seconds), "dim")
        return text

    def _models(self) -> Table:
        table = Table(expand=True, box=None, header_style="bold", padding=(0, 2, 0, 0))
        for heading in ("model", "judged", "window", "quality (95 %)", "p99"):
            table.add_column(
                heading, no_wrap=True, justify="right" if heading in ("judged", "p99") else "left"
            )
        table.add_column("open alerts", ratio=1)
        for row in self._board.rows.values():
            table.add_row(*_cells(row), _open_alerts(row))
        return table


class PlainView:
    """Prints news as lines, and now and then how the models are."""

    def __init__(self, title: str, seconds: float, board: Board, stream: TextIO) -> None:
        self._title = title
        self._seconds = seconds
        self._board = board
        self._stream = stream
        self._phase = ""
        self._next_status_s = STATUS_EVERY_S

    def __enter__(self) -> Self:
        self._print(f"{self._title} · embedded broker: not durable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def show(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._print(plain(line))

    def refresh(self, progress: Progress) -> None:
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._print(_progress_in_words(progress, self._seconds))
        if progress.elapsed_s >= self._next_status_s:
            self._next_status_s += STATUS_EVERY_S
            self._print(_progress_in_words(progress, self._seconds))
            for row in self._board.rows.values():
                alerts = ", ".join(sorted({alert["monitor"] for alert in row.open.values()})) or "none"
                self._print("      " + "  ".join((*_cells(row), f"open alerts: {alerts}")))

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def make_view(title: str, seconds: float, board: Board, *, quiet: bool = False) -> View:
    """A screen if standard output is a terminal; else plain lines, on standard error if `quiet`."""
    if not quiet and sys.stdout.isatty():
        return ScreenView(title, seconds, board, Console())
    return PlainView(title, seconds, board, sys.stderr if quiet else sys.stdout)


def _progress_in_words(progress: Progress, seconds: float) -> str:
    if progress.event_us is None:
        return progress.phase
    rate = progress.sent / progress.elapsed_s if progress.elapsed_s else 0.0
    return (
        f"{progress.phase} · {progress.elapsed_s:.0f} of {seconds:.0f} s, event time "
        f"{clock(progress.event_us)} · {progress.sent:,} predictions, {rate:,.0f}/s"
    )


def _cells(row: Row) -> tuple[str, ...]:
    window = clock(row.window_end_us - 1) if row.window_end_us else "–"
    return (
        f"{row.service.name} {row.version}",
        f"{row.judged:,}",
        window,
        row.quality or "–",
        row.latency or "–",
    )


def _open_alerts(row: Row) -> Text:
    return Text(
        ", ".join(sorted({alert["monitor"] for alert in row.open.values()})) or "–",
        STYLES["alert"] if row.open else "dim",
    )
