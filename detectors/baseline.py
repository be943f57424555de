"""Builds a `BaselineProfile` from reference rows in the order of their time."""

from collections.abc import Mapping

import numpy as np

from streamgauge.detectors.dependence import dependence, design_effect
from streamgauge.detectors.intervals import clopper_pearson_upper
from streamgauge.detectors.pairs import build_pairs
from streamgauge.schemas.batch import Categories, Column, Floats, Ints
from streamgauge.schemas.profile import (
    MAX_COMMON,
    BaselineProfile,
    CategoricalProfile,
    NumericProfile,
    RateProfile,
)

#: Bins of a number, at reference quantiles.
NUMERIC_BINS = 20
#: Categories that a profile names; with more, "unseen" has no meaning.
MAX_CATEGORIES = 1_000
#: Values that follow one of a bin, so that the bin says how often values repeat.
_LEAST_FOLLOWED = 50
#: Categories that are bet on each by itself.
COMMON, COMMON_LEAST = MAX_COMMON, 5

Range = tuple[float | None, float | None]


def build_profile(
    features: Mapping[str, Column],
    prediction: Column | None = None,
    score: Floats | None = None,
    errors: Floats | None = None,
    ranges: Mapping[str, Range] | None = None,
) -> BaselineProfile:
    """The profile of reference rows; every column has shape (n,) but `errors`, one per labelled event.

    `errors` are 0 or 1 (wrong) where predictions are classes, absolute errors where they are numbers.
    `ranges` are declared (min, max) by feature. Columns without a single value are left out.

    >>> rng = np.random.default_rng(0)
    >>> profile = build_profile({"age": rng.normal(40, 10, 1000)}, ranges={"age": (0, None)})
    >>> profile.rows, len(profile.features["age"].counts), profile.features["age"].low
    (1000, 20, 0.0)
    """
    columns: list[Column] = [*features.values(), *(c for c in (prediction, score) if c is not None)]
    built = {name: column_profile(c, (ranges or {}).get(name)) for name, c in features.items()}
    scores = None if score is None else numeric_profile(score)
    known = {name: profile for name, profile in built.items() if profile is not None}
    return BaselineProfile(
        rows=len(columns[0]) if columns else 0,
        features=known,
        prediction=None if prediction is None else column_profile(prediction),
        score=scores,
        errors=None if errors is None else errors_profile(errors, isinstance(prediction, Categories)),
        pairs=build_pairs(features, known),
    )


def errors_profile(errors: Floats, classes: bool) -> RateProfile | NumericProfile | None:
    """Of 0 / 1 errors if the model predicts `classes`, else of absolute errors; None if there are none."""
    return rate_profile(errors) if classes and len(errors) else numeric_profile(errors)


def column_profile(
    column: Column, declared: Range | None = None
) -> NumericProfile | CategoricalProfile | None:
    """Numeric or categorical, as the column is; None if it holds no value."""
    return (
        categorical_profile(column) if isinstance(column, Categories) else numeric_profile(column, declared)
    )


def rate_profile(outcomes: Floats) -> RateProfile:
    """Of 0 / 1 outcomes, float64 (n,), in order."""
    return RateProfile(int(outcomes.sum()), len(outcomes), *dependence(outcomes))


