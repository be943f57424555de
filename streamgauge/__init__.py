"""Streamgauge: event-driven monitoring of machine-learning models in production, over Kafka.

The public names are imported when they are first used, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamgauge.clients.alerts import AlertSubscription
    from streamgauge.clients.connection import Connection
    from streamgauge.clients.control import Control
    from streamgauge.clients.events import RetrainRequest
    from streamgauge.clients.kafka_sink import KafkaSink
    from streamgauge.clients.logger import PredictionLogger
    from streamgauge.clients.metrics import MetricSubscription
    from streamgauge.clients.retrain import DataExpiredError, RetrainRequests
    from streamgauge.clients.sinks import MemorySink
    from streamgauge.schemas.errors import StreamgaugeError

    __version__: str

__all__ = [
    "AlertSubscription",
    "Connection",
    "Control",
    "DataExpiredError",
    "KafkaSink",
    "MemorySink",
    "MetricSubscription",
    "PredictionLogger",
    "RetrainRequest",
    "RetrainRequests",
    "StreamgaugeError",
    "__version__",
]

_HOMES = {
    "AlertSubscription": "streamgauge.clients.alerts",
    "Connection": "streamgauge.clients.connection",
    "Control": "streamgauge.clients.control",
    "DataExpiredError": "streamgauge.clients.retrain",
    "KafkaSink": "streamgauge.clients.kafka_sink",
    "MemorySink": "streamgauge.clients.sinks",
    "MetricSubscription": "streamgauge.clients.metrics",
    "PredictionLogger": "streamgauge.clients.logger",
    "RetrainRequest": "streamgauge.clients.events",
    "RetrainRequests": "streamgauge.clients.retrain",
    "StreamgaugeError": "streamgauge.schemas.errors",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # costs more than all else here

        return version("streamgauge")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
