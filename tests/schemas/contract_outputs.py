"""One example of each output, of each control event and of a retrain status, as the contract has them."""

from streamgauge.schemas.control import (
    Acknowledge,
    AdoptBaseline,
    ControlEvent,
    Define,
    Resolve,
    Retire,
    Retrain,
    RetrainStatus,
    Silence,
)
from streamgauge.schemas.message import ALERTS, METRICS, RETRAIN_REQUESTS, Output

START, END = "2026-11-21T10:00:00.000000Z", "2026-11-21T10:05:00.000000Z"
TIME_US = 1_795_255_200_000_000
OFFSETS = {"topic": "streamgauge.predictions", "partition": 5, "start": 1200, "end": 4400}
MADE_BY = {"definition_id": "sha256:ab", "baseline_id": None, "software": "streamgauge 0.1.0"}

METRIC = {
    "model": "credit",
    "version": "7",
    "segment": {"country": "NO"},
    "window": {"start": START, "end": END},
    "metric": "accuracy",
    "feature": None,
    "group": None,
    "class": None,
    "value": 0.91,
    "low": 0.88,
    "high": 0.93,
    "n": 480,
    "coverage": 0.96,
    "status": "provisional",
    "revision": 2,
    "compared_with": None,
    "verdict": None,
    **MADE_BY,
}
ALERT = {
    "alert_id": "9f2c-3",
    "fingerprint": "9f2c",
    "episode": 3,
    "sequence": 1,
    "state": "opened",
    "severity": "critical",
    "model": "credit",
    "version": "7",
    "monitor": "concept_drift",
    "metric": "zero_one_loss",
    "segment": {},
    "value": 0.21,
    "low": 0.18,
    "high": 0.24,
    "baseline": 0.1,
    "compared_with": None,
    "limit": None,
    "evidence": 1.6,
    "evidence_threshold": 1.0,
    "budgeted": True,
    "n": 3200,
    "onset": START,
    "onset_low": "2026-11-21T09:58:10.000000Z",
    "onset_high": "2026-11-21T10:01:20.000000Z",
    "opened_at": END,
    "time": END,
    "contributors": [
        {
            "feature": "age",
            "group": None,
            "share": 0.7,
            "direction": "up",
            "size": 0.4,
            "bins": [{"bin": "35 to 49", "baseline": 0.2, "value": 0.41}],
        }
    ],
    "carried_by": [{"segment": {"country": "NO"}, "share": 0.95}],
    "prediction_shift": {"feature": "prediction", "moved": True, "direction": "approved up", "size": 0.1},
    "coincidences": [
        {"kind": "version_started", "name": "8", "time": START, "value": None, "baseline": None}
    ],
    "related": [
        {
            "monitor": "estimate_gap",
            "metric": "accuracy",
            "value": 0.79,
            "baseline": 0.9,
            "evidence_threshold": 1.0,
            "n": 3200,
            "onset": START,
        }
    ],
    "because": None,
    "offsets": [OFFSETS],
    **MADE_BY,
    "actor": None,
    "note": None,
    "summary": "credit 7: zero-one loss 0.21, was 0.10 (since 09:40)",
    "runbook_url": None,
    "reason": "escalates",
    "route": "risk-pager",
    "flapping": True,
    "holds_back": ["accuracy"],
}
RETRAIN_REQUEST = {
    "request_id": "credit:7:1",
    "model": "credit",
    "version": "7",
    "attempt": 1,
    "reasons": [
        {
            "monitor": "concept_drift",
            "metric": "zero_one_loss",
            "value": 0.21,
            "baseline": 0.1,
            "threshold": None,
            "n": 3200,
            "fingerprint": "9f2c",
        }
    ],
    "data": {"start": START, "end": END, "offsets": [OFFSETS]},
    "features": ["age"],
    "segments": [{"country": "NO"}],
    "label_coverage": 0.96,
    "labels": 3072,
    "priority": "high",
    "dry_run": False,
    "time": END,
    "expires_at": "2026-11-22T10:05:00.000000Z",
    **MADE_BY,
    "actor": None,
    "note": None,
}
OUTPUTS = {
    "metric": Output(METRICS, b"credit", METRIC),
    "alert": Output(ALERTS, b"credit", ALERT),
    "retrain_request": Output(RETRAIN_REQUESTS, b"credit", RETRAIN_REQUEST),
}
CONTROLS: dict[str, ControlEvent] = {
    "define": Define(
        actor="ann",
        time_us=TIME_US,
        model="credit",
        document={"model": "credit", "features": {"age": {"min": 18}}},
    ),
    "fleet": Define(actor="ann", time_us=TIME_US, document={"alert_budget": {"false_alarms": 0.05}}),
    "baseline": AdoptBaseline(
        actor="ann", time_us=TIME_US, model="credit", version="7", document={"n": 5000}
    ),
    "acknowledge": Acknowledge(actor="bo", time_us=TIME_US, model="credit", fingerprint="9f2c", note="on it"),
    "resolve": Resolve(actor="bo", time_us=TIME_US, model="credit", fingerprint="9f2c"),
    "silence": Silence(
        actor="ann",
        time_us=TIME_US,
        until_us=TIME_US + 3_600_000_000,
        matcher={"severity": "info"},
        note="moving",
    ),
    "maintenance": Silence(
        actor="ann",
        time_us=TIME_US,
        start_us=TIME_US + 3_600_000_000,
        until_us=TIME_US + 7_200_000_000,
        model="credit",
        note="broker upgrade",
    ),
    "retrain": Retrain(actor="ann", time_us=TIME_US, model="credit", note="new features"),
    "retire": Retire(actor="ann", time_us=TIME_US, model="credit", version="6"),
}
STATUS = RetrainStatus(
    request_id="credit:7:1",
    model="credit",
    attempt=1,
    state="succeeded",
    time_us=TIME_US,
    new_version="8",
    message="AUC 0.91",
)
