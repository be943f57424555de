"""A retrain request handed to a command: an argument list, never a shell, the record on standard input."""

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress

from streamgauge.clients.events import RetrainRequest
from streamgauge.notify.config_hooks import CommandTarget
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.hiding import hide

#: The exit code of a command that finds the request itself wrong (EX_DATAERR of sysexits.h): it is declined.
DATA_ERROR = 65
#: Of the notifier's environment, what a command gets. All else may be secret, such as passwords of Kafka.
INHERITED = ("PATH", "HOME", "LANG")
#: How much of what a command says is held, and how much of its last line is told.
_HELD_BYTES, _TOLD_CHARACTERS = 65_536, 200


def run(target: CommandTarget, request: RetrainRequest) -> Outcome:
    """Run it once. Exit code 0: it is handed over; 65: refused; any other: it is tried again.

    It gets a session of its own: when it takes too long, it is ended with all that it started. The reason has
    the last line that it said, without the values of its `environment`.
    """
    given = {name: value.get_secret_value() for name, value in target.environment.items()}
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    until = time.monotonic() + target.timeout / 1_000_000
    try:
        with tempfile.TemporaryFile() as body:
            body.write(json.dumps(dict(request.record)).encode())
            body.seek(0)
            process = subprocess.Popen(
                target.argv,
                stdin=body,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=inherited | given,
            )
    except OSError as error:
        return Outcome(Result.FAILED, f"{target.argv[0]}: {error.strerror or error}")
    with process:
        try:
            said = _end_of_words(process, until)
            process.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return Outcome(
                Result.FAILED, f"{target.argv[0]} took longer than {target.timeout // 1_000_000} s"
            )
    if process.returncode == 0:
        return Outcome(Result.DELIVERED)
    last = _last_line(said, given.values())
    reason = f"{target.argv[0]} ended with {process.returncode}{': ' if last else ''}{last}"
    return Outcome(Result.REFUSED if process.returncode == DATA_ERROR else Result.FAILED, reason)


def _end_of_words(process: subprocess.Popen[bytes], until: float) -> bytes:
    """The end of its standard error, once that is closed. Raises `TimeoutExpired`."""
    assert process.stderr is not None
    held = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while (left_s := until - time.monotonic()) > 0:
            if selector.select(left_s):
                more = os.read(process.stderr.fileno(), _HELD_BYTES)
                if not more:
                    return held
                held = (held + more)[-_HELD_BYTES:]
    raise subprocess.TimeoutExpired(process.args, 0)


def _last_line(said: bytes, secrets: Iterable[str]) -> str:
    """What of the last line can be told: nothing of one whose beginning, with half a secret, is lost."""
    text = hide(
        said.decode(errors="replace"),
        sorted({each.strip() for each in secrets} - {""}, key=len, reverse=True),
    )
    before, _, last = text.strip().rpartition("\n")
    return last[:_TOLD_CHARACTERS] if before or len(said) < _HELD_BYTES else ""
