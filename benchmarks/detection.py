"""How soon evidence sees a change, and how often it is wrong: on simulated streams, seeded, in events.

A reference of 5,000 events, one stream at .05 expected false alarms in 10,000 events or one of a fleet of
1,000 at .05 in 100,000 events of each. River's ADWIN (δ .002) beside it, on the same streams.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.figure import Figure
from streamgauge.detectors.baseline import numeric_profile, rate_profile
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.river_drift import RiverDrift
from streamgauge.schemas.batch import Floats

_REFERENCE, _BEFORE, _AFTER, _LOOK = 5_000, 2_000, 6_000, 50
#: (name, fleet's streams, paid in by event)
_BUDGETS = (("single", 1, 0.9 * 0.05 / 10_000), ("fleet", 1_000, 0.9 * 0.05 / (1_000 * 100_000)))
#: (name, autoregression, change, expected median by budget)
_NUMBERS: tuple[tuple[str, float, Callable[[Floats], Floats], tuple[str, str]], ...] = (
    ("moved by .25 sd", 0.0, lambda x: x + 0.25, ("≤ 600", "≤ 1,600")),
    ("moved by .5 sd", 0.0, lambda x: x + 0.5, ("≤ 200", "≤ 400")),
    ("moved by 1 sd", 0.0, lambda x: x + 1.0, ("≤ 100", "≤ 150")),
    ("variance × 1.5", 0.0, lambda x: x * 1.5**0.5, ("≤ 600", "≤ 1,700")),
    ("AR(.5), moved by .25 sd", 0.5, lambda x: x + 0.25, ("≤ 1,800", "")),
    ("AR(.5), moved by .5 sd", 0.5, lambda x: x + 0.5, ("≤ 500", "")),
)
_RATES = (
    ("errors .1 → .2", 0.1, 0.2, ("≤ 350", "≤ 900")),
    ("missing .01 → .05", 0.01, 0.05, ("≤ 400", "≤ 1,100")),
)


def figures(streams: int = 61) -> list[Figure]:
    """The table's lines about detection: median delays, false alarms before the change."""
    rng = np.random.default_rng(0)
    table = []
    for name, phi, change, expected in _NUMBERS:
        reference, before, after = (
            autoregressive(rng, streams, n, phi) for n in (_REFERENCE, _BEFORE, _AFTER)
        )
        values = np.concatenate([before, change(after)], axis=1)
        profiles = [numeric_profile(row) for row in reference]
        for (budget, fleet, paid), limit in zip(_BUDGETS, expected, strict=True):
            evidence = NumericEvidence([p for p in profiles if p], fleet, 0.05)
            table += _lines(f"{name}, {budget}", *_run(evidence, values, paid), limit)
        table += _lines(f"{name}, ADWIN", *_adwin(values), "")
    for name, low, high, expected in _RATES:
        rates = [rate_profile((rng.random(_REFERENCE) < low).astype(float)) for _ in range(streams)]
        share = np.where(np.arange(_BEFORE + _AFTER) < _BEFORE, low, high)
        outcomes = (rng.random((streams, _BEFORE + _AFTER)) < share).astype(np.int64)
        for (budget, fleet, paid), limit in zip(_BUDGETS, expected, strict=True):
            table += _lines(
                f"{name}, {budget}", *_run(RateEvidence(rates, fleet, 0.05), outcomes, paid), limit
            )
    return table


def autoregressive(rng: np.random.Generator, streams: int, n: int, phi: float) -> Floats:
    """Streams of unit variance, float64 (streams, n)."""
    noise = rng.normal(size=(streams, n))
    values = noise.copy()
    for t in range(1, n):
        values[:, t] = phi * values[:, t - 1] + (1 - phi**2) ** 0.5 * noise[:, t]
    return values


def _run(evidence: NumericEvidence | RateEvidence, values: Floats, paid_by_event: float) -> tuple[float, int]:
    """(median delay, all of `_AFTER` where nothing was seen; alarms before the change)."""
    first = np.full(len(values), float(_AFTER))
    false = 0
    for start in range(0, values.shape[1], _LOOK):
        stop = start + _LOOK
        evidence.update_many(values[:, start:stop], np.arange(start, stop), paid_by_event * stop)
        for alarm in evidence.take_alarms():
            false += stop <= _BEFORE
            if stop > _BEFORE:
                first[alarm.stream] = min(first[alarm.stream], stop - _BEFORE)
    return float(np.median(first)), false


def _adwin(values: Floats) -> tuple[float, int]:
    first, false = [], 0
    for row in values:
        fired = RiverDrift("adwin").update_many(row)
        false += int((fired < _BEFORE).sum())
        late = fired[fired >= _BEFORE]
        first.append(float(late[0] - _BEFORE) if len(late) else float(_AFTER))
    return float(np.median(first)), false


def _lines(name: str, delay: float, false: int, limit: str) -> list[Figure]:
    return [
        Figure(f"detection: {name}: median delay", delay, "events", limit),
        Figure(
            f"detection: {name}: false alarms before", float(false), "of 61 streams", "0" if limit else ""
        ),
    ]
