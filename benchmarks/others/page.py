"""The tables and the picture of docs/comparison.md, from stored figures; its words are by hand."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.others.chart import bars
from benchmarks.others.data import CHANGES
from benchmarks.others.measure import Row

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "comparison.md"
PICTURE = DOCS / "pictures" / "other-tools.svg"
FIGURES = Path(__file__).with_name("figures.json")


def tables(rows: Sequence[Row]) -> Mapping[str, str]:
    """By the name of their place on the page."""
    ours = rows[0].us
    once = {(row.tool, row.method): row for row in rows}.values()
    return {
        "cost": _table(
            ["tool", "method", "µs an event", "ours being 1", "peak memory"],
            (
                [
                    f"{row.tool} {row.version}".strip(),
                    row.method,
                    _short(row.us),
                    _short(row.us / ours),
                    f"{row.peak_mb:,.0f} MB",
                ]
                for row in once
            ),
        ),
        "false": _table(
            ["tool and method", "an alarm is of", "windows with an alarm", "models with one"],
            ([name(r), r.verdict, _share(r.windows), _share(r.models)] for r in rows),
        ),
        "delays": _table(
            ["tool and method", "an alarm is of", *CHANGES, "of, within windows"],
            ([name(r), r.verdict, *map(_delay, r.delays.values()), _of(r)] for r in rows),
        ),
    }


def name(row: Row) -> str:
    """Of a tool and its method."""
    return f"{row.tool}, {row.method}"


def read() -> list[Row]:
    """What was measured last for the page."""
    return [Row(**row) for row in json.loads(FIGURES.read_text())]


def write(rows: Sequence[Row]) -> None:
    """Stores the figures; puts tables and picture of them in their places."""
    lines = ",\n".join(json.dumps(asdict(row), ensure_ascii=False) for row in rows)
    FIGURES.write_text(f"[\n{lines}\n]\n")
    PICTURE.write_text(picture(rows))
    text = PAGE.read_text()
    for place, table in tables(rows).items():
        text = re.sub(rf"(?s)(<!-- {place} -->\n).*?(<!-- /{place} -->)", rf"\g<1>{table}\n\g<2>", text)
    PAGE.write_text(text)


def picture(rows: Sequence[Row]) -> str:
    """µs an event, and windows with a false alarm."""
    return bars(
        [name(row) + ("" if row.verdict.startswith("any") else f": {row.verdict}") for row in rows],
        [row.us for row in rows],
        [row.windows[0] / row.windows[1] for row in rows],
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _share(found: Sequence[int]) -> str:
    return f"{found[0]:,} of {found[1]:,} ({found[0] / found[1]:.1%})".replace("%", " %")


def _delay(found: Sequence[float | None]) -> str:
    median, never, *_ = found
    said = "not seen" if median is None else f"{median:,.0f}"
    return said if not never or never == found[2] else f"{said} (never: {never})"


def _of(row: Row) -> str:
    _, _, models, windows = next(iter(row.delays.values()))
    return f"{models} models, {windows}"
