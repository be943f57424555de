"""One alert episode: what is remembered while it is open, and the record that tells of it."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamgauge.schemas.monitor_fields import Severity
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.findings import Finding, Segment
from streamgauge.streams.core.summary import summarise

_RANK = {"info": 0, "warning": 1, "critical": 2}
#: A value that moved by less than this share of its distance from normal is not news.
_MATERIAL = 0.25


def fingerprint(model: str, version: str, monitor: str, segment: Segment) -> str:
    """What makes two findings the same trouble: 16 bytes of SHA-256 over a JSON array, as hex.

    >>> fingerprint("credit", "7", "accuracy", (("country", "NO"),))
    'b13b6a89aede46ab038b2d2b084ec685'
    """
    identity = json.dumps([model, version, monitor, [list(pair) for pair in segment]], separators=(",", ":"))
    return hashlib.sha256(identity.encode()).digest()[:16].hex()


@dataclass(slots=True)
class Episode:
    """From opened to resolved. `finding` is the latest one, `severity` the gravest told.

    `told_*` is what the last record said of the value, and of which metric.
    """

    fingerprint: str
    version: str
    monitor: str
    segment: Segment
    number: int
    opened_us: int
    onset_us: int | None
    onset_low_us: int | None
    onset_high_us: int | None
    severity: Severity
    finding: Finding
    seen_us: int
    state: str = "opened"
    sequence: int = 0
    quiet: int = 0
    told_metric: str | None = None
    told_value: float | None = None
    told_low: float | None = None
    told_high: float | None = None
    definition_id: str | None = None
    baseline_id: str | None = None
    software: str | None = None
    runbook_url: str | None = None

    def worsens(self, finding: Finding) -> bool:
        """Whether it is graver than anything this episode has told."""
        return _RANK[finding.severity] > _RANK[self.severity]

    def moves(self, finding: Finding) -> bool:
        """Whether the value left the interval last told, by a quarter of its distance from normal.

        Values of two metrics can't be compared. Where a mean and a spread move together, now one and now the
        other is the more telling: that is no news.
        """
        if finding.metric != self.told_metric:
            return False
        if finding.value is None or self.told_value is None:
            return finding.value is not None
        normal = finding.limit if finding.baseline is None else finding.baseline
        distance = abs(self.told_value if normal is None else self.told_value - normal)
        if abs(finding.value - self.told_value) <= _MATERIAL * distance:
            return False
        if self.told_low is None or self.told_high is None:
            return True
        return not self.told_low <= finding.value <= self.told_high

    def quiet_at(self, now_us: int, window_us: int) -> int:
        """Quiet windows in a row with this one, which counts if it is later than the last one judged."""
        return self.quiet + (now_us // window_us > self.seen_us // window_us)

    def tell(
        self, model: str, now_us: int, *, actor: str | None = None, note: str | None = None, ending: str = ""
    ) -> dict[str, Any]:
        """The contract's JSON form of the alert as it stands, with who did what, and how it ended.

        What is said here is what later values are compared with.
        """
        finding = self.finding
        self.sequence += 1
        self.told_metric = finding.metric
        self.told_value, self.told_low, self.told_high = finding.value, finding.low, finding.high
        since_us = self.opened_us if self.onset_us is None else self.onset_us
        known = self.onset_low_us is not None and self.onset_high_us is not None
        doubt_us = (self.onset_low_us or 0, self.onset_high_us or 0) if known else None
        return {
            "alert_id": f"{self.fingerprint}-{self.number}",
            "fingerprint": self.fingerprint,
            "episode": self.number,
            "sequence": self.sequence,
            "state": self.state,
            "severity": self.severity,
            "model": model,
            "version": self.version,
            "monitor": self.monitor,
            "metric": finding.metric,
            "segment": dict(self.segment),
            "value": _finite(finding.value),
            "low": _finite(finding.low),
            "high": _finite(finding.high),
            "baseline": _finite(finding.baseline),
            "compared_with": finding.compared_with,
            "limit": _finite(finding.limit),
            "evidence": _finite(finding.evidence),
            "evidence_threshold": _finite(finding.evidence_threshold),
            "n": finding.n,
            "onset": _time(self.onset_us),
            "onset_low": _time(self.onset_low_us),
            "onset_high": _time(self.onset_high_us),
            "opened_at": format_time(self.opened_us),
            "time": format_time(now_us),
            "contributors": [
                {
                    "feature": c.feature,
                    "group": c.group,
                    "share": _finite(c.share),
                    "direction": c.direction,
                    "size": _finite(c.size),
                }
                for c in finding.contributors
            ],
            "offsets": [offsets.record() for offsets in finding.offsets],
            "definition_id": self.definition_id,
            "baseline_id": self.baseline_id,
            "software": self.software,
            "actor": actor,
            "note": note,
            "summary": summarise(model, self.version, finding, since_us, now_us, ending, doubt_us),
            "runbook_url": self.runbook_url,
        }

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _SCALARS}
        state["segment"] = [list(pair) for pair in self.segment]
        state["finding"] = self.finding.to_state()
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Episode":
        """The episode that `to_state` was called on."""
        return cls(
            **{name: state[name] for name in _SCALARS},
            segment=tuple((key, value) for key, value in state["segment"]),
            finding=Finding.from_state(state["finding"]),
        )


_SCALARS = tuple(name for name in Episode.__slots__ if name not in ("segment", "finding"))


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else format_time(time_us)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
