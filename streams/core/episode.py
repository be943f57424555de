"""One alert episode: what is remembered while it is open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.monitor import Rule
from streamgauge.schemas.monitor_fields import Severity
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alert_record import record_of
from streamgauge.streams.core.alert_states import HELD_OPEN_US, Event, State, flaps
from streamgauge.streams.core.attribution import NOTHING_KNOWN, Attribution
from streamgauge.streams.core.findings import Finding, Segment
from streamgauge.streams.core.lull import Lull
from streamgauge.streams.core.related import NOTHING, Related, Told

_RANK = {"info": 0, "warning": 1, "critical": 2}


@dataclass(slots=True)
class Episode:
    """From opened to resolved. `finding` is the latest one, `severity` the gravest told, since `graver_us`.

    `related` is what other monitors found that has the same cause, by monitor. `lull` is for how long its own
    has found nothing, `recent_us` when episodes of the same fingerprint opened that flap with this one.
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
    lull: Lull
    graver_us: int
    recent_us: tuple[int, ...] = ()
    state: str = "opened"
    sequence: int = 0
    told: Told = NOTHING
    attribution: Attribution = NOTHING_KNOWN
    related: dict[str, Related] = field(default_factory=dict)
    definition_id: str | None = None
    baseline_id: str | None = None
    software: str | None = None
    runbook_url: str | None = None
    routes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        model: str,
        key: tuple[str, str, Segment],
        number: int,
        recent_us: tuple[int, ...],
        finding: Finding,
        now_us: int,
        context: AlertContext,
    ) -> "Episode":
        """One that opens with its first record."""
        version, monitor, segment = key
        return cls(
            fingerprint(model, *key), version, monitor, segment, number, now_us, finding.onset_us,
            finding.onset_low_us, finding.onset_high_us, finding.severity, finding,
            Lull.after(finding, now_us, context), now_us, recent_us, State.NONE.value,
        )  # fmt: skip

    @property
    def alert_id(self) -> str:
        """The same in every record of the episode."""
        return f"{self.fingerprint}-{self.number}"

    @property
    def key(self) -> tuple[str, str, Segment]:
        """Version, monitor and segment."""
        return self.version, self.monitor, self.segment

    @property
    def seen_us(self) -> int:
        """When its own monitor was judged last, or another found what it tells of."""
        return max([self.lull.seen_us, *(related.lull.fired_us for related in self.related.values())])

    @property
    def fired_us(self) -> int:
        """When something that it tells of was found last."""
        return max([self.lull.fired_us, *(related.lull.fired_us for related in self.related.values())])

    @property
    def flapping(self) -> bool:
        """Whether it has opened again and again: it is held open longer, and told less."""
        return flaps(self.recent_us)

    @property
    def going_on(self) -> list[str]:
        """The monitors that it tells of besides its own, and that have not calmed down."""
        return [monitor for monitor, related in self.related.items() if not related.over]

    def firing(self) -> set[str]:
        """The monitors that it tells of and that have not calmed down; its own may have, before others do.
        An alert that is open for its own monitor's sake alone has not."""
        own = set[str]() if self.lull.over and self.going_on else {self.monitor}
        return own | set(self.going_on)

    def adopt(self, other: "Episode") -> None:
        """Tells of another one from now on, which ends."""
        self.related |= other.related
        self.related[other.monitor] = Related(other.finding, other.lull, other.told)

    def relate(self, finding: Finding, now_us: int, context: AlertContext) -> Event:
        """Tells of another monitor's finding too."""
        known = self.related.get(finding.monitor)
        told = NOTHING if known is None else known.told
        lull = Lull.after(finding, now_us, context) if known is None else known.lull.found(now_us, context)
        self.related[finding.monitor] = Related(finding, lull, told)
        if self.worsens(finding):
            self.rise(finding.severity, now_us)
            return Event.WORSENS
        moves = known is not None and not self.flapping and (known.over or told.moves(finding))
        return Event.JOINED if known is None or moves else Event.HELD

    def worsens(self, finding: Finding) -> bool:
        """Whether it is graver than anything this episode has told."""
        return _RANK[finding.severity] > _RANK[self.severity]

    def rise(self, severity: Severity, now_us: int) -> None:
        """It is graver from now on."""
        self.severity, self.graver_us = severity, now_us

    def is_unattended(self, now_us: int, after_us: int) -> bool:
        """Whether it is a warning that goes on, and that nobody has acknowledged for so long."""
        goes_on = self.lull.windows == 0 or bool(self.going_on)
        waits = self.severity == "warning" and self.state != State.ACKNOWLEDGED
        return waits and goes_on and now_us - self.graver_us >= after_us

    def is_calm(self, now_us: int, context: AlertContext) -> bool:
        """Whether a quiet window now is the last of enough, and nothing that it tells of goes on."""
        if self.going_on or not self.lull.quiet(now_us, context).over:
            return False
        return not self.flapping or now_us - self.fired_us >= HELD_OPEN_US

    def judged(
        self, finding: Finding | None, now_us: int, context: AlertContext, rule: Rule | None = None
    ) -> None:
        """A verdict of its own monitor."""
        lull = self.lull
        self.lull = lull.quiet(now_us, context) if finding is None else lull.found(now_us, context)
        self.finding = finding or self.finding
        self.definition_id, self.baseline_id = context.definition_id, context.baseline_id
        self.software, self.routes = context.software, dict(context.routes)
        self.runbook_url = rule.runbook_url if rule else self.runbook_url

    def explain(self, context: AlertContext) -> None:
        """It is about to be told: what explains an evidence alert is asked for now."""
        if context.attribute is not None and self.finding.evidence_threshold == 1.0:
            self.attribution = context.attribute(self.finding)

    def tell(
        self,
        model: str,
        now_us: int,
        event: Event,
        *,
        actor: str | None = None,
        note: str | None = None,
        ending: str = "",
        because: str | None = None,
    ) -> dict[str, Any]:
        """The record of the step that `event` has led to; the next one in its sequence.

        What is said here is what later values are compared with.
        """
        self.sequence += 1
        self.told = Told.of(self.finding)
        for related in self.related.values():
            related.told = Told.of(related.finding)
        return record_of(self, model, now_us, event, actor=actor, note=note, ending=ending, because=because)

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _SCALARS}
        state["recent_us"] = list(self.recent_us)
        state["segment"] = [list(pair) for pair in self.segment]
        state["finding"] = self.finding.to_state()
        state["attribution"] = self.attribution.to_state()
        state["lull"] = self.lull.to_state()
        state["told"] = [getattr(self.told, name) for name in Told.__slots__]
        state["related"] = [related.to_state() for related in self.related.values()]
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Episode":
        """The episode that `to_state` was called on."""
        return cls(
            **{name: state[name] for name in _SCALARS},
            recent_us=tuple(state["recent_us"]),
            segment=tuple((key, value) for key, value in state["segment"]),
            finding=Finding.from_state(state["finding"]),
            lull=Lull(*state["lull"]),
            told=Told(*state["told"]),
            attribution=Attribution.from_state(state["attribution"]),
            related={r.finding.monitor: r for r in map(Related.from_state, state["related"])},
        )


_PARTS = ("recent_us", "segment", "finding", "lull", "told", "attribution", "related")
_SCALARS = tuple(name for name in Episode.__slots__ if name not in _PARTS)
