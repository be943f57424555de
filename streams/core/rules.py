"""Rules with a limit: a metric beyond a user's threshold, an error budget that burns too fast.

They hold the few last windows they judge by. A window that is given again, because late predictions or
labels restated it, replaces what was known of it.

A limit's alert opens when it is sure, and goes on while it is seen: the interval decides the first, the value
alone the second. What lies just beyond is now surely so and now not, and is one alert (docs/adr/0030).
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import proportion
from streamgauge.schemas.monitor import Rule
from streamgauge.schemas.monitor_fields import Severity
from streamgauge.streams.core.findings import Finding, Segment

MINUTE_US = 60_000_000


def crossed_limit(rule: Rule, estimate: Estimate, *, surely: bool = True) -> float | None:
    """The limit of the rule's that the whole interval lies beyond; with `raw`, and if not `surely`, that the
    value lies beyond.

    >>> crossed_limit(Rule(min=0.8), Estimate(0.75, 0.71, 0.79, 500))
    0.8
    >>> crossed_limit(Rule(min=0.8), Estimate(0.75, 0.66, 0.82, 60)) is None
    True
    """
    by_value = rule.raw or not surely
    lowest, highest = (estimate.value, estimate.value) if by_value else (estimate.low, estimate.high)
    if estimate.value is None:
        return None
    if rule.min is not None and highest is not None and highest < rule.min:
        return rule.min
    if rule.max is not None and lowest is not None and lowest > rule.max:
        return rule.max
    return None


class Threshold:
    """Fires when `rule.windows` windows in a row are surely beyond a limit; once an alert is open, while the
    value of the last one is.

    "In a row" is among windows with a value: one with too few events neither counts nor interrupts.

    >>> threshold, rule = Threshold("accuracy", "accuracy"), Rule(min=0.8, windows=2)
    >>> for start_us in (0, 300_000_000):
    ...     is_new = threshold.update(start_us, Estimate(0.75, 0.71, 0.79, 500), rule)
    >>> threshold.finding(rule).limit
    0.8
    """

    def __init__(self, monitor: str, metric: str, segment: Segment = ()) -> None:
        self.monitor = monitor
        self.metric = metric
        self.segment = segment
        self.windows: list[tuple[int, Estimate]] = []  # by start

    @property
    def latest_us(self) -> int | None:
        """When the latest window with a value starts."""
        return self.windows[-1][0] if self.windows else None

    def update(self, window_start_us: int, estimate: Estimate, rule: Rule) -> bool:
        """The metric of a window is known, or is known better; gives whether it is later than all before."""
        if estimate.value is None:
            return False
        is_new = self.latest_us is None or window_start_us > self.latest_us
        _place(self.windows, window_start_us, estimate)
        del self.windows[: -rule.windows]
        return is_new

    def finding(self, rule: Rule, *, is_open: bool = False, baseline: float | None = None) -> Finding | None:
        """What the last windows say. `is_open`: an alert of this rule is open."""
        limits = [crossed_limit(rule, window, surely=not is_open) for _, window in self.windows]
        if not limits or limits[-1] is None:
            return None
        if not is_open and (len(limits) < rule.windows or None in limits):
            return None
        run = next((i for i, limit in enumerate(reversed(limits)) if limit is None), len(limits))
        latest = self.windows[-1][1]
        return Finding(
            self.monitor,
            self.metric,
            rule.severity,
            value=latest.value,
            low=latest.low,
            high=latest.high,
            baseline=baseline,
            limit=limits[-1],
            n=latest.n,
            onset_us=self.windows[-run][0],
            segment=self.segment,
        )

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return [[start_us, e.value, e.low, e.high, e.n] for start_us, e in self.windows]

    @classmethod
    def from_state(cls, monitor: str, metric: str, segment: Segment, state: Iterable[Any]) -> "Threshold":
        """The threshold that `to_state` was called on."""
        threshold = cls(monitor, metric, segment)
        threshold.windows = [(start_us, Estimate(*numbers)) for start_us, *numbers in state]
        return threshold


@dataclass(frozen=True, slots=True)
class Burn:
    """Alert when both the long and the short span burn the error budget `factor` times too fast."""

    factor: float
    long_us: int
    short_us: int
    severity: Severity


#: Google's Site Reliability Workbook (2018), chapter 5, "Multiwindow, Multi-Burn-Rate Alerts": 2 % of a
#: month's budget spent in one hour, and 5 % in six; the short span says that it is still going on.
BURNS = (
    Burn(14.4, 60 * MINUTE_US, 5 * MINUTE_US, "critical"),
    Burn(6.0, 360 * MINUTE_US, 30 * MINUTE_US, "warning"),
)
#: A loose target times 14.4 can exceed 1; a failure of nearly everything must alert all the same.
_HIGHEST_LIMIT = 0.8


class BurnRate:
    """How fast a service level objective's error budget burns; windows of `window_us` microseconds.

    >>> burn = BurnRate("failure_rate", "failure_rate", window_us=300_000_000)
    >>> burn.update(0, n=1_000, bad=250)
    >>> finding = burn.finding(target=0.99)
    >>> finding.severity, finding.value, round(finding.limit, 3), round(finding.evidence, 1)
    ('critical', 0.25, 0.144, 25.0)
    """

    def __init__(self, monitor: str, metric: str, window_us: int, segment: Segment = ()) -> None:
        self.monitor = monitor
        self.metric = metric
        self.window_us = window_us
        self.segment = segment
        self.windows: list[tuple[int, tuple[int, int]]] = []  # by start: n, bad

    def update(self, window_start_us: int, n: int, bad: int) -> None:
        """Of `n` requests in this window, `bad` failed or were too slow; replaces what it said before."""
        _place(self.windows, window_start_us, (n, bad))
        oldest_us = self.windows[-1][0] + self.window_us - max(burn.long_us for burn in BURNS)
        del self.windows[: min(bisect_left(self.windows, oldest_us, key=_start), len(self.windows) - 1)]

    def finding(self, target: float, min_n: int = 100) -> Finding | None:
        """The gravest burn that goes on, if any.

        `value` is the bad share of the long span with Wilson's interval, which must lie above `limit`
        (docs/adr/0005: the observed share alone alarms for nothing where traffic is low);
        `evidence` is the burn rate and `baseline` the share of bad requests that the objective allows.
        Only windows that were given count; the long span must hold `min_n` requests.
        """
        if not self.windows:
            return None
        budget = 1.0 - target
        for burn in BURNS:
            limit = min(burn.factor * budget, max(_HIGHEST_LIMIT, (1.0 + budget) / 2))
            windows = self._within(burn.long_us)
            n, bad = _sums(windows)
            share = proportion(bad, n)
            if n < min_n or share.value is None or share.low is None or share.low <= limit:
                continue
            recent_n, recent_bad = _sums(self._within(burn.short_us))
            if recent_bad <= limit * recent_n:
                continue
            # The onset maximises the excess of bad requests since then: Page's CUSUM (1954).
            counts = np.array([count for _, count in windows], np.int64)
            excess = (counts[:, 1] - limit * counts[:, 0])[::-1].cumsum()[::-1]
            return Finding(
                self.monitor,
                self.metric,
                burn.severity,
                value=share.value,
                low=share.low,
                high=share.high,
                baseline=budget,
                limit=limit,
                evidence=share.value / budget,
                evidence_threshold=burn.factor,
                n=n,
                onset_us=windows[int(excess.argmax())][0],
                segment=self.segment,
            )
        return None

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return [[start_us, n, bad] for start_us, (n, bad) in self.windows]

    @classmethod
    def from_state(
        cls, monitor: str, metric: str, window_us: int, segment: Segment, state: Iterable[Any]
    ) -> "BurnRate":
        """The burn rate that `to_state` was called on."""
        burn = cls(monitor, metric, window_us, segment)
        burn.windows = [(start_us, (n, bad)) for start_us, n, bad in state]
        return burn

    def _within(self, span_us: int) -> list[tuple[int, tuple[int, int]]]:
        """The windows of the last `span_us`; the latest window at least, however long it is."""
        first = bisect_left(self.windows, self.windows[-1][0] + self.window_us - span_us, key=_start)
        return self.windows[min(first, len(self.windows) - 1) :]


def _sums(windows: list[tuple[int, tuple[int, int]]]) -> tuple[int, int]:
    return sum(n for _, (n, _) in windows), sum(bad for _, (_, bad) in windows)


def _start(window: tuple[int, Any]) -> int:
    return window[0]


def _place(windows: list[tuple[int, Any]], start_us: int, value: Any) -> None:
    """Into a list that is sorted by start, in place of what was there."""
    at = bisect_left(windows, start_us, key=_start)
    known = at < len(windows) and windows[at][0] == start_us
    windows[at : at + known] = [(start_us, value)]
