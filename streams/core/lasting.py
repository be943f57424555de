"""What time does to open alerts: warnings that nobody takes up become critical, what nothing judges ends."""

from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor_names import rests_on_labels
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.episode import Episode
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.judge import Judge

_UNJUDGED_US = 86_400_000_000


def last(intake: Intake, judge: Judge, book: AlertBook) -> list[Output]:
    """Looked at again and again, in event time. What rests on labels that are missing stays as it is."""
    now_us, definition = intake.now_us, intake.definition
    waiting: list[Episode] = []  # for labels, which may be as late as their time to live
    for episode in book.open_episodes():
        if rests_on_labels(episode.monitor, episode.segment):
            missing = episode.version in judge.labels.missing
            if missing or now_us - episode.seen_us <= _UNJUDGED_US + definition.labels.ttl:
                waiting.append(episode)
    outputs = book.expire(now_us, _UNJUDGED_US, {episode.key for episode in waiting})
    after_us = definition.alerts.escalate_after
    if after_us is not None:
        held = {episode.key for episode in waiting if episode.version in judge.labels.missing}
        outputs += book.escalate(now_us, after_us, held)
    return outputs
