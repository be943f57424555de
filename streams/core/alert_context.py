"""`AlertContext`: what alerts are told of the model that they are about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.attribution import Attribution
from streamgauge.streams.core.findings import Finding


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What the model's definition says about alerts, and the ids that every alert names."""

    resolve_after: int = 3
    cooldown_us: int = 600_000_000
    definition_id: str | None = None
    baseline_id: str | None = None
    software: str | None = None
    window_us: int = 1
    #: How many events the monitor has judged so far, and how many came since the onset of what it found.
    judged: int = 0
    since_onset: int = 0
    #: The routing key of each severity that has one.
    routes: Mapping[str, str] = field(default_factory=dict)
    #: What explains a finding, asked for only when it is told.
    attribute: Callable[[Finding], Attribution] | None = None

    @classmethod
    def of(
        cls,
        definition: MonitorDefinition,
        baseline_id: str | None = None,
        software: str | None = None,
        attribute: Callable[[Finding], Attribution] | None = None,
    ) -> "AlertContext":
        """Make it once per definition: its hash takes longer than everything else here."""
        return cls(
            definition.resolve_after,
            definition.cooldown,
            definition.definition_id,
            baseline_id,
            software,
            definition.window,
            routes=definition.alerts.keys,
            attribute=attribute,
        )