def numeric_profile(values: Floats, declared: Range | None = None) -> NumericProfile | None:
    """Of float64 (n,) with NaN for missing, in order; None if nothing is finite."""
    finite = np.isfinite(values)
    present = values[finite]
    if len(present) == 0:
        return None
    # Lower order statistics: every edge is a value that occurred, so a spike fills a bin of its own.
    quantiles = np.arange(1, NUMERIC_BINS) / NUMERIC_BINS
    edges = np.unique(np.quantile(present, quantiles, method="inverted_cdf"))
    edges = edges[edges < present.max()]
    bins = np.searchsorted(edges, present, side="left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    location, spread = rank_scores(counts)
    series = location[bins], spread[bins]
    (location_effect, one_place), (spread_effect, one_width) = map(dependence, series)
    low, high = declared or (None, None)
    half = present[: (len(present) + 1) // 2]
    # The whole reference covers more than its first half, so what fell outside the half bounds what falls
    # outside the whole.
    outside = (present < (half.min() if low is None else low)) | (
        present > (half.max() if high is None else high)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        centres = np.bincount(bins, present) / counts
        mean, sd = float(present.mean()), float(present.std())
    return NumericProfile(
        n=len(present),
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        centres=tuple(np.clip(np.nan_to_num(centres), present.min(), present.max()).tolist()),
        mean=mean if np.isfinite(mean) else float(np.median(present)),
        sd=sd if np.isfinite(sd) else 0.0,
        low=float(present.min() if low is None else low),
        high=float(present.max() if high is None else high),
        design_effects=(location_effect, spread_effect),
        stationary=one_place and one_width,
        missing=rate_profile((~finite).astype(np.float64)),
        repeats=repeat_profile(bins, present),
        out_of_range=rate_profile(outside.astype(np.float64)),
    )


def repeat_profile(bins: Ints, values: "Floats | Ints") -> RateProfile:
    """How often a value is the one before it, in order, (n,): after a value of the bin where it is most
    often, as far as one can know.

    >>> often = repeat_profile(np.repeat([0, 1], [60, 100]), np.append(np.arange(60.0), [9.0] * 100))
    >>> often.k, often.n
    (99, 99)
    """
    after = np.bincount(bins[:-1])
    again = np.bincount(bins[:-1][values[1:] == values[:-1]], minlength=len(after))
    known = np.flatnonzero(after >= _LEAST_FOLLOWED)
    pooled = RateProfile(int(again.sum()), int(after.sum()))
    found = [pooled, *(RateProfile(int(again[b]), int(after[b])) for b in known.tolist())]
    return max(found, key=lambda rate: clopper_pearson_upper(rate.k, rate.n, 0.001) if rate.n else 0.0)


def rank_scores(counts: "np.typing.NDArray[np.int64]") -> tuple[Floats, Floats]:
    """Location 2u − 1 and spread 3(2u − 1)² − 1 of each bin, u its mid-rank; both have mean 0 under `counts`.

    >>> [s.round(3).tolist() for s in rank_scores(np.array([1, 2, 1]))]
    [[-0.75, 0.0, 0.75], [0.844, -0.844, 0.844]]
    """
    masses = counts / counts.sum()
    location = 2 * (np.cumsum(masses) - masses / 2) - 1
    spread = 3 * location**2 - 1
    return location, spread - float(masses @ spread)


def categorical_profile(column: Categories) -> CategoricalProfile | None:
    """Of a column of strings, in order; None if all are missing."""
    codes = column.codes[column.codes >= 0].astype(np.int64)
    n = len(codes)
    if n == 0:
        return None
    totals = np.bincount(codes, minlength=len(column.values)).tolist()
    ranked = sorted((-total, column.values[code], code) for code, total in enumerate(totals) if total)
    complete = len(ranked) <= MAX_CATEGORIES
    ranked = ranked[:MAX_CATEGORIES]
    common = [code for total, _, code in ranked[:COMMON] if -total >= COMMON_LEAST]
    series = [(codes == code).astype(np.float64) for code in common]
    found = [dependence(indicator) for indicator in series]
    _, first = np.unique(codes, return_index=True)
    novelty = []
    for share in (0.2, 0.5, 0.8):
        cut = round(share * n)
        late = first[first >= cut].tolist()
        new = set(codes[late].tolist())
        seen_late = np.isin(codes[cut:], list(new)).astype(np.float64)
        novelty.append(RateProfile(int(seen_late.sum()), n - cut, design_effect(seen_late)))
    return CategoricalProfile(
        n=n,
        categories=tuple(name for _, name, _ in ranked),
        counts=tuple(-total for total, _, _ in ranked),
        design_effects=tuple(effect for effect, _ in found),
        novelty=tuple(novelty),
        complete=complete,
        stationary=all(one for _, one in found),
        missing=rate_profile((column.codes < 0).astype(np.float64)),
        repeats=repeat_profile(codes, codes),
    )
