"""What alerts say of retraining: that nobody answers a request, or that broken data hold one back."""

from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor_names import BLOCKED, UNANSWERED
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.findings import Contributor, Finding
from streamgauge.streams.core.following import follow
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.retrain import RetrainPolicy
from streamgauge.streams.core.retrain_states import RequestState


def tell(policy: RetrainPolicy, intake: Intake, book: AlertBook, software: str) -> list[Output]:
    """Opens these alerts, goes on with them, or ends them."""
    outputs: list[Output] = []
    asked_of, latest = policy.version, intake.latest
    terms = intake.now_us, intake.definition, software
    if asked_of is not None and intake.is_served(asked_of):
        outputs += follow(book, asked_of, UNANSWERED, unanswered(policy), *terms)
    if latest is not None:
        outputs += follow(book, latest, BLOCKED, blocked(policy, book, latest), *terms)
    return outputs


def unanswered(policy: RetrainPolicy) -> Finding | None:
    """As long as the latest request was given up and nobody answers."""
    if policy.state is not RequestState.UNANSWERED:
        return None
    attempts, since_us = policy.asked
    metric = "unanswered_retrain_requests"
    return Finding(UNANSWERED, metric, "warning", value=float(attempts), n=attempts, onset_us=since_us)


def blocked(policy: RetrainPolicy, book: AlertBook, version: str) -> Finding | None:
    """As long as a request is due and an open alert on its data forbids it; names the features of that."""
    if policy.held is None or policy.held.guard != "blocked_by":
        return None
    named: dict[str, Contributor] = {}
    for episode in book.open_episodes():
        if episode.version == version:
            findings = [episode.finding, *(related.finding for related in episode.related.values())]
            named |= {
                c.feature: c
                for finding in findings
                if finding.monitor in policy.held.monitors
                for c in finding.contributors
                if c.feature is not None
            }
    return Finding(BLOCKED, BLOCKED, "warning", contributors=tuple(named.values()))
