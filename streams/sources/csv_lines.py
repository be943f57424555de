"""Lines of CSV as rows of cells: one that cannot be read costs that line, never those after it."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.streams.sources.lines import LONGEST

#: A quoted cell may hold line breaks, this many lines of them.
MOST_LINES = 100

#: Number of the first line, its bytes, and its cells or why there are none.
Row = tuple[int, bytes, list[str] | BadEvent]


def csv_rows(blocks: Iterable[tuple[int, list[bytes]]], width: int) -> Iterator[list[Row]]:
    """Rows of `width` cells of numbered lines, block by block; empty lines are left out.

    >>> [rows] = csv_rows([(2, [b'a,"b', b'c"', b"x,y"])], 2)
    >>> [(number, cells) for number, _, cells in rows]
    [(2, ['a', 'bc']), (4, ['x', 'y'])]
    """
    carried: list[bytes] = []
    after = 0
    for first, lines in blocks:
        after = first + len(lines)
        rows, carried = _split(first - len(carried), [*carried, *lines], width, ended=False)
        yield rows
    if carried:
        yield _split(after - len(carried), carried, width, ended=True)[0]


def cells_of(lines: list[bytes]) -> list[str] | BadEvent:
    """The cells of one row that is spread over these lines."""
    if any(len(line) >= LONGEST for line in lines):
        return BadEvent(Reason.OVERSIZED, f"a line has over {LONGEST - 1} bytes")
    try:
        found = list(csv.reader([line.decode() for line in lines], strict=True))
    except UnicodeDecodeError as error:
        return BadEvent(Reason.UNDECODABLE, f"not UTF-8: {error.reason}")
    except csv.Error as error:
        return BadEvent(Reason.UNDECODABLE, f"not CSV: {error}")
    return found[0] if len(found) == 1 else BadEvent(Reason.UNDECODABLE, "not CSV: a quote is not closed")


def _split(first: int, lines: list[bytes], width: int, ended: bool) -> tuple[list[Row], list[bytes]]:
    """The rows of some lines, and the lines that are left because the end of their row is not here yet."""
    try:
        found = list(csv.reader([line.decode() for line in lines], strict=True))
    except (csv.Error, UnicodeDecodeError):
        found = []
    if len(found) == len(lines) and all(len(row) == width or not row for row in found):
        numbers = range(first, first + len(lines))
        return [row for row in zip(numbers, lines, found, strict=True) if row[2]], []
    rows: list[Row] = []
    at = 0
    while at < len(lines):
        read = _row(lines, at, width, ended)
        if read is None:
            return rows, lines[at:]
        taken, cells = read
        if cells:
            rows.append((first + at, b"".join(lines[at : at + taken]), cells))
        at += taken
    return rows, []


def _row(lines: list[bytes], at: int, width: int, ended: bool) -> tuple[int, list[str] | BadEvent] | None:
    """How many lines the row at `at` takes, and its cells; None if its end is not among these lines."""
    alone = cells_of(lines[at : at + 1])
    if isinstance(alone, list) and len(alone) in (0, width):
        return 1, alone
    quotes = 0
    for taken, line in enumerate(islice(lines, at, at + MOST_LINES), 1):
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            whole = cells_of(lines[at : at + taken])
            if isinstance(whole, list) and len(whole) == width:
                return taken, whole
            break
    else:
        if not ended and len(lines) - at < MOST_LINES:
            return None
    if isinstance(alone, list):
        alone = BadEvent(Reason.INCONSISTENT, f"{len(alone)} cells; the header has {width}")
    return 1, alone
