"""`MetricSubscription`: the windows' metrics as they come."""

from streamgauge.clients.events import Metric
from streamgauge.clients.subscription import Subscription
from streamgauge.schemas.message import METRICS


class MetricSubscription(Subscription[Metric]):
    """Every value of every window, and its restatements; see `Subscription` for the arguments."""

    topic = METRICS
    event = Metric
