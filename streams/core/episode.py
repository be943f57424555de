"""One alert episode: what is remembered while it is open, and the record that tells of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamgauge.schemas.monitor import Rule
from streamgauge.schemas.monitor_fields import Severity
from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alert_states import Event
from streamgauge.streams.core.attribution import NOTHING_KNOWN, Attribution
from streamgauge.streams.core.findings import Finding, Segment
from streamgauge.streams.core.related import (
    NOTHING,
    Related,
    Told,
    finite,
    quiet_windows,
    time_or_none,
)
from streamgauge.streams.core.summary import summarise

_RANK = {"info": 0, "warning": 1, "critical": 2}


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

    `related` is what other monitors found that has the same cause, by monitor.
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
    told: Told = NOTHING
    attribution: Attribution = NOTHING_KNOWN
    related: dict[str, Related] = field(default_factory=dict)
    definition_id: str | None = None
    baseline_id: str | None = None
    software: str | None = None
    runbook_url: str | None = None

    @property
    def alert_id(self) -> str:
        """The same in every record of the episode."""
        return f"{self.fingerprint}-{self.number}"

    @property
    def key(self) -> tuple[str, str, Segment]:
        """Version, monitor and segment."""
        return self.version, self.monitor, self.segment

    @property
    def going_on(self) -> list[str]:
        """The monitors that it tells of besides its own, and that have not calmed down."""
        return [monitor for monitor, related in self.related.items() if not related.over]

    def firing(self, resolve_after: int) -> set[str]:
        """The monitors that it tells of and that have not calmed down; its own may have, before others."""
        own = {self.monitor} if self.quiet < resolve_after else set[str]()
        return own | set(self.going_on)

    def adopt(self, other: "Episode") -> None:
        """Tells of another one from now on, which ends."""
        self.related |= other.related
        self.related[other.monitor] = Related(other.finding, other.seen_us, other.told, other.quiet)

    def relate(self, finding: Finding, now_us: int) -> Event:
        """Tells of another monitor's finding too."""
        known = self.related.get(finding.monitor)
        told = NOTHING if known is None else known.told
        self.related[finding.monitor] = Related(finding, now_us, told)
        self.seen_us = max(self.seen_us, now_us)
        if self.worsens(finding):
            self.severity = finding.severity
            return Event.WORSENS
        return Event.JOINED if known is None or known.over or told.moves(finding) else Event.HELD

    def worsens(self, finding: Finding) -> bool:
        """Whether it is graver than anything this episode has told."""
        return _RANK[finding.severity] > _RANK[self.severity]

    def judged(
        self, finding: Finding | None, now_us: int, context: AlertContext, rule: Rule | None = None
    ) -> None:
        """A verdict of its own monitor."""
        self.quiet = self.quiet_at(now_us, context.window_us) if finding is None else 0
        self.finding = finding or self.finding
        self.seen_us = max(self.seen_us, now_us)
        self.definition_id, self.baseline_id = context.definition_id, context.baseline_id
        self.software = context.software
        self.runbook_url = rule.runbook_url if rule else self.runbook_url

    def explain(self, context: AlertContext) -> None:
        """It is about to be told: what explains an evidence alert is asked for now."""
        if context.attribute is not None and self.finding.evidence_threshold == 1.0:
            self.attribution = context.attribute(self.finding)

    def quiet_at(self, now_us: int, window_us: int) -> int:
        """Quiet windows in a row with this one."""
        return quiet_windows(self.quiet, self.seen_us, now_us, window_us)

    def tell(
        self,
        model: str,
        now_us: int,
        *,
        actor: str | None = None,
        note: str | None = None,
        ending: str = "",
        because: str | None = None,
    ) -> dict[str, Any]:
        """The contract's JSON form of the alert as it stands, with who did what, and how it ended.

        `because` is the alert that tells of it from now on. What is said here is what later values are
        compared with.
        """
        finding = self.finding
        self.sequence += 1
        self.told = Told.of(finding)
        for related in self.related.values():
            related.told = Told.of(related.finding)
        since_us = self.opened_us if self.onset_us is None else self.onset_us
        known = self.onset_low_us is not None and self.onset_high_us is not None
        doubt_us = (self.onset_low_us or 0, self.onset_high_us or 0) if known else None
        return {
            "alert_id": self.alert_id,
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
            "value": finite(finding.value),
            "low": finite(finding.low),
            "high": finite(finding.high),
            "baseline": finite(finding.baseline),
            "compared_with": finding.compared_with,
            "limit": finite(finding.limit),
            "evidence": finite(finding.evidence),
            "evidence_threshold": finite(finding.evidence_threshold),
            "budgeted": self.monitor in EVIDENCE,
            "n": finding.n,
            "onset": time_or_none(self.onset_us),
            "onset_low": time_or_none(self.onset_low_us),
            "onset_high": time_or_none(self.onset_high_us),
            "opened_at": time_or_none(self.opened_us),
            "time": format_time(now_us),
            "contributors": [
                {
                    "feature": c.feature,
                    "group": c.group,
                    "share": finite(c.share),
                    "direction": c.direction,
                    "size": finite(c.size),
                    "bins": self.attribution.bins_of(c.feature),
                }
                for c in finding.contributors
            ],
            **self.attribution.record(),
            "related": [related.record() for related in self.related.values()],
            "because": because,
            "offsets": [offsets.record() for offsets in finding.offsets],
            "definition_id": self.definition_id,
            "baseline_id": self.baseline_id,
            "software": self.software,
            "actor": actor,
            "note": note,
            "summary": summarise(
                model,
                self.version,
                finding,
                since_us,
                now_us,
                ending,
                doubt_us=doubt_us,
                related=[related.finding for related in self.related.values()],
                attribution=self.attribution,
            ),
            "runbook_url": self.runbook_url,
        }

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _SCALARS}
        state["segment"] = [list(pair) for pair in self.segment]
        state["finding"] = self.finding.to_state()
        state["attribution"] = self.attribution.to_state()
        state["told"] = [getattr(self.told, name) for name in Told.__slots__]
        state["related"] = [related.to_state() for related in self.related.values()]
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Episode":
        """The episode that `to_state` was called on."""
        return cls(
            **{name: state[name] for name in _SCALARS},
            segment=tuple((key, value) for key, value in state["segment"]),
            finding=Finding.from_state(state["finding"]),
            told=Told(*state["told"]),
            attribution=Attribution.from_state(state["attribution"]),
            related={r.finding.monitor: r for r in map(Related.from_state, state["related"])},
        )


_PARTS = ("segment", "finding", "told", "attribution", "related")
_SCALARS = tuple(name for name in Episode.__slots__ if name not in _PARTS)
