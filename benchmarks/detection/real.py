"""Real data that River brings along, with a drift injected: every feature for itself.

Elec2 is not among them, for River downloads it. The rows come in the order of the data set; the first 40 %
are the reference, and from 70 % on a feature is .5 of its standard deviations higher.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from river import datasets
from river.datasets.base import Dataset

from benchmarks.detection.rivals import RIVER, SINGLE, WINDOWED, Rival
from benchmarks.detection.stories import Seen, seen
from streamgauge.schemas.batch import Floats

DATA: Mapping[str, Callable[[], Dataset]] = {
    "Bananas": datasets.Bananas,
    "ImageSegments": datasets.ImageSegments,
    "Phishing": datasets.Phishing,
    "Shuttle": datasets.Shuttle,
    "Yeast": datasets.Yeast,
}
SHIFT = 0.5
METHODS: Mapping[str, Rival] = {
    "ours, single": SINGLE,
    "ADWIN": RIVER["ADWIN"],
    "PageHinkley": RIVER["PageHinkley"],
    "KS, p < .05": WINDOWED["KS, p < .05"],
    "PSI > .2": WINDOWED["PSI > .2"],
}


@dataclass(frozen=True, slots=True)
class Story:
    """One data set: how many features and rows, and what each method made of it."""

    features: int
    rows: int
    seen: Mapping[str, Seen]


def stories(names: Sequence[str] = tuple(DATA)) -> dict[str, Story]:
    """By data set."""
    found = {}
    for name in names:
        values = _features(DATA[name]())
        rows = values.shape[1]
        start, change = rows * 4 // 10, rows * 7 // 10
        reference, rest = values[:, :start], values[:, start:].copy()
        rest[:, change - start :] += SHIFT * reference.std(axis=1, keepdims=True)
        found[name] = Story(
            len(values),
            rows,
            {method: seen(rival, reference, rest, change - start) for method, rival in METHODS.items()},
        )
    return found


def _features(data: Dataset) -> Floats:
    """Those that vary, as float64 (features, rows)."""
    rows = [[float(v) for v in x.values() if isinstance(v, int | float)] for x, _ in data]
    values = np.array(rows).T
    return values[values.std(axis=1) > 0]
