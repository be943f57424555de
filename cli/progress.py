"""How far long work is, on standard error: a bar on a terminal, a line for each tenth elsewhere."""

import sys
import time
from contextlib import AbstractContextManager
from typing import Any

_EVERY_S = 0.1


class ProgressBar(AbstractContextManager["ProgressBar"]):
    """Call it with (done, all there is). On a terminal rich draws the bar, if it is installed.

    Nothing is said of work that takes less than a second.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = self._told_at = time.monotonic()
        self._tenth = 0
        self._bar: Any = None
        self._task: Any = None
        if sys.stderr.isatty():
            try:
                from rich.console import Console
                from rich.progress import Progress
            except ModuleNotFoundError:
                return
            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(what, total=None)

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told_at < _EVERY_S or now - self._began < 1:
            return
        self._told_at = now
        if self._bar is not None:
            self._bar.start()  # has no effect the second time
            self._bar.update(self._task, completed=done, total=total)
            return
        tenth = done * 10 // max(total, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            print(f"{self._what}: {tenth * 10} % in {now - self._began:,.0f} s", file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
