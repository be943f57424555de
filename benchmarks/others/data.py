"""The data that every tool is given: one model's predictions, with and without a change, from fixed seeds.

A matrix of float64 (rows, 12): nine numbers, five of them normal and four lognormal, and three categories as
codes. Of one number a hundredth is missing. The first 5,000 rows are the reference; batches have 500.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamgauge.schemas.batch import Floats

REFERENCE, BATCH = 5_000, 500
#: Batches before a change, for tools that remember what they have seen.
BEFORE = 5
_NORMAL, _NUMBERS, _WITH_GAPS = 5, 9, 1
_SHARES = ((0.5, 0.3, 0.2), (0.7, 0.3), (0.5, 0.25, 0.15, 0.1))
_SHARES_LATER = (0.4, 0.25, 0.15, 0.2)
_MISSING, _MISSING_LATER = 0.01, 0.05
Change = Callable[[Floats, np.random.Generator], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is drawn: models without drift and their windows, changed models and their windows after."""

    models: int
    windows: int
    changed: int
    after: int


FULL, QUICK = Size(20, 60, 10, 20), Size(1, 3, 1, 4)


def _one_moves(sigmas: float) -> Change:
    def change(rows: Floats, rng: np.random.Generator) -> None:
        rows[:, 0] += sigmas

    return change


def _all_move(sigmas: float) -> Change:
    def change(rows: Floats, rng: np.random.Generator) -> None:
        rows[:, :_NORMAL] += sigmas
        rows[:, _NORMAL:_NUMBERS] *= np.exp(sigmas)

    return change


def _another_mix(rows: Floats, rng: np.random.Generator) -> None:
    rows[:, -1] = rng.choice(len(_SHARES_LATER), len(rows), p=_SHARES_LATER)


def _more_missing(rows: Floats, rng: np.random.Generator) -> None:
    more = 1 - (1 - _MISSING_LATER) / (1 - _MISSING)
    rows[rng.random(len(rows)) < more, _WITH_GAPS] = np.nan


#: By name: what becomes of all rows after the change.
CHANGES: Mapping[str, Change] = {
    "one number, .25 σ": _one_moves(0.25),
    ".5 σ": _one_moves(0.5),
    "1 σ": _one_moves(1.0),
    "all nine, .5 σ": _all_move(0.5),
    "category .1 → .2": _another_mix,
    "missing .01 → .05": _more_missing,
}


def rows(rng: np.random.Generator, n: int) -> Floats:
    """Predictions of a model without drift: float64 (n, 12)."""
    numbers = rng.normal(size=(n, _NUMBERS))
    numbers[:, _NORMAL:] = np.exp(numbers[:, _NORMAL:])
    numbers[rng.random(n) < _MISSING, _WITH_GAPS] = np.nan
    return np.column_stack([numbers, *(rng.choice(len(p), n, p=p) for p in _SHARES)])


def write(folder: Path, size: Size) -> None:
    """`calm-3.npy` is the fourth model without drift, `changed-2-0.npy` the first of the third change."""
    for model in range(size.models):
        n = REFERENCE + size.windows * BATCH
        np.save(folder / f"calm-{model}.npy", rows(np.random.default_rng([1, model]), n))
    for number, change in enumerate(CHANGES.values()):
        for model in range(size.changed):
            rng = np.random.default_rng([2, number, model])
            drawn = rows(rng, REFERENCE + (BEFORE + size.after) * BATCH)
            change(drawn[REFERENCE + BEFORE * BATCH :], rng)
            np.save(folder / f"changed-{number}-{model}.npy", drawn)
