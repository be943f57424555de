"""Each published metric, computed from the rows of a window by scikit-learn, fairlearn, scipy or River.

`ORACLES[metric](window, feature, group)` is the value, None where the metric is undefined. A metric of
`schemas/monitor_names.py` that is not here fails tests/core/test_metric_oracles.py.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fairlearn import metrics as fair
from river import drift
from scipy import spatial, special, stats
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

Array = np.ndarray[Any, Any]


@dataclass(repr=False)
class Rows:
    """The predictions of one window in their order; arrays of shape (n,), None or NaN for what is missing.

    `said` and `true` are strings of a classifier, numbers of a regression; `true` is None without a label.
    `reference` are the rows that the baseline was learned from, `before` the windows between it and this one.
    """

    said: Array
    true: Array
    failed: Array
    latency_ms: Array
    lag_s: Array
    score: Array
    features: dict[str, Array] = field(default_factory=dict)
    groups: dict[str, Array] = field(default_factory=dict)
    segments: dict[str, Array] = field(default_factory=dict)
    pos_label: str | None = None
    seconds: float = 60.0
    live: frozenset[str] = frozenset()
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    reference: "Rows | None" = None
    before: "Sequence[Rows]" = ()
    #: Which values were sent as text, though the feature is a number: they are missing.
    mistyped: dict[str, Array] = field(default_factory=dict)
    #: How many of the first rows were sent twice.
    repeats: int = 0

    @property
    def n(self) -> int:
        return len(self.said)

    @property
    def labelled(self) -> Array:
        """Which predictions were answered and have their label."""
        return np.array([true is not None for true in self.true], bool) & ~self.failed

    @property
    def pairs(self) -> tuple[Array, Array]:
        """(true, said) of the labelled ones."""
        return self.true[self.labelled], self.said[self.labelled]

    @property
    def scored(self) -> tuple[Array, Array]:
        """(whether it was the positive class, score) of the labelled ones with a score."""
        rows = self.labelled & ~np.isnan(self.score)
        return self.true[rows] == self.pos_label, self.score[rows]


Value = float | None
Oracle = Callable[[Rows, str | None, str | None], Value]


def quiet(compute: Callable[..., Any], *args: Any, **kwargs: Any) -> float:
    """Without the warnings about what we call undefined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(compute(*args, **kwargs))


def whole(compute: Callable[[Rows], Value]) -> Oracle:
    return lambda rows, feature, group: compute(rows)


def of_pairs(compute: Callable[..., float], unless: Callable[[Array, Array], bool] | None = None) -> Oracle:
    """Of (true, said), where there are any, and unless that is undefined."""

    def value(rows: Rows) -> Value:
        true, said = rows.pairs
        return None if len(true) == 0 or (unless and unless(true, said)) else quiet(compute, true, said)

    return whole(value)


def of_numbers(compute: Callable[..., float], unless: Callable[[Array, Array], bool] | None = None) -> Oracle:
    return of_pairs(lambda true, said: compute(true.astype(float), said.astype(float)), unless)


def of_scores(compute: Callable[..., float]) -> Oracle:
    def value(rows: Rows) -> Value:
        positive, score = rows.scored
        return quiet(compute, positive, score) if len(score) else None

    return whole(value)


def of_ranks(compute: Callable[..., float]) -> Oracle:
    def value(rows: Rows) -> Value:
        positive, score = rows.scored
        return None if len(set(positive.tolist())) < 2 else quiet(compute, positive, score)

    return whole(value)


def one_valued(true: Array, said: Array) -> bool:
    return len(set(true)) < 2 or len(set(said)) < 2


def family(compute: Callable[..., float], side: str) -> Oracle:
    """Precision, recall, F1: of the positive class if there is one, else the mean over those that occur."""

    def value(rows: Rows) -> Value:
        true, said = rows.pairs
        if rows.pos_label is None:
            classes = set(true) | set(said)
            missed = {"precision": classes - set(said), "recall": classes - set(true), "f1": set()}[side]
            return None if len(true) == 0 or missed else quiet(compute, true, said, average="macro")
        yes, predicted = true == rows.pos_label, said == rows.pos_label
        base = {"precision": predicted, "recall": yes, "f1": yes | predicted}[side]
        return quiet(compute, yes.astype(bool), predicted.astype(bool)) if base.any() else None

    return whole(value)


