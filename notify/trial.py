"""One notification that says it is a test: whether a target can be reached, and what it makes of an alert."""

from datetime import UTC, datetime

from streamgauge.clients.events import Alert, Position
from streamgauge.notify.core.outcomes import Outcome
from streamgauge.notify.core.queues import Notification, Transition
from streamgauge.notify.senders import Sender


def trial(sender: Sender, now_us: int) -> Outcome:
    """Make one attempt."""
    alert = sample(now_us)
    transition = Transition(0, 0, alert, (), now_us)
    return sender.send(Notification((alert.alert_id,), (transition,)), now_us)


def sample(now_us: int) -> Alert:
    """An alert of no model, another one each second.

    >>> sample(1_795_255_200_000_000).alert_id
    'test-1795255200'
    """
    time = datetime.fromtimestamp(now_us // 1_000_000, UTC).isoformat()
    record = {
        "alert_id": f"test-{now_us // 1_000_000}",
        "fingerprint": "test",
        "episode": 1,
        "sequence": 1,
        "state": "opened",
        "severity": "info",
        "model": "test",
        "version": "1",
        "monitor": "test",
        "metric": "test",
        "segment": {},
        "value": 1.0,
        "n": 1,
        "opened_at": time,
        "time": time,
        "summary": "this is a test of the notifier; nothing is wrong",
    }
    return Alert.from_record(record, Position("", 0, 0))
