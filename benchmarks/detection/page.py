"""The tables and pictures of docs/detection.md, part by part; the words around them are written by hand."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.detection import charts, crowd, delays, fleets, real, stories
from benchmarks.detection.rivals import ALPHA, RIVALS
from streamgauge.detectors.baseline import numeric_profile
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.schemas.batch import Floats

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "detection.md"


@dataclass(frozen=True, slots=True)
class Section:
    """A table in Markdown, and pictures by their file's name."""

    table: str
    pictures: Mapping[str, str] = field(default_factory=dict)


def without_drift(quick: bool) -> Section:
    """40 fleets of each kind and reference: in how many does anything alarm?"""
    seeds, streams, events = (1, 20, 2_000) if quick else (fleets.SEEDS, fleets.STREAMS, fleets.EVENTS)
    found = {
        kind.name: [fleets.fleet(kind, seed, streams=streams, events=events) for seed in range(seeds)]
        for kind in fleets.KINDS
    }
    return fleets_table(found)


def fleets_table(found: Mapping[str, list[dict[int, fleets.Fleet]]]) -> Section:
    """Of each kind and reference: in how many fleets anything alarmed, and the share of streams watched."""
    rows = []
    for name, of_kind in found.items():
        cells = []
        for m in fleets.REFERENCES:
            alarmed = sum(fleet[m].alarmed > 0 for fleet in of_kind)
            watched = float(np.mean([fleet[m].watched / fleet[m].streams for fleet in of_kind]))
            cells.append(f"{alarmed} of {len(of_kind)} ({watched:.1%} watched)".replace("%", " %"))
        rows.append([name, *cells])
    return Section(_table(["streams", *(f"reference of {m:,}" for m in fleets.REFERENCES)], rows))


def promised(quick: bool) -> Section:
    """Median delays of the project's own promises."""
    rows = []
    for case in delays.CASES:
        found = delays.delays(case, streams=3 if quick else 61)
        limits = [f" (≤ {limit:,})" if limit else "" for limit in case.promised]
        adwin = found.get("ADWIN")
        cells = [
            f"{_events(found[b].median)}{limit}" for b, limit in zip(delays.BUDGETS, limits, strict=True)
        ]
        false = sum(found[b].false for b in delays.BUDGETS)
        rows.append(
            [
                case.name,
                *cells,
                f"{false}",
                *([_events(adwin.median), f"{adwin.false}"] if adwin else ["", ""]),
            ]
        )
    head = ["change", "single", "fleet", "false alarms", "ADWIN", "its false alarms"]
    return Section(_table(head, rows))


def side_by_side(quick: bool) -> Section:
    """Every kind of stream and every detector: false alarms in 10,000 events, and the delay."""
    some = stories.STORIES[2:3] if quick else stories.STORIES
    rows = []
    for story in some:
        found = stories.compare(story, streams=2 if quick else 6)
        rows.append([story.name, *(f"{seen.false:.1f} / {_events(seen.delay)}" for seen in found.values())])
    return Section(_table(["change", *RIVALS], rows))


def in_a_crowd(quick: bool) -> Section:
    """1,000 streams of which 20 move."""
    found = crowd.received(30, 3, 6) if quick else crowd.received()
    moved = 3 if quick else crowd.MOVED
    rows = [[name, f"{r.false:,}", f"{r.told} of {moved}", _events(r.delay)] for name, r in found.items()]
    told = {name: f"{r.told} of {moved} found" for name, r in found.items()}
    picture = charts.false_alerts({name: r.false for name, r in found.items()}, told)
    head = ["method", "false alerts", "moved streams told", "median delay"]
    return Section(_table(head, rows), {"false-alerts-of-a-fleet.svg": picture})


