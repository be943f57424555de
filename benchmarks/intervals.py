"""Do the 95 % intervals hold the truth in 95 % of windows? Simulated, seeded; each for the streams it is for.

`python -m benchmarks intervals` prints one line an interval, `python -m benchmarks.intervals` the table of
docs/statistics.md.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from sklearn import metrics as sk

from benchmarks.figure import Figure
from streamgauge.detectors.classification import classification_metrics
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.fairness import GroupCounts, fairness_metrics
from streamgauge.detectors.log_histogram import LogHistogram
from streamgauge.detectors.regression import RegressionErrors
from streamgauge.detectors.scores import ScoreHistogram
from streamgauge.detectors.sparse_counts import SparseCounts
from streamgauge.schemas.batch import Bools, Floats

RUNS = 4_000
SIZES = (100, 2_000)
#: Least and most per cent of windows whose interval holds the truth.
PROMISED, AT_LEAST = (93.0, 97.5), (93.0, 100.0)
Estimates = Sequence[Estimate]


@dataclass(frozen=True, slots=True)
class Coverage:
    """In how many per cent of `RUNS` windows the interval of `metric` held the truth.

    `stream` says what was simulated, `n` how many events a window has: of each class for metrics of scores,
    in each group for those of groups. `promised` is what the project holds itself to, None where it only
    tells.
    """

    metric: str
    stream: str
    n: int
    percent: float
    promised: tuple[float, float] | None


def table() -> str:
    """The table of docs/statistics.md: the two sizes side by side."""
    rows: dict[tuple[str, str], list[Coverage]] = {}
    for found in coverages():
        rows.setdefault((found.metric, found.stream), []).append(found)
    lines = ["| metric | stream | small windows | large windows | held to |", "|---|---|---|---|---|"]
    for (metric, stream), sizes in sorted(rows.items()):
        cells = [f"{found.percent:.1f} % (n = {found.n:,})" for found in sizes]
        held_to = "" if sizes[0].promised is None else _said(sizes[0].promised)
        lines.append(f"| `{metric}` | {stream} | {' | '.join(cells)} | {held_to} |")
    return "\n".join(lines) + "\n"


def figures() -> list[Figure]:
    """The table's lines about intervals."""
    return [
        Figure(
            f"95 % interval of {found.metric}, {found.stream}, n = {found.n:,}",
            found.percent,
            "% of windows",
            "" if found.promised is None else _said(found.promised),
        )
        for found in coverages()
    ]


def coverages() -> Iterator[Coverage]:
    """Every line of the table, in the order of docs/statistics.md."""
    for n in SIZES:
        yield from _of_classifiers(n)
    for each in (50, 1_000):
        yield from _of_scores(each)
    for n in SIZES:
        yield from _of_errors(n)
    for n in SIZES:
        yield from _of_groups(n)
    for n in SIZES:
        yield from _of_latencies(n)


#: Shares of (true, predicted); "rare": 5 % are positive.
_MATRICES = {
    "two classes": np.array([[0.62, 0.08], [0.06, 0.24]]),
    "a rare class": np.array([[0.92, 0.03], [0.02, 0.03]]),
    "three classes": np.array([[0.35, 0.05, 0.02], [0.06, 0.25, 0.04], [0.02, 0.03, 0.18]]),
}
_HELD = {"accuracy": PROMISED, "precision": PROMISED, "recall": PROMISED, "f1": AT_LEAST}


def _of_classifiers(n: int) -> Iterator[Coverage]:
    for stream, shares in _MATRICES.items():
        k = len(shares)
        names, pos_label = ["no", "yes", "maybe"][:k], "yes" if k == 2 else None
        rng = np.random.default_rng(1)
        drawn = rng.multinomial(n, shares.ravel(), size=RUNS).reshape(RUNS, k, k)
        found = [classification_metrics(matrix, names, pos_label) for matrix in drawn]
        large = np.rint(shares * 1e8).astype(np.int64)
        truth = classification_metrics(large, names, pos_label)
        for metric in ("accuracy", "precision", "recall", "f1", "balanced_accuracy", "matthews_corrcoef",
                       "cohen_kappa"):  # fmt: skip
            value = truth[metric].value
            assert value is not None
            yield _line(metric, stream, n, [of[metric] for of in found], value, _HELD.get(metric))


