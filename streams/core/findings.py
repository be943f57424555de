"""`Finding`: what a rule or a detector found, with every number an alert needs to explain itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamgauge.schemas.monitor_fields import Severity

#: The sorted (key, value) pairs of a segment; empty for all traffic.
Segment = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Contributor:
    """A feature or a protected group inside one finding, and its `share` in 0..1 of the evidence.

    `direction` is a word such as "up", "down" or "spread"; `size` is in reference standard deviations for
    numeric features, a ratio or a difference of rates for others.
    """

    feature: str | None
    share: float | None
    direction: str | None
    size: float | None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Records of one input partition, from offset `start` up to and without `end`."""

    topic: str
    partition: int
    start: int
    end: int

    def record(self) -> dict[str, Any]:
        """The contract's JSON form."""
        return {"topic": self.topic, "partition": self.partition, "start": self.start, "end": self.end}


@dataclass(frozen=True, slots=True)
class Finding:
    """One monitor fires for one segment of one version. What does not apply is None.

    `low` and `high` are the 95 % interval of `value`, `limit` the bound that it crossed, `baseline` what it
    was before, or what it is in the version `compared_with`; evidence monitors alarm when `evidence` reaches
    `evidence_threshold`. `n` counts the events the value rests on. `onset_us` says since when, in
    microseconds since the epoch, and `onset_low_us` to `onset_high_us` is its 95 % interval. Of the monitors
    that it `holds_back` no alert opens meanwhile.

    >>> finding = Finding("accuracy", "accuracy", "critical", value=0.72, limit=0.8, n=500)
    >>> Finding.from_state(finding.to_state()) == finding
    True
    """

    monitor: str
    metric: str
    severity: Severity
    value: float | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    limit: float | None = None
    evidence: float | None = None
    evidence_threshold: float | None = None
    n: int = 0
    onset_us: int | None = None
    onset_low_us: int | None = None
    onset_high_us: int | None = None
    contributors: tuple[Contributor, ...] = ()
    segment: Segment = ()
    compared_with: str | None = None
    offsets: tuple[OffsetRange, ...] = ()
    holds_back: tuple[str, ...] = ()

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _SCALARS}
        state["contributors"] = [
            [c.feature, c.share, c.direction, c.size, c.group] for c in self.contributors
        ]
        state["segment"] = [list(pair) for pair in self.segment]
        state["holds_back"] = list(self.holds_back)
        state["offsets"] = [[o.topic, o.partition, o.start, o.end] for o in self.offsets]
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Finding":
        """The finding that `to_state` was called on."""
        return cls(
            **{name: state[name] for name in _SCALARS},
            contributors=tuple(Contributor(*row) for row in state["contributors"]),
            segment=tuple((key, value) for key, value in state["segment"]),
            offsets=tuple(OffsetRange(*row) for row in state["offsets"]),
            holds_back=tuple(state["holds_back"]),
        )


_SCALARS = (
    "monitor",
    "metric",
    "severity",
    "value",
    "low",
    "high",
    "baseline",
    "limit",
    "evidence",
    "evidence_threshold",
    "n",
    "onset_us",
    "onset_low_us",
    "onset_high_us",
    "compared_with",
)
