"""Log lines of a worker: a failure says where it happened, and nothing of what users sent."""

import json
import subprocess
import sys

import pytest

FAILING = """
import structlog
from streamgauge.streams.logs import configure_logs

configure_logs("info", {form!r})
try:
    sent_by_a_user = "a secret".upper()
    raise KeyError("field")
except KeyError:
    structlog.get_logger("streamgauge.worker").exception("failed", partition=3)
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_holds_no_local_variables(form: str) -> None:
    command = [sys.executable, "-c", FAILING.format(form=form)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "KeyError" in done.stderr
    assert "A SECRET" not in done.stderr
    if form == "json":
        assert json.loads(done.stderr)["partition"] == 3
