"""One piece of news, as the screen and the pipe take it."""

from dataclasses import dataclass
from typing import Literal

from streamgauge.schemas.times import format_time

Tone = Literal["fault", "alert", "ended", "retrain", "quiet"]


@dataclass(frozen=True, slots=True)
class Line:
    """`mark` is a sign for its kind."""

    time_us: int
    mark: str
    text: str
    tone: Tone


def clock(time_us: int) -> str:
    """Hours and minutes, UTC.

    >>> clock(1_800_000_000_000_000)
    '08:00'
    """
    return format_time(time_us)[11:16]


def plain(line: Line) -> str:
    """A line as a file or a pipe takes it.

    >>> plain(Line(1_800_000_000_000_000, "●", "credit: slow", "alert"))
    '08:00 ● credit: slow'
    """
    return f"{clock(line.time_us) if line.time_us else '     '} {line.mark} {line.text}"
