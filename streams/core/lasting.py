"""What time does to open alerts: warnings that nobody takes up become critical, what nothing judges ends."""

from streamgauge.schemas.message import Output
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.intake import Intake

_UNJUDGED_US = 86_400_000_000


def last(intake: Intake, book: AlertBook) -> list[Output]:
    """Looked at again and again, in event time."""
    outputs = book.expire(intake.now_us, _UNJUDGED_US)
    after_us = intake.definition.alerts.escalate_after
    return outputs if after_us is None else outputs + book.escalate(intake.now_us, after_us)