def by_size(quick: bool) -> Section:
    """Delays against the size of a shift."""
    shifts = (0.5, 1.0) if quick else stories.SHIFTS
    found = stories.delays_by_shift(2 if quick else 31, shifts)
    rows = [[name, *map(_events, row)] for name, row in found.items()]
    picture = charts.delays(shifts, found, "How soon a shift is seen")
    return Section(
        _table(["method", *(f"{shift:g} σ" for shift in shifts)], rows), {"delay-by-size.svg": picture}
    )


def slowly_or_again(quick: bool) -> Section:
    """Gradual and recurring drifts."""
    rows, acting, evidence = [], {}, {}
    for name, course in stories.COURSES.items():
        found = stories.follow(course, streams=2 if quick else 20)
        rows += [
            [name, method, f"{seen.false:.1f}", f"{seen.share:.0%}".replace("%", " %"), _events(seen.delay)]
            for method, seen in found.items()
        ]
        acting[name] = course(stories.LENGTH)
        evidence[name] = _evidence(acting[name])
    head = ["change", "method", "false alarms in 10,000", "found", "median delay"]
    picture = charts.courses(acting, evidence, LOOK)
    return Section(_table(head, rows), {"evidence-over-time.svg": picture})


def on_real_data(quick: bool) -> Section:
    """Data that River brings along."""
    rows = []
    for name, story in real.stories(("Phishing",) if quick else tuple(real.DATA)).items():
        for method, seen in story.seen.items():
            share = f"{seen.share:.0%}".replace("%", " %")
            about = f"{name}: {story.features} features, {story.rows:,} rows"
            rows.append([about, method, f"{seen.false:.1f}", share, _events(seen.delay)])
    head = ["data", "method", "false alarms in 10,000", "found", "median delay"]
    return Section(_table(head, rows))


def groups(quick: bool) -> Section:
    """Disparity at its tolerance and beyond."""
    rows = []
    seeds, events = (2, 2_000) if quick else (40, 60 * 500)
    for number in (2, 4, 8):
        calm = [delays.disparity(number, 0.1, seed, events) for seed in range(seeds)]
        beyond = [delays.disparity(number, 0.2, seed, 10_000) or np.inf for seed in range(seeds)]
        alarmed = sum(each is not None for each in calm)
        rows.append([f"{number}", f"{alarmed} of {seeds}", _events(float(np.median(beyond)) / 500),
                     _events(max(beyond) / 500)])  # fmt: skip
    head = ["groups", "alarms at a gap of .1, the tolerance", "gap of .2: told after windows, median", "last"]
    return Section(_table(head, rows))


PARTS: Mapping[str, Callable[[bool], Section]] = {
    "crowd": in_a_crowd,
    "fleets": without_drift,
    "delays": promised,
    "sizes": by_size,
    "compare": side_by_side,
    "courses": slowly_or_again,
    "real": on_real_data,
    "groups": groups,
}


def write(name: str, section: Section) -> None:
    """Puts a table and its pictures in their place, if the page has one for them."""
    before = PAGE.read_text()
    marked = rf"(?s)(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    if not re.search(marked, before):
        return
    PAGE.write_text(re.sub(marked, lambda found: f"{found[1]}{section.table}\n{found[2]}", before))
    for file, drawn in section.pictures.items():
        (DOCS / "pictures" / file).write_text(drawn)


def _evidence(acting: Floats) -> Floats:
    """Of one normal stream that moves by so much, after every look."""
    rng = np.random.default_rng(3)
    profile = numeric_profile(rng.normal(size=stories.REFERENCE))
    watched = NumericEvidence([profile] if profile else [], 1, ALPHA)
    values, found = rng.normal(size=(1, len(acting))) + acting, []
    for start in range(0, len(acting), LOOK):
        at = np.arange(start, start + LOOK)
        watched.update_many(values[:, at], at, 0.9 * ALPHA / 10_000 * (at + 1))
        alarmed = bool(watched.take_alarms())
        found.append(1.0 if alarmed else float(watched.evidence[0]))
    return np.array(found)


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _events(number: float) -> str:
    return f"{number:,.0f}" if np.isfinite(number) else "not seen"
