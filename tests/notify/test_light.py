"""The extra `notifier` is enough for the notifier: what only workers install is not there."""

import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
CODE = """
import importlib, pkgutil, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
import streamgauge.notify, streamgauge.cli.notifier
for module in pkgutil.walk_packages(streamgauge.notify.__path__, "streamgauge.notify."):
    importlib.import_module(module.name)
"""


def test_everything_of_it_is_imported_without_the_workers_packages():
    extras = {
        name: {Requirement(line).name for line in EXTRAS["optional-dependencies"][name]}
        for name in ("worker", "notifier")
    }
    missing = {"faust", "mode", "aiokafka", "rocksdict"} | {
        name.replace("-", "_") for name in extras["worker"] - extras["notifier"] - {"click"}
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE.replace("{missing}", repr(missing))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
