"""`AlertSubscription`: alerts as they come. `LatestAlerts`: where each of them stands."""

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


class LatestAlerts:
    """The last step of every episode, however often each step is delivered.

    Read from any offset at which no alert was open, or from the earliest, it knows all that are open.
    """

    def __init__(self) -> None:
        self._last: dict[str, Alert] = {}

    def note(self, alert: Alert) -> None:
        """Take a step up."""
        known = self._last.get(alert.alert_id)
        if known is None or alert.sequence >= known.sequence:
            self._last[alert.alert_id] = alert

    def all(self) -> list[Alert]:
        """Those that are over too, in the order in which they opened."""
        return sorted(self._last.values(), key=lambda alert: alert.opened_at)

    def open(self) -> list[Alert]:
        """Those that go on, in the order in which they opened."""
        return [alert for alert in self.all() if alert.is_open]


def latest_alerts(connection: Connection, model: str | None = None) -> list[Alert]:
    """The last step of every episode that Kafka still has, in the order in which they opened."""
    latest = LatestAlerts()
    with AlertSubscription(connection, start="earliest", stop_at_end=True, model=model) as alerts:
        for alert in alerts:
            latest.note(alert)
    return latest.all()
