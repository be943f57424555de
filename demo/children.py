"""The demo's other processes: started with a log each, watched, and stopped whatever happens."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from streamgauge.schemas.errors import StreamgaugeError

#: How long a process has to end by itself once asked.
STOP_WITHIN_S = 10.0


class ChildDiedError(StreamgaugeError):
    """A process of the demo ended before its time. The message has the end of its log."""


class Child:
    """A Python module running as a process of its own, ``python -m module arguments``.

    Standard error goes to `log`; standard output too, unless `piped`: then it is `stdout`, and `say` reaches
    its standard input. It gets a session of its own, so that Ctrl-C reaches the demo alone, which then stops
    its children in order.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        log: Path,
        environ: Mapping[str, str],
        *,
        piped: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else stderr,
                stderr=stderr,
                env=dict(environ),
                cwd=log.parent,  # not where the user is: a .env there speaks of another cluster
                start_new_session=True,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdout(self) -> IO[str]:
        """What the process prints, if `piped`."""
        assert self._process.stdout is not None
        return self._process.stdout

    def say(self, line: str) -> None:
        """Write a line to its standard input, if `piped`; that it has ended is for `check` to tell."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, within_s: float) -> int:
        """Its exit code; raises `subprocess.TimeoutExpired`."""
        return self._process.wait(within_s)

    def check(self) -> None:
        """Raise `ChildDiedError` if it has ended, unless with 0."""
        if self.exit_code():
            raise self.death()

    def death(self) -> ChildDiedError:
        """The error that says how it ended."""
        code = self.exit_code()
        how = (
            f"was killed by {signal.Signals(-code).name}"
            if code is not None and code < 0
            else f"ended with {code}"
        )
        return ChildDiedError(f"the {self.name} {how}; the end of its log {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace").rstrip().splitlines()
        return "\n".join(f"  {line}" for line in text[-lines:]) or "  (empty)"

    def stop(self) -> None:
        """Ask it to end, and make it end if it does not."""
        if self.exit_code() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
