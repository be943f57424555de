"""`AlertSubscription`: alerts as they come."""

from streamgauge.clients.connection import Connection
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


def latest_alerts(connection: Connection, model: str | None = None) -> list[Alert]:
    """The last step of every episode that Kafka still has, in the order in which they opened."""
    last: dict[str, Alert] = {}
    with AlertSubscription(connection, start="earliest", stop_at_end=True, model=model) as alerts:
        for alert in alerts:
            if alert.alert_id not in last or alert.sequence >= last[alert.alert_id].sequence:
                last[alert.alert_id] = alert
    return sorted(last.values(), key=lambda alert: alert.opened_at)
