"""Alerts as Alertmanager's API v2 takes them: labels are the identity, and times say whether one is open.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from streamgauge.clients.events import Alert

PATH = "/api/v2/alerts"
#: An alert ends by itself this many times `resend` after it was last sent: nobody knows then how it is.
HOLD = 15


def documents(
    alerts: Iterable[tuple[Alert, tuple[str, ...]]], now_us: int, resend_us: int
) -> list[dict[str, Any]]:
    """For each alert and the severities that it has had: the alert as it is, and what it was, ended.

    Severity is a label, so that routes in Alertmanager can go by it: with another one it is another alert.
    """
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    hold = timedelta(microseconds=HOLD * resend_us)
    found = []
    for alert, severities in alerts:
        starts = min(alert.opened_at, now)
        over = min(max(alert.time, starts), now)
        found.append(_document(alert, alert.severity, starts, now + hold if alert.is_open else over))
        found += [_document(alert, other, starts, over) for other in severities if other != alert.severity]
    return found


def labels(alert: Alert, severity: str) -> dict[str, str]:
    """The identity: one for each model, version, monitor, segment and severity, whatever the episode."""
    segment = ",".join(f"{key}={value}" for key, value in sorted(alert.segment.items()))
    named = {
        "alertname": alert.monitor,
        "model": alert.model,
        "version": alert.version,
        "severity": severity,
        "segment": segment,
        **{f"segment_{re.sub('[^a-zA-Z0-9_]', '_', key)}": value for key, value in alert.segment.items()},
    }
    return {name: value for name, value in named.items() if value}  # an empty label is none, to Alertmanager


def _document(alert: Alert, severity: str, starts: datetime, ends: datetime) -> dict[str, Any]:
    annotations = {
        "summary": alert.summary,
        "alert_id": alert.alert_id,
        "state": alert.state,
        "metric": alert.metric,
        "runbook_url": alert.runbook_url or "",
    }
    return {
        "labels": labels(alert, severity),
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
    }
