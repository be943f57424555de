"""Two baseline profiles become that of all their rows together.

Exact are counts of rows, of categories and of bins with the same edges, rates, means and standard deviations.
Where bins differ, those of the larger profile stay, and what the other one counted is spread over them.
"""

import math
from itertools import zip_longest
from typing import TypeVar

import numpy as np

from streamgauge.detectors.baseline import COMMON, COMMON_LEAST, MAX_CATEGORIES, rank_scores
from streamgauge.detectors.dependence import HALVES_LIMIT, LEAST_ROWS
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.profile import (
    BaselineProfile,
    CategoricalProfile,
    FeatureProfile,
    NumericProfile,
    RateProfile,
)

AnyProfile = TypeVar("AnyProfile", NumericProfile, CategoricalProfile)


def merge_profiles(a: BaselineProfile, b: BaselineProfile) -> BaselineProfile:
    """The profile of both references' rows. Raises ValueError where one thing is of two kinds.

    What a profile lacks was missing in all of its rows. Design effects are the larger of the two, and what
    differs between them by more than four standard errors is not stationary. What estimates
    performance, and which features go together, cannot be merged and is left out.

    >>> from streamgauge.detectors.baseline import build_profile
    >>> a, b = (build_profile({"age": np.arange(start, start + 100.0)}) for start in (0, 100))
    >>> age = merge_profiles(a, b).features["age"]
    >>> age.n, age.mean, age.stationary
    (200, 99.5, False)
    """
    names = sorted({*a.features, *b.features})
    features = {
        name: _either(name, a.features.get(name), a.rows, b.features.get(name), b.rows) for name in names
    }
    score = _either("the score", a.score, a.rows, b.score, b.rows)
    return BaselineProfile(
        rows=a.rows + b.rows,
        features={name: profile for name, profile in features.items() if profile is not None},
        prediction=_either("the prediction", a.prediction, a.rows, b.prediction, b.rows),
        score=score if isinstance(score, NumericProfile) else None,
        errors=_errors(a.errors, b.errors),
    )


def rebinned(profile: NumericProfile, edges: Floats) -> tuple[Floats, Floats]:
    """The profile's mass in bins with other rising `edges`, and the sum of its values there; both (B,).

    Each of its bins counts as evenly spread about its mean, as widely as the bin allows. So means stay, and
    a value that fills a bin of its own stays one value.

    >>> from streamgauge.detectors.baseline import numeric_profile
    >>> profile = numeric_profile(np.arange(1000.0))
    >>> [part.round().tolist() for part in rebinned(profile, np.array([99.5, 499.5]))]
    [[100.0, 400.0, 500.0], [4950.0, 119800.0, 374750.0]]
    """
    counts, centres = np.array(profile.counts, np.float64), np.array(profile.centres)
    below = np.array([min(profile.low, profile.centres[0]), *profile.edges])
    above = np.array([*profile.edges, max(profile.high, profile.centres[-1])])
    with np.errstate(over="ignore"):
        half = np.clip(np.minimum(centres - below, above - centres), 0.0, 1e300)
    low, high = (centres - half)[:, None], (centres + half)[:, None]
    bounds = np.array([-np.inf, *edges, np.inf])
    left, right = np.clip(bounds[:-1], low, high), np.clip(bounds[1:], low, high)
    width = high - low
    point = (bounds[:-1] < centres[:, None]) & (centres[:, None] <= bounds[1:])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = np.where(width > 0, (right - left) / np.where(width > 0, width, 1.0), point)
        middle = np.where(width > 0, left + (right - left) / 2, centres[:, None])
        return counts @ share, counts @ (share * middle)


def whole_counts(masses: Floats) -> Ints:
    """Masses (B,) as whole numbers with the same sum, rounded as they accumulate.

    >>> whole_counts(np.array([1.4, 1.4, 1.2])).tolist()
    [1, 2, 1]
    """
    totals: Ints = np.rint(np.cumsum(masses)).astype(np.int64)
    return np.concatenate([totals[:1], totals[1:] - totals[:-1]])


def _either(
    name: str, a: FeatureProfile | None, a_rows: int, b: FeatureProfile | None, b_rows: int
) -> FeatureProfile | None:
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        return _numeric(a, b)
    if isinstance(a, CategoricalProfile) and isinstance(b, CategoricalProfile):
        return _categorical(a, b)
    if a is not None and b is not None:
        raise ValueError(f"{name} is {a.kind} in one profile and {b.kind} in the other")
    if a is not None:
        return _with_missing(a, b_rows)
    return b if b is None else _with_missing(b, a_rows)


def _with_missing(profile: FeatureProfile, rows: int) -> FeatureProfile:
    """As if `rows` more had been seen, all without a value."""
    if rows == 0:
        return profile
    missing = _rate(profile.missing, RateProfile(rows, rows))
    fields = {name: getattr(profile, name) for name in profile.__dataclass_fields__} | {"missing": missing}
    return type(profile)(**fields)


def _rate(a: RateProfile, b: RateProfile) -> RateProfile:
    effect = max(a.design_effect, b.design_effect)
    stationary = a.stationary and b.stationary
    if min(a.n, b.n) > 0:
        p, q = a.k / a.n, b.k / b.n
        variance = effect * (p * (1 - p) / a.n + q * (1 - q) / b.n)
        stationary &= _agree(p - q, variance, a.n, b.n)
    return RateProfile(a.k + b.k, a.n + b.n, effect, stationary)


