"""From a target's kind to what hands retrain requests to it: a table of functions, each one attempt."""

from collections.abc import Callable

from streamgauge.clients.events import RetrainRequest
from streamgauge.notify import airflow, github
from streamgauge.notify.addresses import Allowed
from streamgauge.notify.command import run
from streamgauge.notify.config import Target, WebhookTarget
from streamgauge.notify.config_hooks import AirflowTarget, ArgoEventsTarget, CommandTarget, GitHubTarget
from streamgauge.notify.core.outcomes import Outcome
from streamgauge.notify.hiding import secrets_of
from streamgauge.notify.http import Request, json_request, post
from streamgauge.notify.signing import signed
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.message import RETRAIN_REQUESTS, Output

Hand = Callable[[RetrainRequest, int], Outcome]
#: Argo Events answers 400 to whatever it cannot do at the moment.
_ARGO_RETRIED = frozenset([400])


def hook(target: Target, allowed: Allowed) -> Hand:
    """What hands a request over, at a time in microseconds. Raises TypeError for what takes none."""
    secrets = secrets_of(target)
    match target:
        case AirflowTarget():
            return lambda request, _: airflow.trigger(target, request, allowed)
        case GitHubTarget():
            return lambda request, _: post(github.dispatch(target, request), allowed, secrets)
        case ArgoEventsTarget():
            return lambda request, _: post(cloud_event(target, request), allowed, secrets)
        case WebhookTarget():
            return lambda request, now_us: post(webhook_request(target, request, now_us), allowed, secrets)
        case CommandTarget():
            return lambda request, _: run(target, request)
    raise TypeError(f"{type(target).__name__} takes no retrain requests")


def webhook_request(target: WebhookTarget, request: RetrainRequest, now_us: int) -> Request:
    """The record as it is in the topic, in the envelope that Standard Webhooks recommends, signed."""
    record = dict(request.record)
    document = {"type": "retrain.requested", "timestamp": record["time"], "data": record}
    made = json_request(target.url.get_secret_value(), document)
    given = {name: value.get_secret_value() for name, value in target.headers.items()}
    signature = signed(request.event_id, now_us // 1_000_000, made.body, target.secret.get_secret_value())
    return Request(made.url, made.body, {**made.headers, **given, **signature})


def cloud_event(target: ArgoEventsTarget, request: RetrainRequest) -> Request:
    """A CloudEvent in HTTP's binary mode, with the attributes and the value that it has in the topic."""
    output = Output(RETRAIN_REQUESTS, request.model.encode(), dict(request.record))
    body, attributes = encode_output(output)
    headers = {
        name.replace("_", "-"): text.decode().replace("%", "%25")  # as CloudEvents over HTTP wants it
        for name, text in attributes
    }
    token = target.token.get_secret_value()
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    return Request(target.url.get_secret_value(), body, headers, retried=_ARGO_RETRIED)
