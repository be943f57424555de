"""Ours and others' detectors behind one call: reference and values in, out come the events of the alarms.

River's detectors have no reference of their own: they are fed the last 1,000 rows of it first. Those that
expect numbers of a certain scale get them so: HDDM_W ranks within the reference, from 0 to 1, and PageHinkley
standard deviations from its mean. Tests in windows compare 500 events with the whole reference.
"""

from collections.abc import Callable, Mapping

import numpy as np
from river import drift
from scipy import special

from streamgauge.detectors.baseline import numeric_profile, rate_profile
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.schemas.batch import Floats, Ints

#: By stream, the numbers of the events after which it alarms; of reference (S, m) and values (S, n).
Rival = Callable[[Floats, Floats], list[Ints]]
WINDOW = 500
ALPHA = 0.05
_WARM_UP = 1_000


def ours(streams: int, by_event: float) -> Rival:
    """Evidence, of one of so many streams, each paid `by_event` at each event."""

    def alarms(reference: Floats, values: Floats) -> list[Ints]:
        binary = bool(np.isin(reference, (0.0, 1.0)).all())
        evidence: NumericEvidence | RateEvidence
        if binary:
            evidence = RateEvidence([rate_profile(row) for row in reference], streams, ALPHA)
        else:
            profiles = [numeric_profile(row) for row in reference]
            evidence = NumericEvidence([p for p in profiles if p], streams, ALPHA)
        found: list[list[int]] = [[] for _ in values]
        for start in range(0, values.shape[1], LOOK):
            at = np.arange(start, min(start + LOOK, values.shape[1]))
            part = values[:, at]
            evidence.update_many(part.astype(np.int64) if binary else part, at, by_event * (at + 1))  # type: ignore[arg-type]
            for alarm in evidence.take_alarms():
                found[alarm.stream].append(int(at[-1]))
        return [np.array(row, np.int64) for row in found]

    return alarms


#: .05 false alarms in 10,000 events of one stream; in 100,000 events of each of a thousand. A tenth of it
#: covers what references don't know.
SINGLE = ours(1, 0.9 * ALPHA / 10_000)
FLEET = ours(1_000, 0.9 * ALPHA / (1_000 * 100_000))


def _river(new: Callable[[], drift.ADWIN], scale: Callable[[Floats, Floats], Floats]) -> Rival:
    def alarms(reference: Floats, values: Floats) -> list[Ints]:
        found = []
        for known, row in zip(reference, values, strict=True):
            detector, fired = new(), []
            for value in scale(known, known[-_WARM_UP:]).tolist():
                detector.update(value)
            for number, value in enumerate(scale(known, row).tolist()):
                detector.update(value)
                if detector.drift_detected:
                    fired.append(number)
            found.append(np.array(fired, np.int64))
        return found

    return alarms


def _as_it_is(known: Floats, row: Floats) -> Floats:
    return row


def _ranks(known: Floats, row: Floats) -> Floats:
    if np.isin(known, (0.0, 1.0)).all():
        return row
    ordered = np.sort(known)
    both = np.searchsorted(ordered, row, "left") + np.searchsorted(ordered, row, "right")
    return both / (2 * len(known))


def _deviations(known: Floats, row: Floats) -> Floats:
    return (row - known.mean()) / max(float(known.std()), 1e-9)


def windowed(test: Callable[[Floats, Floats], bool]) -> Rival:
    """A test of every full window against the sorted reference."""

    def alarms(reference: Floats, values: Floats) -> list[Ints]:
        ends = np.arange(WINDOW, values.shape[1] + 1, WINDOW)
        found = []
        for known, row in zip(np.sort(reference, axis=1), values, strict=True):
            found.append(
                np.array([end - 1 for end in ends if test(known, row[end - WINDOW : end])], np.int64)
            )
        return found

    return alarms


def ks_p(known: Floats, window: Floats) -> float:
    """The asymptotic p-value of the two-sample Kolmogorov–Smirnov test; `known` is sorted."""
    window = np.sort(window)
    n, m = len(window), len(known)
    steps = np.arange(1, n + 1) / n
    right, left = (np.searchsorted(known, window, side) / m for side in ("right", "left"))
    distance = max(float((steps - right).max()), float((left - steps + 1 / n).max()))
    return float(special.kolmogorov(distance * (n * m / (n + m)) ** 0.5))


def psi(known: Floats, window: Floats) -> float:
    """Over ten bins at the deciles of the sorted reference, as practitioners do it."""
    edges = np.unique(known[np.arange(1, 10) * len(known) // 10])
    edges = edges[edges < known[-1]]
    shares = [
        np.maximum(np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) / len(x), 1e-4)
        for x in (known, window)
    ]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


RIVER: Mapping[str, Rival] = {
    "ADWIN": _river(drift.ADWIN, _as_it_is),
    "HDDM_W": _river(drift.binary.HDDMW, _ranks),
    "PageHinkley": _river(drift.PageHinkley, _deviations),
    "KSWIN": _river(lambda: drift.KSWIN(seed=1), _as_it_is),
}
WINDOWED: Mapping[str, Rival] = {
    "KS, p < .05": windowed(lambda known, window: ks_p(known, window) < ALPHA),
    "KS, Bonferroni": windowed(lambda known, window: ks_p(known, window) < ALPHA / 1_000),
    "PSI > .2": windowed(lambda known, window: psi(known, window) > 0.2),
}
RIVALS: Mapping[str, Rival] = {"ours, single": SINGLE, "ours, fleet": FLEET, **RIVER, **WINDOWED}
