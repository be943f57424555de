"""Which segments carry a change: leave one out, and see whether it is gone."""

from collections.abc import Iterable
from math import sqrt

import numpy as np

from streamgauge.detectors.baseline import rank_scores
from streamgauge.detectors.binning import bin_masses
from streamgauge.schemas.batch import Floats
from streamgauge.schemas.monitor_names import ESTIMATE_GAP
from streamgauge.schemas.profile import FeatureProfile, NumericProfile
from streamgauge.streams.core.attribution import MOST_SEGMENTS, Carrier
from streamgauge.streams.core.bag import Bag
from streamgauge.streams.core.findings import Finding, Segment
from streamgauge.streams.core.segments import NONE
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.windows import ALL, Window

#: So many must be left to say that a change is gone, and so many be left out.
_LEFT, _OUT = 30, 10
#: A change is gone where no more than this share of it is left, or no more than chance may leave of less than
#: half of it.
_GONE, _HALF = 0.25, 0.5
_BY_LABELS = ("concept_drift", ESTIMATE_GAP)
#: Shift, its standard error and the number of rows: of all, and of all but one segment.
_Rest = tuple[float, float, int]


def carriers(finding: Finding, version: Version, windows: Iterable[Window]) -> tuple[Carrier, ...] | None:
    """The segments that carry what was found, at most three; `windows` are those since its onset.

    Empty where none does: all are alike. None where that cannot be told.
    """
    if not version.segments.names:
        return None
    if finding.monitor in _BY_LABELS:
        return _of_errors(version, windows)
    return _of_rows(finding, version)


def carrying(whole: _Rest, without: Iterable[tuple[Segment, _Rest]]) -> tuple[Carrier, ...] | None:
    """Out of the shift of all, and what is left of it without each segment.

    >>> whole, norway, sweden = (0.4, 0.05, 400), (0.02, 0.06, 300), (0.5, 0.1, 100)
    >>> carrying(whole, [((("country", "NO"),), norway), ((("country", "SE"),), sweden)])
    (Carrier(segment=(('country', 'NO'),), share=0.95),)
    """
    shift, _, n = whole
    if n < _LEFT + _OUT or shift == 0:
        return None
    found = []
    for segment, (rest, error, left) in without:
        if left < _LEFT or n - left < _OUT:
            continue
        kept = max(rest / shift, 0.0)
        if kept <= _GONE or (kept <= _HALF and abs(rest) <= 2 * error):
            found.append(Carrier(segment, round(1.0 - kept, 3)))
    found.sort(key=lambda each: -each.share)
    return tuple(found[:MOST_SEGMENTS])


def _of_rows(finding: Finding, version: Version) -> tuple[Carrier, ...] | None:
    """Of the feature that moved most, by the latest rows."""
    bank, first = version.watch.bank, next(iter(finding.contributors), None)
    if bank is None or first is None or first.feature not in bank.binner.names:
        return None
    row = bank.binner.names.index(first.feature)
    told = _scores(finding, first.direction or "", bank.binner.profiles[row], bank.binner.width)
    _, codes, slots = version.latest.since(finding.onset_us or 0)
    if told is None or not slots or codes.shape[0] <= row:
        return None
    values = told[codes[row]]
    known = ~np.isnan(values)
    whole = _mean(values[known])
    without = [
        (version.segments.names[slot], _mean(values[known & (column != slot)]))
        for column in slots.values()
        for slot in np.unique(column[known]).tolist()
        if slot != NONE and slot < len(version.segments.names)
    ]
    return carrying(whole, without)


def _scores(finding: Finding, direction: str, profile: FeatureProfile, width: int) -> Floats | None:
    """What a value of each bin adds to the shift, float64 (width,), of mean 0 in the baseline, or NaN."""
    scores = np.full(width, np.nan)
    masses = bin_masses(profile)
    if finding.metric in ("missing_rate", "wrong_type_rate"):
        scores[:] = 0.0
        scores[-1] = 1.0
        return scores - (finding.baseline or 0.0)
    if isinstance(profile, NumericProfile):
        location, spread = rank_scores(masses)
        scores[: len(masses)] = spread if finding.metric == "standard_deviation_ratio" else location
        return scores
    scores[: len(masses)] = scores[-2] = 0.0
    if finding.metric == "unseen_category_rate":
        scores[-2] = 1.0
    elif (category := direction.rpartition(" ")[0]) in profile.categories[: len(masses)]:
        scores[profile.categories.index(category)] = 1.0
    else:
        return None
    return scores - (finding.baseline or 0.0)


def _mean(values: Floats) -> _Rest:
    n = len(values)
    return (float(values.mean()), float(values.std()) / sqrt(n), n) if n else (0.0, 0.0, 0)


def _of_errors(version: Version, windows: Iterable[Window]) -> tuple[Carrier, ...] | None:
    """Of errors, by the sums of the windows."""
    baseline = version.watch.errors.baseline
    if baseline is None or version.watch.errors.ranks:
        return None
    sums: dict[Segment, tuple[float, int]] = {}
    for window in windows:
        for segment, bag in window.bags.items():
            errors, n = sums.get(segment, (0.0, 0))
            more, count = _errors(bag)
            sums[segment] = errors + more, n + count
    total, n = sums.pop(ALL, (0.0, 0))
    whole = _excess(total, n, baseline)
    return carrying(whole, [(s, _excess(total - e, n - k, baseline)) for s, (e, k) in sums.items()])


def _errors(bag: Bag) -> tuple[float, int]:
    """The sum of errors, and of how many."""
    if bag.classes:
        _, matrix = bag.confusion.used()
        return float(matrix.sum() - np.trace(matrix)), int(matrix.sum())
    mean = bag.errors.metrics()["mean_absolute_error"].value
    return (0.0, 0) if mean is None else (mean * bag.errors.n, bag.errors.n)


def _excess(errors: float, n: int, baseline: float) -> _Rest:
    if n <= 0:
        return 0.0, 0.0, 0
    mean = errors / n
    return mean - baseline, sqrt(max(mean * (1 - mean), mean * mean, 0.0) / n), n
