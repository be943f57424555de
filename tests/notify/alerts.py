"""Alerts for tests of the notifier: steps of episodes, as the worker writes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from streamgauge.clients.events import Alert, Position

OPENED = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SECOND_US = 1_000_000


def record(
    alert_id: str = "9f2c-1", sequence: int = 1, state: str = "opened", **fields: Any
) -> dict[str, Any]:
    """The JSON form of one step; steps are a minute apart."""
    fingerprint, _, episode = alert_id.rpartition("-")
    time = OPENED + timedelta(minutes=sequence - 1)
    return {
        "alert_id": alert_id,
        "fingerprint": fingerprint,
        "episode": int(episode),
        "sequence": sequence,
        "state": state,
        "severity": "warning",
        "model": "credit",
        "version": "7",
        "monitor": "drift",
        "metric": "psi",
        "segment": {},
        "value": 0.31,
        "low": None,
        "high": None,
        "baseline": 0.02,
        "limit": None,
        "evidence": None,
        "evidence_threshold": None,
        "n": 3200,
        "onset": None,
        "opened_at": OPENED.isoformat(),
        "time": time.isoformat(),
        "contributors": [],
        "offsets": [],
        "definition_id": None,
        "baseline_id": None,
        "software": None,
        "actor": None,
        "note": None,
        "summary": f"{fields.get('model', 'credit')} 7: PSI of age 0.31, was 0.02 (step {sequence})",
        "runbook_url": None,
    } | fields


def step(*args: Any, **fields: Any) -> Alert:
    """The same as subscribers have it."""
    return Alert.from_record(record(*args, **fields), Position("alerts", 0, 0))
