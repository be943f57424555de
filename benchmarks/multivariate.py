"""How soon a change is seen that only several features together show, by four means, and what each costs.

Twelve normal features of which two pairs are correlated, a reference of 5,000 rows. Beside pairs: the squared
Mahalanobis distance of rank scores and the error of reconstruction from the first principal components, both
bet on as any number is and learned on the half of the reference that they were not fitted on; and an online
classifier that tells rows of the reference from those that come (logistic, with products of features), whose
gain of the even bet is the evidence. Budgets as in `benchmarks.detection`.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.figure import Figure
from streamgauge.detectors.baseline import build_profile, numeric_profile
from streamgauge.detectors.binning import FeatureBinner
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.pairs import Halves
from streamgauge.schemas.batch import Floats

_FEATURES, _REFERENCE, _BEFORE, _AFTER, _LOOK = 12, 5_000, 5_000, 10_000, 50
_BUDGETS = (("single", 1, 0.9 * 0.05 / 10_000), ("fleet", 1_000, 0.9 * 0.05 / (1_000 * 100_000)))
_CHANGES = (
    ("correlation .6 → −.6", 0.6, -0.6),
    ("correlation 0 → .6", 0.0, 0.6),
    ("a sum of four comes apart", 4.0, 0.0),
)
_Measure = Callable[[Floats], Floats]
#: From the number of streams of the fleet, what was paid in by event, and rows, to when it alarmed.
_Means = Callable[[Floats, Floats, int, float], Iterator[int]]


def figures(seeds: int = 40) -> list[Figure]:
    """Median delays by means, budget and change; alarms before the change; microseconds an event."""
    table = []
    for name, means in MEANS.items():
        for budget, streams, paid in _BUDGETS:
            false = 0
            for change, before, after in _CHANGES:
                delays = []
                for seed in range(seeds):
                    rng = np.random.default_rng(seed)
                    reference = rows(rng, _REFERENCE, before)
                    stream = np.concatenate([rows(rng, _BEFORE, before), rows(rng, _AFTER, after)], axis=1)
                    alarms = list(means(reference, stream, streams, paid))
                    false += sum(at <= _BEFORE for at in alarms)
                    delays.append(min([at - _BEFORE for at in alarms if at > _BEFORE], default=_AFTER))
                table.append(
                    Figure(f"multivariate: {name}, {budget}: {change}", float(np.median(delays)), "events")
                )
            table.append(
                Figure(f"multivariate: {name}, {budget}: false alarms", float(false), f"of {3 * seeds}")
            )
        rng = np.random.default_rng(0)
        reference, stream = rows(rng, _REFERENCE, 0.6), rows(rng, 20_000, 0.6)
        learned = time.perf_counter()
        list(means(reference, stream[:, :_LOOK], 1, 0.0))
        began = time.perf_counter()
        list(means(reference, stream, 1, 0.0))
        took = time.perf_counter() - began - (began - learned)
        table.append(Figure(f"multivariate: {name}: cost", took / stream.shape[1] * 1e6, "µs an event"))
    return table


def rows(rng: np.random.Generator, n: int, relation: float) -> Floats:
    """Float64 (12, n): features 0 and 1 are correlated by `relation`; at 4, feature 0 is nearly the sum of
    the next four. Features 10 and 11 always go together."""
    x = rng.normal(size=(_FEATURES, n))
    x[11] = 0.8 * x[10] + 0.6 * x[11]
    if abs(relation) < 1:
        x[0] = relation * x[1] + np.sqrt(1 - relation**2) * x[0]
    else:
        x[0] = x[1:5].sum(axis=0) / 2 + 0.1 * x[0]
    return x


def by_pairs(reference: Floats, stream: Floats, streams: int, paid: float) -> Iterator[int]:
    features = {f"f{row:02}": column for row, column in enumerate(reference)}
    profile = build_profile(features)
    evidence = PairEvidence(profile.pairs, streams, 0.05)
    binner = FeatureBinner(profile.features)
    halves = Halves(binner, evidence.names)
    for at in range(0, stream.shape[1], 500):
        columns = {name: stream[row, at : at + 500] for row, name in enumerate(features)}
        n = len(columns["f00"])
        sides = halves.sides(binner.bins(columns))
        evidence.update_many(sides, np.arange(at, at + n), paid * np.arange(at, at + n))
        yield from (alarm.onset_us + alarm.n for alarm in evidence.take_alarms())


def _as_a_number(of: Callable[[Floats], _Measure]) -> _Means:
    def means(reference: Floats, stream: Floats, streams: int, paid: float) -> Iterator[int]:
        half = reference.shape[1] // 2
        edges = np.quantile(reference[:, :half], np.arange(1, 20) / 20, axis=1).T
        fitted = _ranks(edges, reference[:, :half])
        measure = of(fitted)
        profile = numeric_profile(measure(_ranks(edges, reference[:, half:])))
        assert profile is not None
        evidence = NumericEvidence([profile], streams, 0.05)
        for at in range(0, stream.shape[1], _LOOK):
            value = measure(_ranks(edges, stream[:, at : at + _LOOK]))
            evidence.update_many(value[None], np.arange(at, at + len(value)), paid * (at + _LOOK))
            yield from (at + _LOOK for _ in evidence.take_alarms())

    return means


def _ranks(edges: Floats, values: Floats) -> Floats:
    """2u − 1 by 20 bins."""
    return np.array([np.searchsorted(e, v) for e, v in zip(edges, values, strict=True)]) / 9.5 - 1


def distance(fitted: Floats) -> _Measure:
    inverse = np.linalg.inv(np.cov(fitted) + 1e-3 * np.eye(len(fitted)))
    return lambda values: (values * (inverse @ values)).sum(axis=0)


def reconstruction(fitted: Floats) -> _Measure:
    spread, axes = np.linalg.eigh(np.cov(fitted))
    kept = axes[:, np.cumsum(spread[::-1])[::-1] > 0.2 * spread.sum()]
    return lambda values: ((values - kept @ (kept.T @ values)) ** 2).sum(axis=0)


def by_classifier(reference: Floats, stream: Floats, streams: int, paid: float) -> Iterator[int]:
    """Rows of the reference, drawn again and again, in turn with those that come; log loss is the wealth."""
    upper = np.triu_indices(_FEATURES)
    mean, sd = reference.mean(axis=1, keepdims=True), reference.std(axis=1, keepdims=True)

    def quadratic(x: Floats) -> Floats:
        z = np.clip((x - mean) / sd, -3, 3)
        return np.vstack([np.ones(z.shape[1]), z, z[upper[0]] * z[upper[1]]]).T / np.sqrt(_FEATURES)

    rng = np.random.default_rng(0)
    weights = np.zeros(1 + _FEATURES + len(upper[0]))
    r, last = 0.0, 0.0
    for at in range(0, stream.shape[1], _LOOK):
        new = quadratic(stream[:, at : at + _LOOK])
        old = quadratic(reference[:, rng.integers(0, reference.shape[1], len(new))])
        gain = 0.0
        for x, y in zip(old, new, strict=True):
            for row, truth in ((x, 0.0), (y, 1.0)):
                p = 1 / (1 + np.exp(-float(row @ weights)))
                gain += float(np.log(2 * (p if truth else 1 - p)))
                weights += 0.05 * (truth - p) * row
        r = float(np.exp(min(gain, 600.0))) * (r + paid * (at + _LOOK) - last)
        last = paid * (at + _LOOK)
        if r >= 1:
            yield at + _LOOK
            r = 0.0


MEANS: dict[str, _Means] = {
    "pairs": by_pairs,
    "distance": _as_a_number(distance),
    "reconstruction": _as_a_number(reconstruction),
    "classifier": by_classifier,
}
