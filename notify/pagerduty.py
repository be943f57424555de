"""Transitions as PagerDuty's Events API v2 takes them: one incident for each alert, by its dedup key.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events
"""

from typing import Any

from streamgauge.clients.events import Alert

_SUMMARY = 1_024
_ACTIONS = {"acknowledged": "acknowledge"}


def event(alert: Alert, routing_key: str) -> dict[str, Any]:
    """The event of one transition: trigger, acknowledge or resolve."""
    action = _ACTIONS.get(alert.state, "trigger") if alert.is_open else "resolve"
    found: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": alert.alert_id[:255],
    }
    if action != "trigger":
        return found
    return found | {
        "payload": {
            "summary": alert.summary[:_SUMMARY] or alert.monitor,
            "source": f"{alert.model} {alert.version}".strip() or "streamgauge",
            "severity": alert.severity if alert.severity in ("info", "warning", "critical") else "error",
            "timestamp": alert.time.isoformat(),
            "component": alert.model,
            "group": alert.model,
            "class": alert.monitor,
            "custom_details": {
                "metric": alert.metric,
                "value": alert.value,
                "baseline": alert.baseline,
                "limit": alert.limit,
                "n": alert.n,
                "segment": dict(alert.segment),
                "alert_id": alert.alert_id,
            },
        },
        "client": "Streamgauge",
        "links": [{"href": alert.runbook_url, "text": "Runbook"}] if alert.runbook_url else [],
    }
