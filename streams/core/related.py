"""`Related`: what an open alert tells of besides its own monitor's finding; and what was told of a value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamgauge.schemas.times import format_time
from streamgauge.streams.core.findings import Finding

#: A value that moved by less than this share of its distance from normal is not news.
_MATERIAL = 0.25


@dataclass(frozen=True, slots=True)
class Told:
    """What a record last said of a value, of which metric, and of what: a feature and its direction."""

    metric: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    feature: str | None = None
    direction: str | None = None

    @classmethod
    def of(cls, finding: Finding) -> "Told":
        return cls(finding.metric, finding.value, finding.low, finding.high, *_most_telling(finding))

    def moves(self, finding: Finding) -> bool:
        """Whether the value moved by a quarter of its distance from normal, and by more than chance: its
        interval and the one last told have nothing in common.

        Values of two metrics can't be compared, nor those of two categories of one feature. Where a mean and
        a spread move together, now one and now the other is the more telling: that is no news.
        """
        feature, direction = _most_telling(finding)
        if finding.metric != self.metric or (feature == self.feature and direction != self.direction):
            return False
        if finding.value is None or self.value is None:
            return finding.value is not None
        normal = finding.limit if finding.baseline is None else finding.baseline
        distance = abs(self.value if normal is None else self.value - normal)
        if abs(finding.value - self.value) <= _MATERIAL * distance:
            return False
        (low, high), (told_low, told_high) = _ends(finding), _ends(self)
        return low > told_high or high < told_low


def _most_telling(finding: Finding) -> tuple[str | None, str | None]:
    """The feature, or nothing, that contributes most, and the direction in which it moved."""
    first = next(iter(finding.contributors), None)
    return (None, None) if first is None or first.feature is None else (first.feature, first.direction)


def _ends(of: Finding | Told) -> tuple[float, float]:
    """Its interval; the value alone, where there is none."""
    assert of.value is not None
    return (of.value if of.low is None else of.low), (of.value if of.high is None else of.high)


NOTHING = Told()


@dataclass(slots=True)
class Related:
    """Another monitor's finding with the same cause; when `over`, that monitor has calmed down."""

    finding: Finding
    seen_us: int
    told: Told = NOTHING
    quiet: int = 0
    over: bool = False

    def calm(self, now_us: int, window_us: int, after: int) -> None:
        """A window without a finding; it is over `after` so many in a row."""
        self.quiet = quiet_windows(self.quiet, self.seen_us, now_us, window_us)
        self.seen_us = max(self.seen_us, now_us)
        self.over = self.over or self.quiet >= after

    def record(self) -> dict[str, Any]:
        """The contract's JSON form."""
        finding = self.finding
        return {
            "monitor": finding.monitor,
            "metric": finding.metric,
            "value": finite(finding.value),
            "baseline": finite(finding.baseline),
            "evidence_threshold": finite(finding.evidence_threshold),
            "n": finding.n,
            "onset": time_or_none(finding.onset_us),
        }

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        told = [getattr(self.told, name) for name in Told.__slots__]
        return [self.finding.to_state(), self.seen_us, told, self.quiet, self.over]

    @classmethod
    def from_state(cls, state: tuple[Mapping[str, Any], int, list[Any], int, bool]) -> "Related":
        """What `to_state` gave."""
        finding, seen_us, told, quiet, over = state
        return cls(Finding.from_state(finding), seen_us, Told(*told), quiet, over)


def finite(number: float | None) -> float | None:
    """As JSON can carry it."""
    return number if number is not None and math.isfinite(number) else None


def time_or_none(time_us: int | None) -> str | None:
    """RFC 3339, where there is a time."""
    return None if time_us is None else format_time(time_us)


def quiet_windows(quiet: int, seen_us: int, now_us: int, window_us: int) -> int:
    """Quiet windows in a row with this one, which counts if it is later than the last one judged."""
    return quiet + (now_us // window_us > seen_us // window_us)
