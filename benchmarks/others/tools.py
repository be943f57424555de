"""The tools, their versions, and an environment for each: what they need conflicts, with ours too."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.others.data import FULL, Size

ROOT = Path(__file__).parents[2]
DRIVERS = Path(__file__).parent / "drivers"
#: They would tell their makers that they are used; compiled once, so that a start is not an hour.
_ENVIRONMENT = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}


@dataclass(frozen=True, slots=True)
class Method:
    """Of a tool: its name, how many batches are timed after some that warm up, and how much of the data it is
    given, if all of it would take too long."""

    name: str
    timed: int = 20
    warm_up: int = 2
    at_most: Size = FULL


@dataclass(frozen=True, slots=True)
class Tool:
    """What pip installs, pinned, into build/others/; nothing for ours, which is here."""

    name: str
    driver: str
    methods: tuple[Method, ...]
    requires: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """As pip knows it; of what is here, none."""
        return self.requires[0].partition("==")[2] if self.requires else ""

    @property
    def python(self) -> Path:
        """Of its environment."""
        folder = ROOT / "build" / "others" / self.driver
        return folder / "bin" / "python" if self.requires else Path(sys.executable)

    def install(self) -> None:
        """Makes its environment, unless that has just these packages already."""
        if not self.requires:
            return
        folder, wanted = self.python.parents[1], "\n".join(self.requires)
        done = folder / "installed.txt"
        if done.exists() and done.read_text() == wanted:
            return
        print(f"installing {self.name} {self.version} …", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *self.requires], check=True, env=_environment())
        done.write_text(wanted)

    def run(self, what: str, method: Method, folder: Path, sizes: Mapping[str, int]) -> dict[str, Any]:
        """What the driver prints: `cost` or `alarms`, on the files of the folder."""
        script = DRIVERS / f"with_{self.driver}.py"
        done = subprocess.run(
            [self.python, script, what, method.name, folder, json.dumps(sizes)],
            capture_output=True, text=True, check=False, env=_environment(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{self.name}, {method.name}:\n{done.stderr[-2_000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | _ENVIRONMENT


OURS = Tool(
    "Streamgauge",
    "ours",
    (
        Method("500 a window, messages of 500"),
        Method("500 a window, messages of 50"),
        Method("500 a second, messages of 500"),
    ),
)
OTHERS = (
    Tool(
        "Evidently",
        "evidently",
        (Method("DataDriftPreset", timed=3, warm_up=1, at_most=Size(2, 10, 1, 3)),),
        ("evidently==0.7.23", "pandas==2.3.3"),  # with pandas 3 it cannot be imported
    ),
    Tool(
        "NannyML",
        "nannyml",
        (
            Method("UnivariateDriftCalculator", at_most=Size(5, 60, 5, 10)),
            Method("MissingValuesCalculator", at_most=Size(5, 60, 5, 10)),
        ),
        ("nannyml==0.13.1", "pandas==3.1.1", "statsmodels==0.15.0"),  # imported, and not declared
    ),
    Tool(
        "whylogs",
        "whylogs",
        (Method("drift scores", timed=10, at_most=Size(5, 60, 5, 10)),),
        ("whylogs[viz]==1.6.4", "pandas==2.3.3"),
    ),
    Tool("alibi-detect", "alibi_detect", (Method("TabularDrift"),), ("alibi-detect==0.13.0",)),
    Tool(
        "River",
        "river",
        (Method("ADWIN"), Method("KSWIN", timed=2, warm_up=0, at_most=Size(1, 2, 1, 1))),
        ("river==0.26.1",),
    ),
)
TOOLS = (OURS, *OTHERS)
