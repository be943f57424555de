"""What all drivers do: give a tool the same files, and write down what it took and when it alarmed.

A driver is a script of its own, run by the Python of its tool's environment, where neither this project nor
its packages are. It has a table of methods: how to begin to watch a model by its reference, and what one
batch says. This file needs numpy alone.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REFERENCE, BATCH = 5_000, 500
NUMBERS = [f"number_{i}" for i in range(9)]
WORDS = {"job": ("clerk", "cook", "pilot"), "city": ("Oslo", "Bergen"), "plan": ("a", "b", "c", "d")}
#: What a batch says: by verdict, after how many of its rows there was an alarm; `ALL` is after the last.
Verdicts = Mapping[str, Sequence[int]]
ALL = 1_000_000


@dataclass(frozen=True)
class Method:
    """`watch` begins with a reference, (5000, 12), and gives what takes a batch and says its verdicts.

    `ready` makes of rows, and of how many came before them, what the tool is given: a table, columns, a
    message. That is not timed. `batch` is how many rows are given at once. What remembers nothing, or no
    more than the end of the reference, has no use for the batches before a change.
    """

    watch: Callable[[np.ndarray], Callable[[Any], Verdicts]]
    ready: Callable[[np.ndarray, int], Any]
    batch: int = BATCH
    remembers: bool = False


def main(methods: Mapping[str, Method]) -> None:
    """Arguments: `cost` or `alarms`, a method, the folder of the files, and a JSON object of sizes."""
    warnings.simplefilter("ignore")
    what, name, folder, sizes = sys.argv[1:]
    print(json.dumps({"cost": cost, "alarms": alarms}[what](methods[name], Path(folder), json.loads(sizes))))


def cost(method: Method, folder: Path, sizes: Mapping[str, int]) -> dict[str, Any]:
    """µs of processor time an event in each batch, all threads together, and peak MB of the process."""
    reference, rows = _read(folder / "calm-0.npy")
    see = method.watch(reference)
    took = []
    for part, start in _batches(method, rows[: (sizes["warm_up"] + sizes["timed"]) * BATCH]):
        given = method.ready(part, start)
        started = time.process_time_ns()
        see(given)
        took.append((time.process_time_ns() - started) / 1_000 / len(part))
    took = took[sizes["warm_up"] * BATCH // method.batch :]
    return {"us": took, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def alarms(method: Method, folder: Path, sizes: Mapping[str, int]) -> dict[str, Any]:
    """By verdict: `calm`, windows of each model with an alarm; `delays`, events from a change to one."""
    calm: dict[str, list[list[int]]] = {}
    for model in range(sizes["models"]):
        reference, rows = _read(folder / f"calm-{model}.npy")
        see = method.watch(reference)
        found: dict[str, set[int]] = {}
        for part, start in _batches(method, rows[: sizes["windows"] * BATCH]):
            for verdict, fired in see(method.ready(part, start)).items():
                found.setdefault(verdict, set()).update(
                    (start + min(at, len(part)) - 1) // BATCH for at in fired
                )
        for verdict, windows in found.items():
            calm.setdefault(verdict, []).append(sorted(windows))
    delays: dict[str, list[list[int | None]]] = {}
    for change in range(sizes["changes"]):
        for model in range(sizes["changed"]):
            for verdict, delay in _delays(method, folder / f"changed-{change}-{model}.npy", sizes).items():
                of_change = delays.setdefault(verdict, [[] for _ in range(sizes["changes"])])
                of_change[change].append(delay)
    return {"calm": calm, "delays": delays}


def _delays(method: Method, path: Path, sizes: Mapping[str, int]) -> dict[str, int | None]:
    reference, rows = _read(path)
    changed = sizes["before"] * BATCH
    if not method.remembers:
        rows, changed = rows[changed:], 0
    rows, found = rows[: changed + sizes["after"] * BATCH], {}
    see = method.watch(reference)
    for part, start in _batches(method, rows):
        for verdict, fired in see(method.ready(part, start)).items():
            late = [start + min(at, len(part)) - changed for at in fired if start >= changed]
            if found.get(verdict) is None:
                found[verdict] = min(late, default=None)
        if all(delay is not None for delay in found.values()):
            break
    return found


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = np.load(path)
    return rows[:REFERENCE], rows[REFERENCE:]


def _batches(method: Method, rows: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    for start in range(0, len(rows), method.batch):
        yield rows[start : start + method.batch], start


def table(rows: np.ndarray, start: int = 0) -> Any:
    """As pandas has it: numbers, and words as texts."""
    import pandas as pd

    columns = {name: rows[:, i] for i, name in enumerate(NUMBERS)}
    for i, (name, words) in enumerate(WORDS.items(), len(NUMBERS)):
        columns[name] = np.array(words, object)[rows[:, i].astype(int)]
    return pd.DataFrame(columns)
