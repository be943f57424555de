"""Baseline profiles as people read them: what is in one, and how two differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from streamgauge.cli.watching import counted, number
from streamgauge.detectors.profile_comparison import Difference, PairDifference
from streamgauge.detectors.profile_review import Remark
from streamgauge.schemas.profile import BaselineProfile, CategoricalProfile, FeatureProfile, NumericProfile
from streamgauge.schemas.times import format_time

_METRICS = ("psi", "psi_noise_level", "js_distance", "ks", "wasserstein", "chi2", "missing_rate",
            "unseen_category_rate")  # fmt: skip
_NAMED = 3


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Iterator[str]:
    """Lines of columns; the first `left` and the last are flush left, the others right.

    >>> list(table(["feature", "n", "note"], [["age", "1,000", ""], ["job", "9", "new"]]))
    ['feature      n  note', 'age      1,000', 'job          9  new']
    """
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = [
            cell.ljust(width) if column < left or column == len(header) - 1 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def built(told: Mapping[str, Any], path: Path) -> str:
    """What went into a profile, in a sentence or two."""
    version = "" if told["version"] is None else f" {told['version']}"
    text = f"{path}: {told['rows']:,} predictions of {told['model']}{version}"
    text += f", {told['from'][:16]} to {told['to'][:16]}"
    if told["labelled"]:
        text += f", {told['labelled']:,} of them labelled"
    if told["left"]:
        text += f"; {told['left']:,} after them were left out (--rows)"
    if told["refused"]:
        text += f"; {told['refused']:,} rows could not be read"
    return f"{text}\n{told['profile']}"


def remark(found: Remark) -> str:
    """One thing to know."""
    return f"! {found.feature + ': ' if found.feature else ''}{found.text}"


def profile(
    found: BaselineProfile, features: Mapping[str, FeatureProfile], remarks: Sequence[Remark]
) -> Iterator[str]:
    """Lines: what the profile is of, its numbers, its categories, its errors, and what to know of it."""
    yield f"{found.rows:,} rows, {found.profile_id}"
    numbers = {name: p for name, p in features.items() if isinstance(p, NumericProfile)}
    if numbers:
        yield ""
        header = ["number", "values", "missing", "mean", "sd", "low", "high", "bins", "dependence", ""]
        yield from table(header, [_number_row(name, p) for name, p in numbers.items()])
    categories = {name: p for name, p in features.items() if isinstance(p, CategoricalProfile)}
    if categories:
        yield ""
        header = ["category", "values", "missing", "different", "dependence", "most common"]
        yield from table(header, [_category_row(name, p) for name, p in categories.items()])
    if found.pairs:
        yield ""
        yield f"{counted(len(found.pairs), 'pair')} of features; the most and least alike:"
        ranked = sorted(found.pairs, key=lambda pair: pair.agree.k / pair.agree.n)
        named = ranked if len(ranked) <= 2 * _NAMED else ranked[:_NAMED] + ranked[-_NAMED:]
        for pair in reversed(named):
            rate = pair.agree.k / pair.agree.n
            yield f"{pair.name}: in the same half in {rate:.0%} of {pair.agree.n:,} rows"
    yield ""
    if found.errors is None:
        yield "errors: not part of it; they are learned from labels"
    elif isinstance(found.errors, NumericProfile):
        yield f"errors: {number(found.errors.mean)} on average, of {found.errors.n:,} labelled rows"
    else:
        yield f"errors: {found.errors.k / found.errors.n:.2%} wrong, of {found.errors.n:,} labelled rows"
    if found.estimator is not None:
        yield f"performance before labels: from {found.estimator.residuals.n:,} labelled rows"
    for each in remarks:
        yield remark(each)


def _number_row(name: str, p: NumericProfile) -> list[str]:
    watched = "" if p.stationary and len(p.counts) > 1 else "not watched for drift"
    moments = [number(value) for value in (p.mean, p.sd, p.low, p.high)]
    effect = max(p.design_effects)
    return [name, f"{p.n:,}", _missing(p), *moments, str(len(p.counts)), f"{effect:.1f}", watched]


def _category_row(name: str, p: CategoricalProfile) -> list[str]:
    common = ", ".join(
        f"{category} {count / p.n:.0%}"
        for category, count in zip(p.categories[:_NAMED], p.counts, strict=False)
    )
    more = "" if p.complete else "+"
    effect = max(p.design_effects, default=1.0)
    watched = "" if p.stationary else "; not watched for drift"
    return [name, f"{p.n:,}", _missing(p), f"{len(p.categories):,}{more}", f"{effect:.1f}", common + watched]


def _missing(p: FeatureProfile) -> str:
    return f"{p.missing.k / p.missing.n:.1%}" if p.missing.n else "-"


def comparison(found: Sequence[Difference], pairs: Sequence[PairDifference]) -> Iterator[str]:
    """Lines, in the order given; ``*`` marks what is beyond its noise. Pairs only where they are."""
    header = ["feature", "PSI", "noise level", "", "JS", "KS", "missing", "size", ""]
    yield from table(header, [_difference_row(difference) for difference in found])
    beyond = sum(difference.excess > 1 for difference in found)
    yield ""
    yield f"{beyond} of {len(found)} beyond their noise (*), which a twentieth is by chance"
    for pair in pairs:
        if pair.is_beyond_noise:
            yield f"{pair.name}: in the same half in {pair.first:.0%} of the rows, now in {pair.second:.0%}"


def _difference_row(d: Difference) -> list[str]:
    if d.note:
        return [d.name, *[""] * 7, d.note]
    numbers = [number(d.value(name)) for name in ("psi", "psi_noise_level")]
    rest = [number(d.value(name)) for name in ("js_distance", "ks")]
    missing = d.value("missing_rate")
    size = "-" if d.size is None else f"{d.size:+.1%}" if d.moved else f"{d.size:+.2f} sd"
    moved = "" if d.moved is None else f"share of {d.moved}"
    mark = "*" if d.excess > 1 else ""
    return [d.name, *numbers, mark, *rest, "-" if missing is None else f"{missing:.1%}", size, moved]


def difference_record(d: Difference) -> dict[str, Any]:
    """For programs."""
    values = {metric: d.value(metric) for metric in _METRICS}
    return {
        "feature": d.name, "kind": d.kind, "n": [d.n, d.m], **values,
        "size": d.size, "category": d.moved, "note": d.note or None,
    }  # fmt: skip


def stamp(time_us: int) -> str:
    """RFC 3339."""
    return format_time(time_us)
