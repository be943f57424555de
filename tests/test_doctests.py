"""Examples in docstrings run; modules are imported by the only name they have, `streamgauge.…`."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("schemas", "detectors", "streams", "clients", "cli", "demo", "notify")


def modules():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(("streamgauge", *(part for part in parts if part != "__init__")))


@pytest.mark.parametrize("name", list(modules()))
def test_examples_are_true(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0, f"{results.failed} of {results.attempted} examples failed, see above"
