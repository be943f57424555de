"""`LabelWatch`: whether the labels of a model come as they used to, or are missing."""

from collections.abc import Sequence
from typing import Any

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import proportion
from streamgauge.schemas.monitor import Labels
from streamgauge.schemas.monitor_names import MISSING_LABELS
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.windows import Window

DAY_US = 86_400_000_000
#: Labels may be so many times as late as they were at the latest.
PATIENCE = 1.5
#: Days with labels whose latest ones are remembered.
_DAYS = 8
#: The latest windows that are due are looked at together until they have so many predictions, and so many.
_LEAST_ROWS, _LEAST_WINDOWS = 100, 2
_LONG_AGO = -(2**62)


class LabelWatch:
    """A window is covered once *labels.min_coverage* of its predictions have labels, so that it has verdicts.

    How long after its end that is, is known from windows of at least two days, and so is what part of the
    predictions has labels then. Of a version labels are missing if windows that are due have labels of less
    than `min_coverage`, and of less than half of what is usual. With *labels.expected_within* the former is
    enough, and what is usual does not matter.

    >>> watch, terms = LabelWatch(), Labels(expected_within="1h", min_coverage=0.5)
    >>> minute = 60_000_000
    >>> windows = [Window(i * minute, (i + 1) * minute, True) for i in range(3)]
    >>> for window in windows:
    ...     window.bags[()].n, window.bags[()].labelled = 100, 3
    >>> watch.look("7", windows, 61 * minute, terms) is None
    True
    >>> found = watch.look("7", windows, 62 * minute, terms)
    >>> found.value, found.n, watch.missing
    (0.03, 200, {'7'})
    """

    def __init__(self) -> None:
        #: Versions whose labels are missing.
        self.missing: set[str] = set()
        self.looked_us = _LONG_AGO
        self._first_us: int | None = None
        #: By day, how long after its end the slowest window was covered that was on that day.
        self._longest: dict[int, int] = {}
        #: By day, of windows that were due on that day: predictions and labels.
        self._usual: dict[int, tuple[int, int]] = {}

    def covered(self, took_us: int, watermark_us: int, window_us: int) -> None:
        """A window is covered, so long after its end. Where predictions are read ahead of labels, as after an
        outage, nobody looks, and that says nothing."""
        if watermark_us - self.looked_us > 2 * window_us:
            return
        if self._first_us is None:
            self._first_us = watermark_us
        day = watermark_us // DAY_US
        self._longest[day] = max(took_us, self._longest.get(day, 0))
        _forget_days(self._longest)

    def expected_us(self, watermark_us: int, terms: Labels) -> int | None:
        """How long after its end a window is covered at the latest; None while that is not known."""
        if terms.expected_within is not None:
            return terms.expected_within
        if self._first_us is None or watermark_us - self._first_us < DAY_US or len(self._longest) < 2:
            return None
        return min(int(PATIENCE * max(self._longest.values())), terms.ttl)

    def least(self, terms: Labels) -> float:
        """The share of labels below which they are missing."""
        answered = sum(answered for answered, _ in self._usual.values())
        labelled = sum(labelled for _, labelled in self._usual.values())
        if terms.expected_within is not None or not answered:
            return terms.min_coverage
        return min(terms.min_coverage, labelled / answered / 2)

    def look(
        self, version: str, windows: Sequence[Window], watermark_us: int, terms: Labels
    ) -> Finding | None:
        """Of all windows that labels may reach, the oldest first. Sets `missing`."""
        expected_us = self.expected_us(watermark_us, terms)
        if expected_us is None or not terms.min_coverage:
            self.missing.discard(version)
            return None
        due = [window for window in windows if window.end_us + expected_us <= watermark_us]
        if terms.expected_within is None and not self._usual:
            self._learn(due, watermark_us, expected_us)
            return None
        share, least = _share(due), self.least(terms)
        if share is None or share.value is None or share.high is None or share.value >= least:
            self.missing.discard(version)
        elif share.high < least:
            self.missing.add(version)
        if share is None or version not in self.missing:
            if not self.missing:
                self._learn(due, watermark_us, expected_us)
            return None
        return Finding(
            MISSING_LABELS, "label_coverage", "warning", value=share.value, low=share.low, high=share.high,
            limit=least, n=share.n, onset_us=_since(due, least),
        )  # fmt: skip

    def _learn(self, due: Sequence[Window], watermark_us: int, expected_us: int) -> None:
        """What is usual, from windows that were not due when it was looked last."""
        before_us = self.looked_us if self._usual else _LONG_AGO
        new = [window.whole for window in due if window.end_us + expected_us > before_us]
        day = watermark_us // DAY_US
        answered, labelled = self._usual.get(day, (0, 0))
        answered += sum(bag.n - bag.failed for bag in new)
        labelled += sum(bag.labelled for bag in new)
        if answered:
            self._usual[day] = answered, labelled
            _forget_days(self._usual)

    def forget(self, version: str) -> None:
        """It gets no traffic any more, or its windows start anew."""
        self.missing.discard(version)

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "missing": sorted(self.missing),
            "looked": self.looked_us,
            "first": self._first_us,
            "longest": [list(pair) for pair in self._longest.items()],
            "usual": [[day, *counts] for day, counts in self._usual.items()],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Back to what `to_state` was called on."""
        self.missing, self.looked_us = set(state["missing"]), state["looked"]
        self._first_us, self._longest = state["first"], dict(state["longest"])
        self._usual = {day: (answered, labelled) for day, answered, labelled in state["usual"]}


def _share(due: Sequence[Window]) -> Estimate | None:
    """Of labels in the last of these windows that have predictions enough; None if they are too few."""
    answered = labelled = 0
    for number, window in enumerate(reversed(due), 1):
        bag = window.whole
        answered, labelled = answered + bag.n - bag.failed, labelled + bag.labelled
        if number >= _LEAST_WINDOWS and answered >= _LEAST_ROWS:
            break
    return proportion(labelled, answered) if len(due) >= _LEAST_WINDOWS else None


def _forget_days(by_day: dict[int, Any]) -> None:
    if len(by_day) > _DAYS:
        del by_day[min(by_day)]


def _since(due: Sequence[Window], least: float) -> int:
    """When the first of the last windows in a row began that are not covered."""
    since_us = due[-1].start_us
    for window in reversed(due):
        bag = window.whole
        if bag.labelled >= least * (bag.n - bag.failed) > 0:
            break
        since_us = window.start_us
    return since_us