def _of_scores(each: int) -> Iterator[Coverage]:
    def drawn(rng: np.random.Generator, size: int) -> tuple[Floats, Bools]:
        positive = np.repeat([True, False], size)
        score: Floats = special.expit(rng.normal(np.where(positive, 0.7, -0.7), 1.0))
        return score, positive

    rng = np.random.default_rng(2)
    score, positive = drawn(rng, 500_000)
    truth = {
        "roc_auc": float(special.ndtr(1.4 / np.sqrt(2))),
        "average_precision": float(sk.average_precision_score(positive, score)),
        "brier_score": float(sk.brier_score_loss(positive, score)),
        "log_loss": float(sk.log_loss(positive, score)),
    }
    found = []
    for _ in range(RUNS):
        histogram = ScoreHistogram()
        histogram.update_many(*drawn(rng, each))
        found.append(histogram.metrics())
    for metric, value in truth.items():
        promised = AT_LEAST if metric == "roc_auc" else None
        yield _line(metric, "as many of each class", each, [of[metric] for of in found], value, promised)


#: Stream → (errors of shape (n,), their mean, whether coverage of the mean is promised).
_ERRORS: dict[str, tuple[Callable[[np.random.Generator, int], Floats], float, bool]] = {
    "normal errors": (lambda rng, n: rng.normal(0.1, 1.0, n), 0.1, True),
    "skewed errors (gamma, skewness 1)": (lambda rng, n: rng.gamma(4.0, 0.5, n) - 1.9, 0.1, True),
    "heavy-tailed errors (lognormal, σ 1.5)": (
        lambda rng, n: rng.lognormal(0.0, 1.5, n) - 3.0,
        float(np.exp(1.125)) - 3.0,
        False,
    ),
}


def _of_errors(n: int) -> Iterator[Coverage]:
    for stream, (draw, mean, is_promised) in _ERRORS.items():
        rng = np.random.default_rng(3)
        large = draw(rng, 8_000_000)
        truth = {
            "mean_error": mean,
            "mean_absolute_error": float(np.abs(large).mean()),
            "root_mean_squared_error": float(np.sqrt((large**2).mean())),
        }
        found = []
        for _ in range(RUNS):
            errors = RegressionErrors()
            errors.update_many(np.full(n, 5.0), 5.0 + draw(rng, n))
            found.append(errors.metrics())
        for metric, value in truth.items():
            promised = PROMISED if metric == "mean_error" and is_promised else None
            yield _line(metric, stream, n, [of[metric] for of in found], value, promised)


def _of_groups(n: int) -> Iterator[Coverage]:
    for groups, rates in ((2, "equal"), (2, "apart"), (4, "equal"), (4, "apart"), (8, "equal"), (8, "apart")):
        true = np.full(groups, 0.3) if rates == "equal" else np.linspace(0.2, 0.45, groups)
        rng = np.random.default_rng(4)
        found = []
        for selected in rng.binomial(n, true, size=(RUNS, groups)):
            counts = GroupCounts()
            counts.predicted = SparseCounts.of_table(np.stack([n - selected, selected], axis=1))
            found.append(fairness_metrics(counts, [*"abcdefgh"][:groups], ["no", "yes"], "yes", 1))
        stream = f"{groups} groups, {'all at .3' if rates == 'equal' else '.2 to .45'}"
        truth = {
            "demographic_parity_difference": float(true.max() - true.min()),
            "demographic_parity_ratio": float(true.min() / true.max()),
        }
        for metric, value in truth.items():
            yield _line(metric, stream, n, [of[metric] for of in found], value, AT_LEAST)


def _of_latencies(n: int) -> Iterator[Coverage]:
    """Quantiles are read from bins 2 % wide: the truth may lie in the bin of a bound."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(RUNS):
        histogram = LogHistogram()
        histogram.update_many(rng.lognormal(3.0, 0.5, n))
        found.append(histogram)
    for metric, q in (("latency_p50_ms", 0.5), ("latency_p90_ms", 0.9), ("latency_p99_ms", 0.99)):
        truth = float(np.exp(3.0 + 0.5 * special.ndtri(q)))
        estimates = [histogram.estimate(q) for histogram in found]
        yield _line(metric, "lognormal latencies", n, estimates, truth, None, slack=0.01)


def _line(
    metric: str,
    stream: str,
    n: int,
    estimates: Estimates,
    truth: float,
    promised: tuple[float, float] | None,
    slack: float = 1e-12,
) -> Coverage:
    """Over the windows in which the metric is defined; a missing bound holds everything."""
    defined = [estimate for estimate in estimates if estimate.value is not None]
    held = [
        (e.low is None or e.low * (1 - slack) <= truth) and (e.high is None or truth <= e.high * (1 + slack))
        for e in defined
    ]
    return Coverage(metric, stream, n, round(100 * sum(held) / len(defined), 1), promised)


def _said(promised: tuple[float, float]) -> str:
    return f"≥ {promised[0]:g}" if promised[1] == 100 else f"{promised[0]:g}–{promised[1]:g}"


if __name__ == "__main__":
    print(table(), end="")
