"""`MetricSubscription`: the windows' metrics as they come."""

from streamgauge.clients.events import Metric
from streamgauge.clients.subscription import Subscription
from streamgauge.schemas.message import METRICS


class MetricSubscription(Subscription[Metric]):
    """Every value of every window, and its restatements; see `Subscription` for the arguments.

    With ``model=""`` the workers' heartbeats, which belong to no model and are left out otherwise.
    """

    topic = METRICS
    event = Metric

    def _is_wanted(self, event: Metric) -> bool:
        return event.model == self._model or (self._model is None and event.model != "")
