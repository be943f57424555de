"""A retrain request handed to a command: an argument list, never a shell, the record on standard input."""

import json
import os
import signal
import subprocess
from contextlib import suppress

from streamgauge.clients.events import RetrainRequest
from streamgauge.notify.config_hooks import CommandTarget
from streamgauge.notify.core.outcomes import Outcome, Result

#: The exit code of a command that finds the request itself wrong (EX_DATAERR of sysexits.h): it is declined.
DATA_ERROR = 65


def run(target: CommandTarget, request: RetrainRequest) -> Outcome:
    """Run it once. Exit code 0: it is handed over; 65: refused; any other: it is tried again.

    It gets a session of its own: when it takes too long, it is ended with all that it started.
    """
    try:
        process = subprocess.Popen(
            target.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Outcome(Result.FAILED, f"{target.argv[0]}: {error.strerror or error}")
    body = json.dumps(dict(request.record)).encode()
    with process:
        try:
            _, said = process.communicate(body, timeout=target.timeout / 1_000_000)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return Outcome(
                Result.FAILED, f"{target.argv[0]} took longer than {target.timeout // 1_000_000} s"
            )
    if process.returncode == 0:
        return Outcome(Result.DELIVERED)
    last = said.decode(errors="replace").strip().rpartition("\n")[2][:200]
    reason = f"{target.argv[0]} ended with {process.returncode}{': ' if last else ''}{last}"
    return Outcome(Result.REFUSED if process.returncode == DATA_ERROR else Result.FAILED, reason)
