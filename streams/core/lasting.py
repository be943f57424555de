"""What time does to open alerts: warnings that nobody takes up become critical, what nothing judges ends."""

from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor_names import rests_on_labels
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.judge import Judge

_UNJUDGED_US = 86_400_000_000


def last(intake: Intake, judge: Judge, book: AlertBook) -> list[Output]:
    """Looked at again and again, in event time. What rests on labels that are missing stays as it is."""
    now_us, definition = intake.now_us, intake.definition
    on_labels = [e for e in book.open_episodes() if rests_on_labels(e.monitor, e.segment)]
    held = {e.key for e in on_labels if e.version in judge.labels.missing}
    # labels may be as late as their time to live
    patience_us = _UNJUDGED_US + definition.labels.ttl
    waiting = held | {e.key for e in on_labels if now_us - e.seen_us <= patience_us}
    outputs = book.expire(now_us, _UNJUDGED_US, waiting)
    after_us = definition.alerts.escalate_after
    if after_us is not None:
        outputs += book.escalate(now_us, after_us, held)
    return outputs
