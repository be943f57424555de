"""Retrain requests for tests of the notifier, as the worker writes them."""

from typing import Any

from streamgauge.clients.events import Position, RetrainRequest


def request_record(request_id: str = "credit:7:1", **fields: Any) -> dict[str, Any]:
    """The JSON form of one request."""
    return {
        "request_id": request_id,
        "model": "credit",
        "version": "7",
        "attempt": 1,
        "reasons": [{
            "monitor": "concept_drift", "metric": "zero_one_loss", "value": 0.21, "baseline": 0.1,
            "threshold": 1.0, "n": 3200, "fingerprint": "9f2c1b7e0a4d5c6f8e9d0b1a2c3d4e5f",
        }],
        "data": {
            "start": "2026-11-21T09:40:00.000000Z",
            "end": "2026-11-21T10:05:00.000000Z",
            "offsets": [{"topic": "streamgauge.predictions", "partition": 5, "start": 1200, "end": 4400}],
        },
        "features": ["age"],
        "segments": [],
        "label_coverage": 0.96,
        "labels": 3072,
        "priority": "high",
        "dry_run": False,
        "time": "2026-11-21T10:05:00.000000Z",
        "expires_at": "2099-11-22T10:05:00.000000Z",
        "definition_id": "sha256:2f1c",
        "baseline_id": "sha256:77ab",
        "software": "streamgauge/0.1.0",
        "actor": None,
        "note": None,
    } | fields  # fmt: skip


def request(**fields: Any) -> RetrainRequest:
    """The same as an event."""
    return RetrainRequest.from_record(request_record(**fields), Position("", 0, 0))
