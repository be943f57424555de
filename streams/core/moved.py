"""Where a feature moved: the bins whose share changed most since an onset, and whether the prediction did."""

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from streamgauge.detectors.baseline import rank_scores
from streamgauge.detectors.binning import FeatureBinner, bin_count, bin_masses
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.detectors.evidence.sizes import sizes_of
from streamgauge.schemas.batch import Floats
from streamgauge.schemas.profile import CategoricalProfile, FeatureProfile, NumericProfile
from streamgauge.streams.core.attribution import MOST_BINS, Bin, Shift
from streamgauge.streams.core.bank import PREDICTION, SCORE
from streamgauge.streams.core.label_bank import LABEL
from streamgauge.streams.core.versions import Version

#: Fewer values since the onset say nothing.
_ENOUGH = 50
#: A share that changed by less is not worth telling.
_LEAST = 0.02
#: Nor one of fewer standard errors, for any row is in one bin or another.
_LEAST_ERRORS = 3.5
#: Standard errors from which on the prediction has moved: this is looked at because something else alarmed.
_SURE = 4.0


def since(version: Version, feature: str, onset_us: int) -> tuple[FeatureProfile, Floats] | None:
    """A feature's profile, and about how many values since the onset are in each known bin, then unseen and
    missing: float64 (bins + 2,). None where nothing is known.

    Of the window that the onset lies in, what came before it is taken out, as if it had been as the baseline.
    """
    found: tuple[FeatureProfile, Floats] | None = None
    for window in version.in_order():
        counts = window.labels if feature == LABEL else window.features
        if window.end_us <= onset_us or counts is None or feature not in counts.binner.names:
            continue
        profile, row = _row(counts, feature)
        last_us = max(min(window.end_us, version.last_served_us + 1), onset_us)
        before = max(onset_us - window.start_us, 0) / max(last_us - window.start_us, 1)
        if before:
            row = np.maximum(row - before * row.sum() * _reference(profile), 0.0)
        found = (profile, row if found is None else found[1] + row)
    return found


def moved_bins(profile: FeatureProfile, counts: Floats) -> tuple[Bin, ...]:
    """Where the values went and came from: neighbouring bins of a number that gained or lost are one range.

    >>> from streamgauge.detectors.baseline import numeric_profile
    >>> ages = numeric_profile(np.repeat([18.0, 35.0, 49.0, 60.0], 25))
    >>> [(each.bin, each.baseline, each.value) for each in moved_bins(ages, np.array([10, 15, 50, 25, 0, 0]))]
    [('up to 35', 0.5, 0.25), ('35 to 49', 0.25, 0.5)]
    """
    known = len(counts) - 2
    n = counts[: known + 1].sum()
    if n < _ENOUGH:
        return ()
    masses = bin_masses(profile)
    baseline, value = masses / masses.sum(), counts[: known + 1] / n
    if isinstance(profile, NumericProfile):
        ranges = _ranges(value[:known] - baseline)
        found = [
            Bin(_in_words(profile, a, b), float(baseline[a:b].sum()), float(value[a:b].sum()))
            for a, b in ranges
        ]
    else:
        names = [*profile.categories[:known], "unseen"]
        if known < len(profile.categories):
            names[known - 1] = "other"
        shares = zip(names, [*baseline.tolist(), 0.0], value.tolist(), strict=True)
        found = [Bin(*share) for share in shares]
    per_row = 1 / n + 1 / profile.n
    found = [each for each in found if abs(each.value - each.baseline) >= _least(each.baseline, per_row)]
    found.sort(key=lambda each: -abs(each.value - each.baseline))
    return tuple(found[:MOST_BINS])


def _least(share: float, per_row: float) -> float:
    """By how much a share must have changed to be told; `per_row` sums one over the rows of both sides."""
    return max(_LEAST, _LEAST_ERRORS * math.sqrt(share * (1.0 - share) * per_row))


def prediction_shift(version: Version, onset_us: int) -> Shift | None:
    """Whether the prediction, or its score, moved since the onset; None where too few came."""
    found = [
        _shift(name, *known) for name in (PREDICTION, SCORE) if (known := since(version, name, onset_us))
    ]
    told = [each for each in found if each is not None]
    return max(told, key=lambda each: each[0], default=(0.0, None))[1]


def _shift(name: str, profile: FeatureProfile, counts: Floats) -> tuple[float, Shift] | None:
    """In standard errors, and as it is told."""
    known = len(counts) - 2
    values = counts[:known]
    n, masses = float(values.sum()), bin_masses(profile)
    if n < _ENOUGH:
        return None
    p, q, per_row = masses / masses.sum(), values / n, 1 / n + 1 / profile.n
    if isinstance(profile, CategoricalProfile):
        errors = (q - p) / np.sqrt(np.maximum(p * (1 - p), 1 / profile.n) * per_row)
        most = int(errors.argmax())
        sure, size = float(np.abs(errors).max()), float(q[most] - p[most])
        direction = f"{profile.categories[most]} up"
    else:
        told = []
        for score, effect, words in zip(rank_scores(masses), profile.design_effects, _WORDS, strict=True):
            shift = float(q @ score)
            error = float(np.sqrt(max(p @ score**2, 1e-12) * effect * per_row))
            told.append((abs(shift) / error, words[shift > 0]))
        location, spread = rank_scores(masses)[0], told[1][0] > told[0][0]
        sizes = sizes_of(profile)
        size = sizes.ratio(float(q @ location**2)) if spread else sizes.shift(float(q @ location))
        sure, direction = max(told)
    if sure < _SURE:
        return sure, Shift(name, moved=False)
    return sure, Shift(name, moved=True, direction=direction, size=size)


#: Where the scores of location and of spread fall, and where they rise.
_WORDS = (("down", "up"), ("narrower", "wider"))


def _row(counts: FeatureCounts, feature: str) -> tuple[FeatureProfile, Floats]:
    binner: FeatureBinner = counts.binner
    row = binner.names.index(feature)
    profile = binner.profiles[row]
    of_all = counts.counts[row].astype(np.float64)
    return profile, np.concatenate([of_all[: bin_count(profile)], of_all[-2:]])


def _reference(profile: FeatureProfile) -> Floats:
    """The baseline's shares of known bins, unseen and missing."""
    masses = bin_masses(profile)
    missing = profile.missing.k / profile.missing.n if profile.missing.n else 0.0
    return np.concatenate([masses / masses.sum() * (1 - missing), [0.0, missing]])


def _ranges(change: Floats) -> Iterable[tuple[int, int]]:
    """[start, end) of runs of bins that gained, or that lost."""
    bounds = [0, *(np.flatnonzero(np.diff(np.sign(change))) + 1).tolist(), len(change)]
    return pairwise(bounds)


def _in_words(profile: NumericProfile, first: int, end: int) -> str:
    edges = profile.edges
    if first == 0 and end > len(edges):
        return "all"
    if first == 0:
        return f"up to {edges[end - 1]:.4g}"
    if end > len(edges):
        return f"above {edges[first - 1]:.4g}"
    return f"{edges[first - 1]:.4g} to {edges[end - 1]:.4g}"
