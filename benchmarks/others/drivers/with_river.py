"""River's ADWIN and KSWIN, one detector a feature, value by value, with their defaults.

They have no reference: they are fed it first (KSWIN, which remembers 100 values, the end of it). Of a
category each value has a detector of its own, over 0 and 1. A missing value is not fed.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from river import drift
from turns import NUMBERS, WORDS, Method, Verdicts, main

_TO_KSWIN = 300


def _ready(rows: np.ndarray, start: int = 0) -> list[list[float]]:
    """Columns of numbers as Python has them, then one of each word."""
    codes = rows[:, len(NUMBERS) :].T
    flags = [
        of == code for of, words in zip(codes, WORDS.values(), strict=True) for code in range(len(words))
    ]
    return [column.tolist() for column in (*rows[:, : len(NUMBERS)].T, *np.array(flags, float))]


def _watch(new: Callable[[], drift.ADWIN], fed: int, reference: np.ndarray) -> Callable[..., Verdicts]:
    columns = _ready(reference[-fed:])
    detectors = [new() for _ in columns]
    for _ in _alarms(detectors, columns):
        pass
    return lambda given: {"any feature": sorted(_alarms(detectors, given))}


def _alarms(detectors: list[drift.ADWIN], columns: list[list[float]]) -> Iterable[int]:
    for detector, column in zip(detectors, columns, strict=True):
        for number, value in enumerate(column, 1):
            if value == value:
                detector.update(value)
                if detector.drift_detected:
                    yield number


if __name__ == "__main__":
    main(
        {
            "ADWIN": Method(partial(_watch, drift.ADWIN, 5_000), _ready, remembers=True),
            "KSWIN": Method(partial(_watch, lambda: drift.KSWIN(seed=1), _TO_KSWIN), _ready),
        }
    )