def weighted(compute: Callable[..., float]) -> Oracle:
    """The mean over classes by how often each is true."""

    def value(rows: Rows) -> Value:
        true, said = rows.pairs
        unsaid = compute is sk.precision_score and set(true) - set(said)
        return None if len(true) == 0 or unsaid else quiet(compute, true, said, average="weighted")

    return whole(value)


def of_class(compute: Callable[..., float]) -> Oracle:
    """One class against the rest."""

    def value(rows: Rows, feature: str | None, group: str | None) -> Value:
        true, said = (column == group for column in rows.pairs)
        base = {sk.precision_score: said, sk.recall_score: true}.get(compute, said | true)
        return quiet(compute, true.astype(bool), said.astype(bool)) if base.any() else None

    return value


def calibration_gap(positive: Array, score: Array) -> float:
    """Ten bins of equal width, as most papers have it (Naeini et al. 2015)."""
    found = stats.binned_statistic(score, positive - score, "sum", bins=10, range=(0, 1))
    return float(np.abs(found.statistic).sum() / len(score))


def quantile(column: str, q: float) -> Oracle:
    def value(rows: Rows) -> Value:
        values = rows.latency_ms if column == "latency_ms" else rows.lag_s[rows.labelled]
        values = values[~np.isnan(values)]
        return float(np.quantile(values, q, method="lower")) if len(values) else None

    return whole(value)


def share(mask: Array) -> Value:
    return float(mask.mean()) if len(mask) else None


#: Those of River's detectors that take errors of 0 and 1; the mean that those go by which look both ways.
BINARY = (drift.binary.HDDMW, drift.binary.HDDMA, drift.binary.DDM, drift.binary.EDDM, drift.binary.FHDDM)
LEVELS: dict[type, Callable[[Any], float]] = {
    drift.ADWIN: lambda detector: detector.estimation,
    drift.KSWIN: lambda detector: np.mean(detector.window) if detector.window else 0.0,
}


def changes(detector: Callable[[], Any]) -> Oracle:
    """How often River's detector found more errors in this window; it watches from the reference's end on."""
    told: dict[int, tuple[Any, float]] = {}

    def value(rows: Rows) -> Value:
        watching, found = detector(), 0.0
        for window in (*rows.before, rows):
            if id(window) in told:  # River keeps what it has seen, so each window is told once
                watching, found = told[id(window)]
                continue
            found = 0.0
            level = LEVELS.get(type(watching))
            for error in errors_of(window, isinstance(watching, BINARY)).tolist():
                before = level(watching) if level else 0.0
                watching.update(1 - error if isinstance(watching, drift.binary.FHDDM) else error)
                found += watching.drift_detected and (level is None or level(watching) > before)
            told[id(window)] = watching, found
        return found

    return whole(value)


def errors_of(rows: Rows, binary: bool) -> Array:
    """1 where a class was wrong; how far off a number was or, if `binary`, whether by more than usual."""
    true, said = rows.pairs
    if said.dtype == object:
        return (true != said).astype(float)
    off = np.abs(said - true.astype(float))
    if not binary or rows.reference is None:
        return off
    usual = np.quantile(errors_of(rows.reference, False), 0.5, method="inverted_cdf")
    return (off > usual).astype(float)


# Features against their reference: bins are cut anew from the reference rows.


def values_of(rows: Rows, feature: str) -> Array:
    """Those that are given; float64 if they are numbers, else strings. Of a ranking it is how long it is."""
    answers = {
        "prediction": rows.said[~rows.failed],
        "score": rows.score[~rows.failed],
        "label": rows.pairs[0],
    }
    column = answers[feature] if feature in answers else rows.features[feature]
    given = [len(v) if isinstance(v, list) else v for v in column.tolist() if v is not None and v == v]
    return np.array(given, object if any(isinstance(value, str) for value in given) else float)


