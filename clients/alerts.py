"""`AlertSubscription`: alerts as they come."""

from streamgauge.clients.events import Alert
from streamgauge.clients.subscription import Subscription
from streamgauge.schemas.message import ALERTS


class AlertSubscription(Subscription[Alert]):
    """Every step of every alert's episode; see `Subscription` for the arguments.

    ::

        with AlertSubscription(connection, group_id="pager") as alerts:
            for alert in alerts:
                page(alert.severity, alert.summary)
                alerts.done(alert)
    """

    topic = ALERTS
    event = Alert
