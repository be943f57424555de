"""Times as they travel (RFC 3339) and as they are held: integer microseconds since the epoch, UTC."""

import re
from datetime import UTC, datetime, timedelta

from streamgauge.schemas.errors import BadEvent, Reason

#: Event times outside [2000, 2100) are mistakes: seconds or milliseconds sent as microseconds, broken clocks.
EARLIEST_US = 946_684_800_000_000
LATEST_US = 4_102_444_800_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII).fullmatch


def parse_time(value: str | int) -> int:
    """Microseconds since the epoch of an RFC 3339 text (digits beyond microseconds are cut) or an integer.

    Raises `BadEvent`: wrong_type for what is no time, out_of_range beyond the years 2000 to 2099.

    >>> parse_time("2026-11-21T10:00:00.123456Z"), parse_time("2026-11-21T11:00:00+01:00")
    (1795255200123456, 1795255200000000)
    >>> parse_time(1795255200)
    Traceback (most recent call last):
    ...
    streamgauge.schemas.errors.BadEvent: time is 1795255200 us; it must lie in the years 2000 to 2099 (these \
look like seconds)
    """
    if value.__class__ is str:
        if _RFC3339(value) is None:
            raise BadEvent(Reason.WRONG_TYPE, "time is neither RFC 3339 with a zone nor integer microseconds")
        try:
            elapsed = datetime.fromisoformat(value) - _EPOCH
        except ValueError as error:
            raise BadEvent(Reason.OUT_OF_RANGE, f"time does not exist: {error}") from None
        time_us = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
    elif value.__class__ is int:
        time_us = value
    else:
        raise BadEvent(Reason.WRONG_TYPE, "time is neither RFC 3339 with a zone nor integer microseconds")
    if not EARLIEST_US <= time_us < LATEST_US:
        raise BadEvent(
            Reason.OUT_OF_RANGE,
            f"time is {_short(time_us)} us; it must lie in the years 2000 to 2099{_mistaken(time_us)}",
        )
    return time_us


def read_time(text: str) -> datetime:
    """A time with its zone. Raises ValueError for one that has none: it could not be compared with others.

    >>> read_time("2026-11-21T10:00:00Z").isoformat()
    '2026-11-21T10:00:00+00:00'
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time


def format_time(time_us: int) -> str:
    """RFC 3339, UTC, always with microseconds.

    >>> format_time(1795255200123456), format_time(1795255200000000)
    ('2026-11-21T10:00:00.123456Z', '2026-11-21T10:00:00.000000Z')
    """
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _mistaken(number: int) -> str:
    """What an integer is that would be a time in another unit."""
    for unit, in_a_us in (("seconds", 1_000_000), ("milliseconds", 1_000)):
        if EARLIEST_US <= number * in_a_us < LATEST_US:
            return f" (these look like {unit})"
    return " (these look like nanoseconds)" if EARLIEST_US <= number // 1_000 < LATEST_US else ""


def _short(number: int) -> str:
    return str(number) if abs(number) < 10**30 else "beyond 10^30"