def edges_of(reference: Array) -> Array:
    """Twentieths of the reference, each edge a value that occurred."""
    edges = np.unique(np.quantile(reference, np.arange(1, 20) / 20, method="inverted_cdf"))
    return edges[edges < reference.max()]


def counted(rows: Rows, feature: str, tenths: bool = False) -> tuple[Array, Array] | None:
    """Counts of the reference and of the window in the same bins; None if the window has no value."""
    assert rows.reference is not None
    before, now = values_of(rows.reference, feature), values_of(rows, feature)
    if len(now) == 0:
        return None
    if before.dtype == float:
        edges = edges_of(before)
        if tenths:
            below = np.array([(before <= edge).mean() for edge in edges])
            starts = np.floor(np.round(np.concatenate([[0.0], below]) * 10, 9))
            edges = edges[np.diff(starts) > 0]
        codes = [np.searchsorted(edges, values, side="left") for values in (before, now)]
        return tuple(np.bincount(code, minlength=len(edges) + 1) for code in codes)  # type: ignore[return-value]
    names = sorted(set(before.tolist()))
    return tuple(  # type: ignore[return-value]
        np.array([*((values == name).sum() for name in names), (~np.isin(values, names)).sum()])
        for values in (before, now)
    )


def distance(compute: Callable[[Array, Array], float], tenths: bool = False) -> Oracle:
    def value(rows: Rows, feature: str | None, group: str | None) -> Value:
        assert feature is not None
        counts = counted(rows, feature, tenths)
        return None if counts is None else compute(*counts)

    return value


def psi(before: Array, now: Array) -> float:
    p, q = np.maximum(before / before.sum(), 1e-4), np.maximum(now / now.sum(), 1e-4)
    return float(special.rel_entr(q, p).sum() + special.rel_entr(p, q).sum())


def psi_noise(before: Array, now: Array) -> float:
    return float((1 / now.sum() + 1 / before.sum()) * stats.chi2.ppf(0.95, len(before) - 1))


def ks(before: Array, now: Array) -> float:
    places = np.arange(len(before))
    return float(stats.ks_2samp(np.repeat(places, before), np.repeat(places, now)).statistic)


def chi2_per_degree(before: Array, now: Array) -> float:
    table = np.stack([before, now])[:, (before + now) > 0]
    found = stats.chi2_contingency(table, correction=False)
    return float(found.statistic / found.dof)


def wasserstein(rows: Rows, feature: str | None, group: str | None) -> Value:
    """Of the means of the bins, in standard deviations of the reference."""
    assert feature is not None
    assert rows.reference is not None
    before, now = (values_of(r, feature) for r in (rows.reference, rows))
    if len(now) == 0:
        return None
    edges = edges_of(before)
    means = [
        stats.binned_statistic(values, values, bins=[-np.inf, *np.nextafter(edges, np.inf), np.inf]).statistic
        for values in (before, now)
    ]
    shares = [
        np.bincount(np.searchsorted(edges, v, side="left"), minlength=len(edges) + 1) for v in (before, now)
    ]
    used = shares[1] > 0
    gap = stats.wasserstein_distance(means[0], means[1][used], shares[0], shares[1][used])
    return float(gap / before.std())


def missing_rate(rows: Rows, feature: str | None, group: str | None) -> Value:
    assert feature is not None
    return 1 - len(values_of(rows, feature)) / rows.n


def wrong_type_rate(rows: Rows, feature: str | None, group: str | None) -> Value:
    assert feature is not None
    mistyped = rows.mistyped.get(feature, np.zeros(rows.n, bool))
    given = mistyped.sum() + len(values_of(rows, feature))
    return float(mistyped.sum() / given) if given else None


def out_of_range(rows: Rows, feature: str | None, group: str | None) -> Value:
    assert feature is not None
    assert rows.reference is not None
    before, now = (values_of(r, feature) for r in (rows.reference, rows))
    low, high = rows.ranges.get(feature) or (before.min(), before.max())
    return share((now < low) | (now > high))


