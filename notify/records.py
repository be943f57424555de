"""Alerts, retrain requests and heartbeats as the notifier takes them: of the right types, or not at all."""

from collections.abc import Mapping
from typing import Any

from streamgauge.clients.events import Alert, Metric, Position, RetrainRequest
from streamgauge.clients.values import microseconds
from streamgauge.schemas.encode import decode_output
from streamgauge.schemas.errors import BadEvent, Reason

_TEXTS = ("alert_id", "state", "severity", "model", "version", "monitor", "metric", "summary")
_NUMBERS = ("value", "baseline", "limit")


def alert_of(message: Any) -> Alert:
    """The alert of a Kafka message. Raises `BadEvent`: what is told to others is not guessed."""
    headers = tuple((name, value or b"") for name, value in message.headers() or ())
    position = Position(message.topic(), message.partition(), message.offset())
    return checked(Alert.from_record(decode_output(message.value(), headers), position))


def checked(alert: Alert) -> Alert:
    """The alert itself. Raises `BadEvent` if a field has another type than the contract's."""
    wrong = [name for name in _TEXTS if not isinstance(getattr(alert, name), str)]
    wrong += [name for name in _NUMBERS if not isinstance(getattr(alert, name), int | float | None)]
    wrong += [name for name in ("sequence", "n") if not isinstance(getattr(alert, name), int)]
    wrong += [
        name
        for name in ("runbook_url", "reason", "route", "because")
        if not isinstance(getattr(alert, name), str | None)
    ]
    if not isinstance(alert.segment, dict) or not all(
        isinstance(text, str) for pair in alert.segment.items() for text in pair
    ):
        wrong.append("segment")
    if wrong:
        raise BadEvent(Reason.WRONG_TYPE, f"{', '.join(wrong)} of an alert cannot be used")
    return alert


def checked_request(request: RetrainRequest) -> RetrainRequest:
    """The request itself. Raises `BadEvent` if a field has another type than the contract's."""
    wrong = [
        name for name in ("request_id", "model", "version") if not isinstance(getattr(request, name), str)
    ]
    wrong += [] if isinstance(request.attempt, int) else ["attempt"]
    if not isinstance(request.reasons, tuple) or not all(isinstance(r, Mapping) for r in request.reasons):
        wrong.append("reasons")
    if wrong:
        raise BadEvent(Reason.WRONG_TYPE, f"{', '.join(wrong)} of a retrain request cannot be used")
    return request


def told_by(metric: Metric) -> tuple[int, float]:
    """Up to when a worker's own metric tells, in microseconds since the epoch, and its value. Raises
    `BadEvent`."""
    if not isinstance(metric.value, int | float | None):
        raise BadEvent(Reason.WRONG_TYPE, "value of a metric cannot be used")
    return microseconds(metric.window.end), float(metric.value or 0)
