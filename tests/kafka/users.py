"""What each kind of user does to one model, over a connection of its own."""

import json
import time
from collections.abc import Callable

from streamgauge.clients.connection import Connection
from streamgauge.clients.control import Control
from streamgauge.clients.logger import PredictionLogger
from streamgauge.schemas.message import METRICS
from tests.harness import read_topic, wait_until


def serve_until_judged(
    servers: str, prefix: str, connection: Callable[[str], Connection], *, for_s: float = 0.0
) -> None:
    """An operator defines a model; it predicts and labels come, for so long at least and until a window that
    is told of says that all was wrong. `connection` gives that of a principal, `servers` let anyone read."""
    began = time.monotonic()
    control = Control(connection("operator"), "ann")
    control.define({"model": "credit", "window": "1s", "grace": "1s", "task": "binary"})
    control.close()
    serving, labels = (
        PredictionLogger("credit", version="7", connection=connection(name), linger_ms=50)
        for name in ("serving", "labels")
    )

    def judged() -> bool:
        identity = serving.predict("yes", {"age": 41})
        labels.ground_truth(identity, "no")
        told = [json.loads(message.value()) for message in read_topic(servers, prefix + METRICS)[-20:]]
        return time.monotonic() - began > for_s and any(
            record["metric"] == "accuracy" and record["value"] == 0 for record in told
        )

    wait_until(judged, for_s + 90, every=0.5, saying="labels have met their predictions")
    for logger in (serving, labels):
        logger.close()
        assert logger.stats().dropped == 0