def baseline_fit(rows: Rows, feature: str | None, group: str | None) -> Value:
    """Whether the halves of the reference are alike by Welch's t: in ranks, or in each category's share."""
    assert feature is not None
    assert rows.reference is not None
    before = values_of(rows.reference, feature)
    names = sorted(set(before.tolist()))
    if len(names) < 2:
        return 0.0
    number = before.dtype != object and before.dtype.kind == "f"
    scores = [stats.rankdata(before)] if number else [(before == name).astype(float) for name in names]
    halves = [np.split(score, [len(score) // 2]) for score in scores]
    return float(all(abs(stats.ttest_ind(*half, equal_var=False).statistic) <= 4 for half in halves))


def unseen(rows: Rows, feature: str | None, group: str | None) -> Value:
    assert feature is not None
    assert rows.reference is not None
    return share(~np.isin(values_of(rows, feature), values_of(rows.reference, feature)))


# Groups, by fairlearn; a rate is compared over the groups that have one.


def between(rate: Callable[..., float], base: str, contrast: str = "difference") -> Oracle:
    """`base` names the rows that the rate rests on: all, the truly positive or negative, those said to be."""

    def value(rows: Rows, feature: str | None, group: str | None) -> Value:
        assert group is not None
        frame = frame_of(rate, base, rows, group)
        if frame is None or (contrast == "ratio" and frame.by_group.max() == 0):
            return None
        return float(getattr(frame, contrast)())

    return value


def frame_of(rate: Callable[..., float], base: str, rows: Rows, group: str) -> Any:
    said, true = rows.said == rows.pos_label, rows.true == rows.pos_label
    among = {
        "all": ~rows.failed,
        "positive": rows.labelled & true,
        "negative": rows.labelled & ~true,
        "chosen": rows.labelled & said,
    }[base]
    among &= np.array([name is not None for name in rows.groups[group]], bool)
    if len(set(rows.groups[group][among])) < 2:
        return None
    return fair.MetricFrame(
        metrics=lambda y_true, y_pred: quiet(rate, y_true, y_pred),
        y_true=true[among].astype(int),
        y_pred=said[among].astype(int),
        sensitive_features=rows.groups[group][among].astype(str),
    )


def equalized_odds(rows: Rows, feature: str | None, group: str | None) -> Value:
    gaps = [
        between(rate, base)(rows, feature, group)
        for rate, base in ((fair.true_positive_rate, "positive"), (fair.false_positive_rate, "negative"))
    ]
    return None if None in gaps else max(gap for gap in gaps if gap is not None)


def selection_rate(rows: Rows, feature: str | None, group: str | None) -> Value:
    """Of one group: `attribute=name`."""
    assert group is not None
    attribute, name = group.split("=")
    chosen = rows.said[(rows.groups[attribute] == name) & ~rows.failed] == rows.pos_label
    return share(chosen)


def rate_of_group(rate: Callable[..., float], among: str) -> Oracle:
    """Of one group, over its labelled predictions that are `positive`, `negative` or `chosen`."""

    def value(rows: Rows, feature: str | None, group: str | None) -> Value:
        assert group is not None
        attribute, name = group.split("=")
        own = rows.labelled & (rows.groups[attribute] == name)
        true, said = rows.true[own] == rows.pos_label, rows.said[own] == rows.pos_label
        base = {"positive": true, "negative": ~true, "chosen": said}[among]
        return quiet(rate, true[base].astype(int), said[base].astype(int)) if base.any() else None

    return value


def precision(rows: Rows, feature: str | None, group: str | None) -> Value:
    """Of all, or of one group."""
    return (OF_ALL if group is None else OF_GROUP)(rows, feature, group)


OF_ALL, OF_GROUP = family(sk.precision_score, "precision"), rate_of_group(sk.precision_score, "chosen")


# Rankings: `said` are lists of items, `true` their grades.


def of_rankings(compute: Callable[[list[str], dict[str, float]], float]) -> Oracle:
    """The mean over the labelled ones."""

    def value(rows: Rows) -> Value:
        found = [quiet(compute, said, true) for true, said in zip(*rows.pairs, strict=True)]
        return float(np.mean(found)) if found else None

    return whole(value)


def ndcg_at_10(said: list[str], true: dict[str, float]) -> float:
    """What was not ranked stands behind the first ten places, on which nothing is, if need be."""
    behind = [*[""] * 10, *(item for item in true if item not in said)]
    gains = [true.get(item, 0.0) for item in [*said, *behind]]
    return float(sk.ndcg_score([gains], [range(len(gains), 0, -1)], k=10))


def hit_at_10(said: list[str], true: dict[str, float]) -> float:
    relevant = [true.get(item, 0.0) > 0 for item in said]
    return float(any(relevant[:10]))


def reciprocal_rank(said: list[str], true: dict[str, float]) -> float:
    """Of one relevant item, the first, it is the average precision (Voorhees 1999)."""
    relevant = np.array([true.get(item, 0.0) > 0 for item in said], bool)
    if not relevant.any():
        return 0.0
    first = np.arange(len(said)) == relevant.argmax()
    return float(sk.average_precision_score(first, -np.arange(len(said))))


# What predictions will turn out to be worth, from the reference's labels.


def cells(score: Array) -> Array:
    """Scores in 511 cells of equal width in log-odds, up to odds of a million."""
    limit = math.log(1e6)
    return np.floor((np.clip(special.logit(score), -limit, limit) + limit) / (2 * limit) * 510 + 0.5)


def expected(compute: Callable[[Array, Array, Array], float]) -> Oracle:
    """Of (whether positive was said, its probability by the reference, cell) of predictions with a score."""

    def value(rows: Rows) -> Value:
        assert rows.reference is not None
        known = ~np.isnan(rows.score) & ~rows.failed
        if not known.any():
            return None
        positive, score = rows.reference.scored
        learned = IsotonicRegression(out_of_bounds="clip").fit(cells(score), positive)
        cell = cells(rows.score[known])
        found = quiet(compute, rows.said[known] == rows.pos_label, learned.predict(cell), cell)
        return None if math.isnan(found) else found  # 0 / 0, where a class is neither said nor expected

    return whole(value)


def expected_auc(said: Array, probability: Array, cell: Array) -> float:
    """Every prediction counts as a positive with its probability, and as a negative with the rest."""
    outcome, weight = np.repeat([1, 0], len(said)), np.append(probability, 1 - probability)
    return float(sk.roc_auc_score(outcome, np.tile(cell, 2), sample_weight=weight))


def expected_error(rows: Rows) -> Value:
    """The reference's mean error among predictions of the same twentieth."""
    assert rows.reference is not None
    true, said = (side.astype(float) for side in rows.reference.pairs)
    bins = [-np.inf, *np.nextafter(edges_of(said), np.inf), np.inf]
    means = stats.binned_statistic(said, np.abs(said - true), bins=bins).statistic
    answered = rows.said[~rows.failed].astype(float)
    return float(means[np.digitize(answered, bins) - 1].mean()) if len(answered) else None


ORACLES: dict[str, Oracle] = {
    "throughput_per_s": whole(lambda rows: rows.n / rows.seconds),
    "failure_rate": whole(lambda rows: share(rows.failed)),
    "duplicate_rate": whole(lambda rows: share(np.arange(rows.n + rows.repeats) >= rows.n)),
    "latency_p50_ms": quantile("latency_ms", 0.5),
    "latency_p90_ms": quantile("latency_ms", 0.9),
    "latency_p99_ms": quantile("latency_ms", 0.99),
    "label_coverage": whole(lambda rows: share(rows.labelled[~rows.failed])),
    "label_lag_p50_s": quantile("lag_s", 0.5),
    "segment_overflow_rate": whole(
        lambda rows: share(np.array([s is not None and s not in rows.live for s in rows.segments["country"]]))
    ),
    "accuracy": of_pairs(sk.accuracy_score),
    "zero_one_loss": of_pairs(sk.zero_one_loss),
    "balanced_accuracy": of_pairs(sk.balanced_accuracy_score),
    "matthews_corrcoef": of_pairs(sk.matthews_corrcoef, unless=one_valued),
    "cohen_kappa": of_pairs(sk.cohen_kappa_score, unless=one_valued),
    "precision": precision,
    "precision_weighted": weighted(sk.precision_score),
    "recall_weighted": weighted(sk.recall_score),
    "f1_weighted": weighted(sk.f1_score),
    "class_precision": of_class(sk.precision_score),
    "class_recall": of_class(sk.recall_score),
    "class_f1": of_class(sk.f1_score),
    "recall": family(sk.recall_score, "recall"),
    "f1": family(sk.f1_score, "f1"),
    "roc_auc": of_ranks(sk.roc_auc_score),
    "average_precision": of_ranks(sk.average_precision_score),
    "brier_score": of_scores(
        lambda positive, score: sk.brier_score_loss(positive, score, labels=[False, True])
    ),
    "log_loss": of_scores(lambda positive, score: sk.log_loss(positive, score, labels=[False, True])),
    "expected_calibration_error": of_scores(calibration_gap),
    "mean_absolute_error": of_numbers(sk.mean_absolute_error),
    "root_mean_squared_error": of_numbers(sk.root_mean_squared_error),
    "mean_absolute_percentage_error": of_numbers(
        sk.mean_absolute_percentage_error, unless=lambda true, said: bool((true == 0).any())
    ),
    "mean_error": of_numbers(lambda true, said: -np.mean(true - said)),
    "r2": of_numbers(sk.r2_score, unless=lambda true, said: len(set(true)) < 2),
    "ndcg_at_10": of_rankings(ndcg_at_10),
    "hit_rate_at_10": of_rankings(hit_at_10),
    "mrr": of_rankings(reciprocal_rank),
    "estimated_accuracy": expected(lambda said, p, cell: float(np.where(said, p, 1 - p).mean())),
    "estimated_f1": expected(lambda said, p, cell: float(2 * p[said].sum() / (said.sum() + p.sum()))),
    "estimated_roc_auc": expected(expected_auc),
    "estimated_mean_absolute_error": whole(expected_error),
    "adwin_changes": changes(drift.ADWIN),
    "hddm_w_changes": changes(drift.binary.HDDMW),
    "hddm_a_changes": changes(drift.binary.HDDMA),
    "ddm_changes": changes(drift.binary.DDM),
    "eddm_changes": changes(drift.binary.EDDM),
    "fhddm_changes": changes(drift.binary.FHDDM),
    "page_hinkley_changes": changes(lambda: drift.PageHinkley(mode="up")),
    "kswin_changes": changes(lambda: drift.KSWIN(seed=1)),
    "psi": distance(psi, tenths=True),
    "psi_noise_level": distance(psi_noise, tenths=True),
    "js_distance": distance(lambda p, q: float(spatial.distance.jensenshannon(p, q, base=2))),
    "ks": distance(ks),
    "wasserstein": wasserstein,
    "chi2": distance(chi2_per_degree),
    "missing_rate": missing_rate,
    "wrong_type_rate": wrong_type_rate,
    "out_of_range_rate": out_of_range,
    "unseen_category_rate": unseen,
    "baseline_fit": baseline_fit,
    "selection_rate": selection_rate,
    "true_positive_rate": rate_of_group(
        lambda true, said: fair.true_positive_rate(true, said, pos_label=1), "positive"
    ),
    "false_positive_rate": rate_of_group(
        lambda true, said: fair.false_positive_rate(true, said, pos_label=1), "negative"
    ),
    "demographic_parity_difference": between(fair.selection_rate, "all"),
    "demographic_parity_ratio": between(fair.selection_rate, "all", "ratio"),
    "equalized_odds_difference": equalized_odds,
    "equal_opportunity_difference": between(fair.true_positive_rate, "positive"),
    "predictive_parity_difference": between(sk.precision_score, "chosen"),
    "false_positive_rate_difference": between(fair.false_positive_rate, "negative"),
}
