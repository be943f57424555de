"""Where a model stands: its time, its coverage, its open alerts, and why each of its monitors is quiet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamgauge.detectors.profile_review import Remark, review
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.doubts import doubts_of
from streamgauge.streams.core.intake import LONG_AGO
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.monitors import monitors_of
from streamgauge.streams.core.reasons import Reason, because
from streamgauge.streams.core.versions import Adoption, Version

#: `alert`: an episode is open. `quiet`: it watches, and nothing is wrong. `learning`: its baseline is not
#: there yet. `waiting`: it has nothing to judge. `off`: the definition says so.
MonitorState = Literal["alert", "quiet", "learning", "waiting", "off"]


_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """One open episode, in brief. Times are RFC 3339."""

    alert_id: str
    monitor: str
    severity: str
    segment: Mapping[str, str]
    opened_at: str


@dataclass(frozen=True, slots=True)
class MonitorStatus:
    """One monitor of one version. `evidence` is the strongest of its streams', where 1 is an alarm."""

    monitor: str
    state: MonitorState
    why: str
    evidence: float | None = None


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version of a model. `coverage`: of the windows that are still open to labels."""

    version: str
    superseded: bool
    last_served_at: str | None
    coverage: float | None
    baseline_id: str | None
    #: What the baseline is too small or too changeable for, by feature.
    remarks: tuple[Remark, ...]
    adopted: Adoption | None
    monitors: tuple[MonitorStatus, ...]
    alerts: tuple[OpenAlert, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model as its partition's state has it; `watermark` is None before its first event."""

    model: str
    task: str | None
    definition_id: str
    watermark: str | None
    watermark_us: int | None
    pending: int
    retrain: str
    retrain_held: str | None
    #: False alarms that its streams are promised in a horizon, its length, and how many they were paid for.
    promised: float
    horizon_days: float
    paid: float
    versions: tuple[VersionStatus, ...] = field(default=())
    #: What seems to be wrong with its definition.
    doubts: tuple[str, ...] = ()


def status_of(model: ModelState) -> ModelStatus:
    """A look that changes nothing."""
    intake = model.intake
    started = intake.now_us > LONG_AGO
    return ModelStatus(
        model=model.definition.model,
        task=intake.names.task,
        definition_id=model.definition.definition_id,
        watermark=format_time(intake.watermark_us) if started else None,
        watermark_us=intake.watermark_us if started else None,
        pending=intake.join.counts["pending"],
        retrain=model.retrain.state.value,
        retrain_held=None if model.retrain.held is None else model.retrain.held.why,
        promised=model.account.alpha,
        horizon_days=model.account.horizon_us / _DAY_US,
        paid=model.account.paid_in_all,
        versions=tuple(_version(model, version) for version in intake.versions.values()),
        doubts=doubts_of(model),
    )


def _version(model: ModelState, version: Version) -> VersionStatus:
    alerts = tuple(
        OpenAlert(
            f"{episode.fingerprint}-{episode.number}",
            episode.monitor,
            episode.severity,
            dict(episode.segment),
            format_time(episode.opened_us),
        )
        for episode in model.book.open_episodes()
        if episode.version == version.name
    )
    told_by = {
        monitor: episode.monitor
        for episode in model.book.open_episodes()
        if episode.version == version.name
        for monitor in episode.going_on
    }
    return VersionStatus(
        version=version.name,
        superseded=model.intake.superseded(version),
        last_served_at=format_time(version.last_served_us) if version.last_served_us else None,
        coverage=version.since(None).coverage,
        baseline_id=version.watch.baseline_id,
        remarks=tuple(() if version.watch.profile is None else review(version.watch.profile)),
        adopted=version.adopted,
        monitors=tuple(
            _monitor(
                name, model, version, [alert for alert in alerts if alert.monitor == name], told_by.get(name)
            )
            for name in monitors_of(model.definition)
        ),
        alerts=alerts,
    )


def _monitor(
    name: str, model: ModelState, version: Version, alerts: list[OpenAlert], told_by: str | None
) -> MonitorStatus:
    if not model.definition.rule(name).enabled:
        return MonitorStatus(name, "off", "switched off by the definition")
    found: Reason = because(name, model, version)
    if told_by is not None and not alerts:
        return MonitorStatus(
            name, "alert", f"the alert of {told_by} tells of it; {found.why}", found.evidence
        )
    if not alerts:
        return MonitorStatus(name, found.state, found.why, found.evidence)
    gravest = min(alerts, key=lambda alert: ("critical", "warning", "info").index(alert.severity))
    others = f", and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    why = f"{gravest.severity} since {gravest.opened_at}{others}; {found.why}"
    return MonitorStatus(name, "alert", why, found.evidence)
