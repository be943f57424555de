"""One fleet of 1,000 normal streams in which 20 move: what an operator would get from each method.

60 windows of 500 events; from window 31 on, 20 of the streams are .5 standard deviations higher. A false
alert is one of a stream that has not moved, or not yet.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.detection.rivals import ALPHA, RIVER, WINDOW, ks_p, ours, psi
from streamgauge.schemas.batch import Bools, Floats, Ints

STREAMS, MOVED, WINDOWS, REFERENCE, SHIFT = 1_000, 20, 60, 5_000, 0.5


@dataclass(frozen=True, slots=True)
class Received:
    """False alerts, and of the streams that moved: how many were told, and after how many events."""

    false: int
    told: int
    delay: float


def received(streams: int = STREAMS, moved: int = MOVED, windows: int = WINDOWS) -> dict[str, Received]:
    """By method."""
    rng = np.random.default_rng(8)
    change = windows // 2 * WINDOW
    reference = rng.normal(size=(streams, REFERENCE))
    values = rng.normal(size=(streams, windows * WINDOW))
    values[:moved, change:] += SHIFT
    p, stability = _tests(reference, values)
    by_event = 0.9 * ALPHA / (streams * windows * WINDOW)
    found = {
        "KS, p < .05": _of_windows(p < ALPHA),
        "PSI > .2": _of_windows(stability > 0.2),
        "ADWIN": RIVER["ADWIN"](reference, values),
        "KS, Benjamini–Hochberg": _of_windows(_benjamini_hochberg(p)),
        "KS, Bonferroni": _of_windows(p < ALPHA / streams),
        "ours, .05 in all": ours(streams, by_event)(reference, values),
    }
    return {name: _received(alarms, moved, change) for name, alarms in found.items()}


def _tests(reference: Floats, values: Floats) -> tuple[Floats, Floats]:
    """p-values and PSI, float64 (streams, windows)."""
    shape = len(values), values.shape[1] // WINDOW
    p, stability = np.empty(shape), np.empty(shape)
    for stream, known in enumerate(np.sort(reference, axis=1)):
        for number in range(shape[1]):
            window = values[stream, number * WINDOW : (number + 1) * WINDOW]
            p[stream, number], stability[stream, number] = ks_p(known, window), psi(known, window)
    return p, stability


def _benjamini_hochberg(p: Floats) -> Bools:
    """Which of a window's hypotheses are rejected at a false discovery rate of .05, window by window."""
    ordered = np.sort(p, axis=0)
    under = ordered <= ALPHA * np.arange(1, len(p) + 1)[:, None] / len(p)
    last = np.where(under.any(axis=0), len(p) - 1 - np.argmax(under[::-1], axis=0), -1)
    limit = np.where(last >= 0, ordered[last, np.arange(p.shape[1])], -1.0)
    rejected: Bools = p <= limit
    return rejected


def _of_windows(alerts: Bools) -> list[Ints]:
    return [np.flatnonzero(row) * WINDOW + WINDOW - 1 for row in alerts]


def _received(alarms: list[Ints], moved: int, change: int) -> Received:
    false = sum(len(row) for row in alarms[moved:]) + sum(int((row < change).sum()) for row in alarms[:moved])
    first = [int(row[row >= change][0]) + 1 - change for row in alarms[:moved] if (row >= change).any()]
    return Received(false, len(first), float(np.median(first)) if first else np.inf)
