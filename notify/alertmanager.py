"""Alerts as Alertmanager's API v2 takes them: labels are the identity, and times say whether one is open.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from streamgauge.clients.events import Alert
from streamgauge.notify.wording import related

PATH = "/api/v2/alerts"
#: An alert ends by itself this many times `resend` after it was last sent: nobody knows then how it is.
HOLD = 15


def documents(
    alerts: Iterable[tuple[Alert, tuple[Alert, ...]]], now_us: int, resend_us: int
) -> list[dict[str, Any]]:
    """For each alert and what it was before: the alert as it is, and what had other labels, ended.

    Severity and route are labels, so that routes in Alertmanager can go by them: with others it is another
    alert there.
    """
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    hold = timedelta(microseconds=HOLD * resend_us)
    found = []
    for alert, before in alerts:
        starts = min(alert.opened_at, now)
        over = min(max(alert.time, starts), now)
        found.append(_document(alert, labels(alert), starts, now + hold if alert.is_open else over))
        others = [labels(other) for other in before]
        found += [_document(alert, other, starts, over) for other in others if other != labels(alert)]
    return found


def labels(alert: Alert) -> dict[str, str]:
    """The identity: one for each model, version, monitor, segment, severity and route, in any episode."""
    segment = ",".join(f"{key}={value}" for key, value in sorted(alert.segment.items()))
    named = {
        "alertname": alert.monitor,
        "model": alert.model,
        "version": alert.version,
        "severity": alert.severity,
        "route": alert.route or "",
        "segment": segment,
        **{f"segment_{re.sub('[^a-zA-Z0-9_]', '_', key)}": value for key, value in alert.segment.items()},
    }
    return {name: value for name, value in named.items() if value}  # an empty label is none, to Alertmanager


def _document(alert: Alert, named: dict[str, str], starts: datetime, ends: datetime) -> dict[str, Any]:
    annotations = {
        "summary": alert.summary,
        "alert_id": alert.alert_id,
        "state": alert.state,
        "metric": alert.metric,
        "related": related(alert),
        "because": alert.because or "",
        "runbook_url": alert.runbook_url or "",
    }
    return {
        "labels": named,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
    }