def _share(rate: RateProfile) -> tuple[float, int]:
    return (rate.k / rate.n if rate.n else 0.0), rate.n


def _numeric(a: NumericProfile, b: NumericProfile) -> NumericProfile:
    first, second = sorted((a, b), key=lambda profile: (-profile.n, profile.edges, profile.counts))
    edges = np.array(first.edges)
    mine = np.array(first.counts)
    masses, sums = rebinned(second, edges)
    if first.edges == second.edges:
        masses = np.array(second.counts, np.float64)
        sums = masses * np.array(second.centres)
    theirs = whole_counts(masses)
    counts = mine + theirs
    location, spread = rank_scores(counts)
    effects = (
        max(a.design_effects[0], b.design_effects[0]),
        max(a.design_effects[1], b.design_effects[1]),
    )
    same = all(
        _means_agree(score, mine, theirs, effect)
        for score, effect in zip((location, spread), effects, strict=True)
    )
    low, high = min(a.low, b.low), max(a.high, b.high)
    limits = np.array([low, *first.edges, high])
    with np.errstate(over="ignore", invalid="ignore"):
        centres = (mine * np.array(first.centres) + sums) / (mine + masses)
    centres = np.where(np.isfinite(centres), centres, first.centres)
    least, most = np.minimum(limits[:-1], first.centres), np.maximum(limits[1:], first.centres)
    mean, sd = _moments(first, second)
    return NumericProfile(
        n=a.n + b.n,
        edges=first.edges,
        counts=tuple(counts.tolist()),
        centres=tuple(np.clip(centres, least, most).tolist()),
        mean=mean,
        sd=sd,
        low=low,
        high=high,
        design_effects=effects,
        stationary=a.stationary and b.stationary and same,
        missing=_rate(a.missing, b.missing),
        repeats=max(a.repeats, b.repeats, key=_share),
        out_of_range=_rate(a.out_of_range, b.out_of_range),
    )


def _moments(a: NumericProfile, b: NumericProfile) -> tuple[float, float]:
    """Mean and standard deviation of both together (Chan, Golub & LeVeque 1983)."""
    n = a.n + b.n
    share, apart = b.n / n, b.mean - a.mean
    mean = a.mean + apart * share
    parts = (a.sd * math.sqrt(a.n / n), b.sd * math.sqrt(b.n / n), apart * math.sqrt(share * (1 - share)))
    sd = math.hypot(*parts)
    return (mean if math.isfinite(mean) else a.mean), (sd if math.isfinite(sd) else 0.0)


def _categorical(a: CategoricalProfile, b: CategoricalProfile) -> CategoricalProfile:
    totals: dict[str, int] = {}
    effects: dict[str, float] = {}
    for profile in (a, b):
        for name, count in zip(profile.categories, profile.counts, strict=True):
            totals[name] = totals.get(name, 0) + count
        for name, effect in zip(profile.categories, profile.design_effects, strict=False):
            effects[name] = max(effect, effects.get(name, 1.0))
    ranked = sorted(totals.items(), key=lambda entry: (-entry[1], entry[0]))
    kept = ranked[:MAX_CATEGORIES]
    usual = max(effects.values(), default=1.0)
    common = [name for name, count in kept[:COMMON] if count >= COMMON_LEAST]
    design = tuple(effects.get(name, usual) for name in common)
    shares = [dict(zip(p.categories, p.counts, strict=True)) for p in (a, b)]
    same = all(
        _agree(p - q, effect * (p * (1 - p) / a.n + q * (1 - q) / b.n), a.n, b.n)
        for name, effect in zip(common, design, strict=True)
        for p, q in [(shares[0].get(name, 0) / a.n, shares[1].get(name, 0) / b.n)]
    )
    nothing = RateProfile(0, 0)
    return CategoricalProfile(
        n=a.n + b.n,
        categories=tuple(name for name, _ in kept),
        counts=tuple(count for _, count in kept),
        design_effects=design,
        novelty=tuple(
            RateProfile(x.k + y.k, x.n + y.n, max(x.design_effect, y.design_effect))
            for x, y in zip_longest(a.novelty, b.novelty, fillvalue=nothing)
        ),
        complete=a.complete and b.complete and len(kept) == len(ranked),
        stationary=a.stationary and b.stationary and same,
        missing=_rate(a.missing, b.missing),
        repeats=max(a.repeats, b.repeats, key=_share),
    )


def _errors(
    a: RateProfile | NumericProfile | None, b: RateProfile | NumericProfile | None
) -> RateProfile | NumericProfile | None:
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, RateProfile) and isinstance(b, RateProfile):
        return _rate(a, b)
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        return _numeric(a, b)
    raise ValueError("the errors are a rate in one profile and numbers in the other")


def _means_agree(score: Floats, a: Ints, b: Ints, effect: float) -> bool:
    n, m = int(a.sum()), int(b.sum())
    mean_a, mean_b = float(a @ score) / n, float(b @ score) / m
    variance_a, variance_b = float(a @ (score - mean_a) ** 2) / n, float(b @ (score - mean_b) ** 2) / m
    return _agree(mean_a - mean_b, effect * (variance_a / n + variance_b / m), n, m)


def _agree(difference: float, variance: float, n: int, m: int) -> bool:
    """As halves of one reference must: within four standard errors, once there is enough to compare."""
    return n + m < LEAST_ROWS or abs(difference) <= HALVES_LIMIT * math.sqrt(variance)
