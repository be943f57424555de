"""Alerts about a whole version that no window gives: they are looked at again and again, and seldom open."""

from dataclasses import replace

from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.findings import Finding


def follow(
    book: AlertBook,
    version: str,
    monitor: str,
    finding: Finding | None,
    now_us: int,
    definition: MonitorDefinition,
    software: str,
) -> list[Output]:
    """As `AlertBook.observe`, if the monitor is on and there is anything to tell; as grave as its rule."""
    rule = definition.rule(monitor)
    if not rule.enabled or (finding is None and not book.is_open(version, monitor, ())):
        return []
    if finding is not None:
        finding = replace(finding, severity=rule.severity)
    context = AlertContext.of(definition, software=software)
    return book.observe(version, monitor, (), finding, now_us, rule, context)
