"""`Related`: what an open alert tells of besides its own monitor's finding; and what was told of a value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamgauge.schemas.times import format_time
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.lull import Lull

#: A value that moved by less than this share of its distance from normal is not news.
_MATERIAL = 0.25
#: Values are compared again and again, and each is from a stretch that stood out: intervals are taken so many
#: times as wide, or a change that just stays would be told as moving.
_WIDER = 2.0


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
        interval and the one last told, taken twice as wide, have nothing in common.

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
    """Its interval, twice as wide; the value alone, where there is none."""
    value = of.value
    assert value is not None
    low, high = (value if end is None else value + _WIDER * (end - value) for end in (of.low, of.high))
    return low, high


NOTHING = Told()


@dataclass(slots=True)
class Related:
    """Another monitor's finding with the same cause, and for how long it has found nothing since."""

    finding: Finding
    lull: Lull
    told: Told = NOTHING

    @property
    def over(self) -> bool:
        """Whether its monitor has calmed down."""
        return self.lull.over

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
        return [self.finding.to_state(), self.lull.to_state(), told]

    @classmethod
    def from_state(cls, state: tuple[Mapping[str, Any], list[Any], list[Any]]) -> "Related":
        """What `to_state` gave."""
        finding, lull, told = state
        return cls(Finding.from_state(finding), Lull(*lull), Told(*told))


def finite(number: float | None) -> float | None:
    """As JSON can carry it."""
    return number if number is not None and math.isfinite(number) else None


def time_or_none(time_us: int | None) -> str | None:
    """RFC 3339, where there is a time."""
    return None if time_us is None else format_time(time_us)
