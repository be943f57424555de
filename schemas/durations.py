"""Durations as people write them ("5m", "30s", "7d") and as the core holds them (microseconds)."""

import re

SECOND_US = 1_000_000
_UNITS = {"ms": 1_000, "s": SECOND_US, "m": 60 * SECOND_US, "h": 3_600 * SECOND_US, "d": 86_400 * SECOND_US}
#: Ten years. Times must stay within what can be written and counted in 64 bits.
_LONGEST_US = 3_660 * _UNITS["d"]
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(text: object) -> int:
    """Microseconds of a duration of at most ten years, in whole milliseconds; a bare number is seconds.

    Raises ValueError, whatever it is given.

    >>> parse_duration("5m"), parse_duration("1h30m"), parse_duration(2), parse_duration("1.6ms")
    (300000000, 5400000000, 2000000, 2000)
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _bounded([(text, SECOND_US)])
    if not isinstance(text, str):
        raise ValueError("a duration is a number of seconds or a text like '5m'")
    matches = list(_PATTERN.finditer(text.strip()))
    if not matches or "".join(m.group(0) for m in matches) != text.strip().replace(" ", ""):
        raise ValueError(f"{text!r} is not a duration; write for example 30s, 5m, 1h30m or 7d")
    return _bounded([(float(m.group(1)), _UNITS[m.group(2)]) for m in matches])


def _bounded(parts: list[tuple[float, int]]) -> int:
    if not all(abs(count) <= _LONGEST_US / unit for count, unit in parts):
        raise ValueError("a duration is at most 3660d")
    # what is finer than a millisecond could not be written as a text again
    duration_us = round(sum(round(count * unit) for count, unit in parts) / 1_000) * 1_000
    if duration_us > _LONGEST_US:
        raise ValueError("a duration is at most 3660d")
    return duration_us


def format_duration(duration_us: int) -> str:
    """The shortest text that `parse_duration` reads back.

    >>> format_duration(300_000_000), format_duration(5_400_000_000), format_duration(0)
    ('5m', '1h30m', '0s')
    """
    if duration_us == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, duration_us = divmod(duration_us, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
