"""Costs by turns, alarms without drift, and delays: one row for each verdict of each method of each tool."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.others.data import BEFORE, CHANGES, Size, write
from benchmarks.others.tools import Method, Tool


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one verdict.

    `us` an event, `peak_mb` of the whole process; of `windows` and `models` without drift, those with an
    alarm, and all. `delays` by change: median events, none if half of the models had no alarm; models that
    had none; all; and after how many windows that was given up.
    """

    tool: str
    version: str
    method: str
    verdict: str
    us: float
    peak_mb: float
    windows: Sequence[int]
    models: Sequence[int]
    delays: Mapping[str, Sequence[float | None]]


def measured(tools: Sequence[Tool], size: Size, turns: int) -> list[Row]:
    """All rows, ours first; of costs, the best of some turns for each batch."""
    methods = [(tool, method) for tool in tools for method in tool.methods]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, size)
        best: dict[str, Any] = {}
        for _ in range(turns):
            for tool, method in methods:
                _take_turn(best, tool, method, folder, size)

        def rows(of: tuple[Tool, Method]) -> list[Row]:
            tool, method = of
            sizes = _sizes(method, size)
            found = tool.run("alarms", method, folder, sizes)
            return _rows(tool, method, best[f"{tool.name}, {method.name}"], found, sizes)

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # not timed, so they may disturb each other
            return [row for some in pool.map(rows, methods) for row in some]


def _take_turn(best: dict[str, Any], tool: Tool, method: Method, folder: Path, size: Size) -> None:
    key = f"{tool.name}, {method.name}"
    print(f"{key} …", file=sys.stderr)
    found = tool.run("cost", method, folder, _sizes(method, size))
    known = best.setdefault(key, found)
    known["us"] = np.minimum(known["us"], found["us"])
    known["peak_mb"] = max(known["peak_mb"], found["peak_mb"])


def _sizes(method: Method, size: Size) -> dict[str, int]:
    least = {name: min(n, asdict(method.at_most)[name]) for name, n in asdict(size).items()}
    timed = max(1, min(method.timed, size.windows - method.warm_up))
    return least | {"before": BEFORE, "changes": len(CHANGES), "timed": timed, "warm_up": method.warm_up}


def _rows(tool: Tool, method: Method, cost: Any, alarms: Any, sizes: Mapping[str, int]) -> list[Row]:
    rows = []
    for verdict, calm in alarms["calm"].items():
        delays = {}
        for change, found in zip(CHANGES, alarms["delays"][verdict], strict=True):
            median = float(np.median([np.inf if delay is None else delay for delay in found]))
            delays[change] = (
                median if np.isfinite(median) else None,
                found.count(None),
                len(found),
                sizes["after"],
            )
        rows.append(
            Row(
                tool.name,
                tool.version,
                method.name,
                verdict,
                round(float(np.mean(cost["us"])), 2),
                round(cost["peak_mb"]),
                (sum(map(len, calm)), sizes["windows"] * len(calm)),
                (sum(map(bool, calm)), len(calm)),
                delays,
            )
        )
    return rows
