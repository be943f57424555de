"""`BrokerClock`: the time that ticks have: that of the brokers, carried on by a clock that nobody sets.

A worker whose own clock was an hour fast for six seconds closed every window of the next hour, and all that
came for them was late.
"""

import time
from collections.abc import Callable

#: A record counts as live if it was fetched within so long after the consumer had waited at its log's end.
LIVE_US = 2_000_000
#: So long a start waits for a live record. Where none comes, this machine's clock must do.
PATIENCE_US = 10_000_000
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class BrokerClock:
    """Microseconds since the epoch, never ahead of the brokers, and at most `LIVE_US` behind them.

    `wall_us` is this machine's clock, `steady_us` one that only ever goes on.

    >>> clock = BrokerClock(wall_us=lambda: 3_600_000_000, steady_us=lambda: 50)
    >>> clock.waits(("predictions", 0), end=7)
    >>> clock.took(("predictions", 0), offset=7, appended_us=1_000)
    >>> clock.now_us()
    1000
    """

    def __init__(
        self,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
        steady_us: Callable[[], int] = lambda: time.clock_gettime_ns(_STEADY) // 1_000,
    ) -> None:
        self._wall_us = wall_us
        self._steady_us = steady_us
        self._began_us = steady_us()
        #: How far the brokers' time is ahead of the steady clock's, once a live record has said so.
        self._ahead_us: int | None = None
        self._waiting: dict[tuple[str, int], tuple[int, int]] = {}

    @property
    def is_known(self) -> bool:
        """Whether a live record has come, or none has for so long that there may be none."""
        return self._ahead_us is not None or self._steady_us() - self._began_us >= PATIENCE_US

    def now_us(self) -> int:
        """The brokers' time; this machine's until they have told it."""
        return self._wall_us() if self._ahead_us is None else self._steady_us() + self._ahead_us

    def waits(self, at: tuple[str, int], end: int) -> None:
        """The consumer has read this partition up to its end, the offset `end`, and polls it now."""
        self._waiting[at] = end, self._steady_us()

    def took(self, at: tuple[str, int], offset: int, appended_us: int) -> None:
        """A record was fetched that the broker had appended at `appended_us` of its own clock."""
        end, since_us = self._waiting.pop(at, (0, None))
        now_us = self._steady_us()
        if since_us is not None and offset >= end and now_us - since_us <= LIVE_US:
            self._ahead_us = appended_us - now_us
