"""An alert, and a retrain request, that say they are a test: whether a target can be reached, what it makes
of them."""

from datetime import UTC, datetime, timedelta

from streamgauge.clients.events import Alert, Position, RetrainRequest
from streamgauge.notify.core.outcomes import Outcome
from streamgauge.notify.core.queues import Notification, Transition
from streamgauge.notify.hooks import Hand
from streamgauge.notify.senders import Sender


def trial(sender: Sender, now_us: int) -> Outcome:
    """Make one attempt."""
    alert = sample(now_us)
    transition = Transition(0, 0, alert, (), now_us)
    return sender.send(Notification((alert.alert_id,), (transition,)), now_us)


def trial_request(hand: Hand, now_us: int) -> Outcome:
    """Make one attempt, with a request that is a dry run."""
    return hand(sample_request(now_us), now_us)


def sample_request(now_us: int) -> RetrainRequest:
    """A dry run of no model, another one each second.

    >>> sample_request(1_795_255_200_000_000).event_id
    'test:1:1795255200:1'
    """
    time = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    record = {
        "request_id": f"test:1:{now_us // 1_000_000}",
        "model": "test",
        "version": "1",
        "attempt": 1,
        "reasons": [],
        "data": {"start": None, "end": None, "offsets": []},
        "features": [],
        "segments": [],
        "label_coverage": None,
        "labels": 0,
        "priority": "low",
        "dry_run": True,
        "time": time.isoformat(),
        "expires_at": (time + timedelta(minutes=1)).isoformat(),
        "note": "this is a test of the notifier; there is nothing to train",
    }
    return RetrainRequest.from_record(record, Position("", 0, 0))


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
