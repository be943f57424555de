"""Times of many texts at once: those written alike without a Python object for each."""

from collections.abc import Sequence

import numpy as np

from streamgauge.schemas.batch import Bools, Ints
from streamgauge.schemas.errors import BadEvent
from streamgauge.schemas.times import parse_time
from streamgauge.streams.sources.block import UNKNOWN_US

_SECONDS = len("2026-11-21T10:00:00")
_SEPARATORS = {4: "-", 7: "-", 10: "T", 13: ":", 16: ":"}
_MICROSECONDS = 6


def many_times(texts: Sequence[str | None]) -> tuple[Ints, Bools]:
    """Microseconds since the epoch, `UNKNOWN_US` where a text is no time or none, and those rows.

    RFC 3339 and whole microseconds, by the rules of `schemas.times.parse_time`.

    >>> many_times(["2026-11-21T10:00:00Z", "2026-11-21T10:00:01Z", "soon", None])[1].tolist()
    [False, False, True, True]
    """
    found = _alike(texts)
    if found is None:
        found = np.array([_one(text) for text in texts], np.int64)
    return found, found == UNKNOWN_US


def _one(text: str | None) -> int:
    if text is None:
        return UNKNOWN_US
    try:
        whole = text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= _SECONDS
        return parse_time(int(text) if whole else text)
    except BadEvent:
        return UNKNOWN_US


def _alike(texts: Sequence[str | None]) -> Ints | None:
    """All of one length, in UTC with a Z, and right; else None."""
    if not texts or None in texts:
        return None
    length = len(str(texts[0]))
    digits = length - _SECONDS - 2  # of a second, after a point
    if {len(text) for text in texts if text is not None} != {length} or not (
        digits == -1 or 1 <= digits <= 9
    ):
        return None
    joined = "".join(text for text in texts if text is not None)
    if not joined.isascii():
        return None
    letters = np.frombuffer(joined.encode("ascii"), np.uint8).reshape(-1, length)
    fixed = _SEPARATORS | {length - 1: "Z"} | ({} if digits == -1 else {_SECONDS: "."})
    if any(np.any(letters[:, at] != ord(sign)) for at, sign in fixed.items()):
        return None
    figures = letters - np.uint8(ord("0"))
    figures[:, list(fixed)] = 0
    if np.any(figures > 9):
        return None

    def number(start: int, end: int) -> Ints:
        value = np.zeros(len(figures), np.int64)
        for at in range(start, end):
            value = value * 10 + figures[:, at]
        return value

    month, day, hour, minute, second = (number(at, at + 2) for at in (5, 8, 11, 14, 17))
    if np.any(
        (month < 1) | (month > 12) | (day < 1) | (day > 31) | (hour > 23) | (minute > 59) | (second > 59)
    ):
        return None
    months = ((number(0, 4) - 1970) * 12 + month - 1).astype("M8[M]")
    days = months.astype("M8[D]") + (day - 1)
    if np.any(days.astype("M8[M]") != months):
        return None
    fraction = min(max(digits, 0), _MICROSECONDS)
    micros = number(_SECONDS + 1, _SECONDS + 1 + fraction) * 10 ** (_MICROSECONDS - fraction)
    seconds = ((days.astype(np.int64) * 24 + hour) * 60 + minute) * 60 + second
    time_us: Ints = seconds * 1_000_000 + micros
    return time_us
