"""From a target's kind to what sends to it: a table of functions, each one attempt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamgauge.clients.events import Alert
from streamgauge.notify import alertmanager, mail, pagerduty, slack, wording
from streamgauge.notify.addresses import Allowed
from streamgauge.notify.config import (
    AlertmanagerTarget,
    AppriseTarget,
    EmailTarget,
    PagerDutyTarget,
    SlackTarget,
    Target,
    TextTarget,
    WebhookTarget,
)
from streamgauge.notify.core.book import Episode
from streamgauge.notify.core.outcomes import Outcome
from streamgauge.notify.core.queues import Notification
from streamgauge.notify.hiding import secrets_of
from streamgauge.notify.http import Request, json_request, post
from streamgauge.notify.services import Service
from streamgauge.notify.signing import signed

Send = Callable[[Notification, int], Outcome]


@dataclass(frozen=True, slots=True)
class Sender:
    """`send` makes one attempt, at a time in microseconds; `refresh`, if any, says again what is open."""

    send: Send
    refresh: Callable[[Sequence[Episode], int], Outcome] | None = None


def sender(target: Target, allowed: Allowed) -> Sender:
    """What sends to a target. Raises `ConfigurationError` if it could never work."""
    secrets = secrets_of(target)

    def sent(request: Request) -> Outcome:
        return post(request, allowed, secrets)

    match target:
        case AlertmanagerTarget():
            return _alertmanager(target, allowed)
        case WebhookTarget():
            return Sender(lambda what, now_us: sent(webhook_request(target, what, now_us)))
        case PagerDutyTarget():
            key, url = target.routing_key.get_secret_value(), target.url.get_secret_value()
            return Sender(lambda what, _: sent(json_request(url, pagerduty.event(what.alerts[0], key))))
        case SlackTarget():
            url = target.url.get_secret_value()
            return Sender(lambda what, _: sent(json_request(url, slack.message(*_text(target, what)))))
        case EmailTarget():
            return Sender(
                lambda what, now_us: mail.send(
                    target, mail.message(target, what.key, *_text(target, what), now_us), allowed
                )
            )
        case AppriseTarget():
            service = Service(target, allowed)
            return Sender(
                lambda what, _: service.send(*_text(target, what), wording.gravest(what.alerts).severity)
            )
    raise TypeError(f"no sender for {type(target).__name__}")


def webhook_request(target: WebhookTarget, what: Notification, now_us: int) -> Request:
    """The record as it is in the topic, in the envelope that Standard Webhooks recommends, signed."""
    (alert,) = what.alerts
    document = {"type": f"alert.{alert.state}", "timestamp": alert.record["time"], "data": alert.record}
    request = json_request(target.url.get_secret_value(), document)
    given = {name: value.get_secret_value() for name, value in target.headers.items()}
    signature = signed(what.key, now_us // 1_000_000, request.body, target.secret.get_secret_value())
    return Request(request.url, request.body, {**request.headers, **given, **signature})


def _alertmanager(target: AlertmanagerTarget, allowed: Allowed) -> Sender:
    url = target.url.get_secret_value().rstrip("/") + alertmanager.PATH
    headers = {name: value.get_secret_value() for name, value in target.headers.items()}
    secrets = secrets_of(target)

    def send(alerts: list[tuple[Alert, tuple[Alert, ...]]], now_us: int) -> Outcome:
        request = json_request(url, alertmanager.documents(alerts, now_us, target.resend), headers)
        return post(request, allowed, secrets)

    return Sender(
        lambda what, now_us: send([(each.alert, each.before) for each in what.transitions], now_us),
        lambda episodes, now_us: send([(each.last, ()) for each in episodes], now_us),
    )


def _text(target: TextTarget, what: Notification) -> tuple[str, list[str]]:
    alerts = what.alerts
    return wording.title(alerts, target.title), [wording.line(alert, target.line) for alert in alerts]
