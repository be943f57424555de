"""What a serving app imports to write events: nothing of the worker."""

import subprocess
import sys

import pytest

HEAVY = {"msgspec", "pydantic", "faust", "river", "structlog", "prometheus_client"}
LIGHT = (
    "encode",
    "control",
    "dead_letter",
    "ids",
    "times",
    "batch",
    "limits",
    "errors",
    "message",
    "framing",
)


@pytest.mark.parametrize("module", LIGHT)
def test_a_sender_s_module_imports_nothing_heavy(module: str) -> None:
    script = f"import sys, streamgauge.schemas.{module}; print(*(m.partition('.')[0] for m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(found.stdout.split())
