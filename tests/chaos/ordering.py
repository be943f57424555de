"""What people and training jobs order in a chaos run: definitions, acknowledgements, silences, answers."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from streamgauge.clients.alerts import latest_alerts
from streamgauge.clients.retrain import RetrainRequests
from tests.acceptance.traffic import CREDIT
from tests.chaos.scale import MODELS, Scale
from tests.chaos.sending import Kind
from tests.chaos.world import World


def redefine(world: World, minimum: float, severity: str, coverage: float) -> None:
    """Another limit for credit, which changes alerts and leaves every number as it is."""
    [document] = [d for d in world.scale.definitions() if d["model"] == CREDIT]
    monitors = {"accuracy": {"min": minimum, "severity": severity}}
    labels = {**document["labels"], "min_coverage": coverage}
    world.control.define({**document, "monitors": monitors, "labels": labels})


def acknowledge(world: World, number: int, *, end: bool) -> None:
    """Somebody has seen an alert that is open, or ends it. It may be over before they are heard."""
    alerts = [alert for alert in latest_alerts(world.connection) if alert.is_open]
    if alerts:
        alert = alerts[number % len(alerts)]
        (world.control.resolve if end else world.control.acknowledge)(alert.model, alert.fingerprint)


def silence(world: World, model: str, seconds: float) -> None:
    """Nobody wants to hear of a model for so long."""
    world.control.silence(datetime.now(UTC) + timedelta(seconds=seconds), {"model": model}, model)


def answer(world: World, state: str) -> None:
    """A training job answers the latest request that it has not answered, if it is still wanted."""
    with RetrainRequests(world.connection, "trainer", start="earliest", stop_at_end=True) as requests:
        for request in requests:
            requests.accept(request)
            if state == "succeeded":
                requests.succeeded(request, new_version="9")
            else:
                getattr(requests, state)(request)


def _silence(chance: random.Random, scale: Scale, at_s: float) -> dict[str, Any]:
    return {"model": chance.choice(MODELS), "seconds": round(chance.uniform(5, 40), 1)}


ORDERS: Mapping[str, Kind] = {
    "redefine": Kind(
        1,
        redefine,
        lambda c, s, at: {
            "minimum": round(c.uniform(0.6, 0.95), 2),
            "severity": c.choice(("info", "warning", "critical")),
            "coverage": round(c.uniform(0.1, 0.6), 2),
        },
    ),
    "acknowledge": Kind(
        1, acknowledge, lambda c, s, at: {"number": c.randrange(10), "end": c.random() < 0.3}
    ),
    "silence": Kind(0.5, silence, _silence),
    "answer": Kind(
        1, answer, lambda c, s, at: {"state": c.choice(("started", "succeeded", "failed", "declined"))}
    ),
}
