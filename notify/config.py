"""What a notifier is told: targets, routes to them, and the addresses that it may connect to."""

import re
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from streamgauge.clients.addresses import http_parts
from streamgauge.clients.events import Alert
from streamgauge.notify.signing import signing_key
from streamgauge.notify.wording import checked_template
from streamgauge.schemas.durations import parse_duration
from streamgauge.schemas.monitor_fields import Duration, Severity

SECOND_US = 1_000_000
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _url(text: SecretStr) -> SecretStr:
    """Of a URL only the form is looked at here: what its host resolves to is looked at when it is used."""
    url = text.get_secret_value()
    wrong = ValueError("a URL is https:// or http://, a host and a path")  # its text may be secret
    if http_parts(url) is None or not _is_header(url) or " " in url:
        raise wrong
    return text


def _is_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _headers(given: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in given.items():
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII):  # which may be all of `Authorization: …`
            raise ValueError("the name of a header has letters, digits and hyphens, and no value")
        if not _is_header(value.get_secret_value()):
            raise ValueError(f"{name}: a header is printable ASCII")
    return given


def _several(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


Url = Annotated[SecretStr, AfterValidator(_url)]
Headers = Annotated[dict[str, SecretStr], AfterValidator(_headers)]
Mailbox = Annotated[str, Field(pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$", max_length=254)]
Template = Annotated[str, Field(max_length=2_000), AfterValidator(checked_template)]
#: One value or a list; `*` and `?` stand for any characters and any one.
Globs = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], BeforeValidator(_several)]


class Target(_Document):
    """Where notifications go. `expire`: after so long without success a notification is given up."""

    #: Whether one notification tells several alerts, for people, or each transition goes by itself.
    grouped: ClassVar[bool] = False
    #: What may be sent there: the steps of alerts, or retrain requests.
    takes: ClassVar[frozenset[str]] = frozenset({"alerts"})

    expire: Duration = 86_400 * SECOND_US


class AlertmanagerTarget(Target):
    """Alertmanager's API v2. Open alerts come again every `resend`, and end 15 times that after the last."""

    kind: Literal["alertmanager"]
    url: Url
    headers: Headers = {}
    resend: Duration = 60 * SECOND_US


class WebhookTarget(Target):
    """Any HTTP endpoint, signed by the Standard Webhooks scheme with `secret` (``whsec_`` and base64)."""

    takes = frozenset({"alerts", "requests"})

    kind: Literal["webhook"]
    url: Url
    secret: SecretStr
    headers: Headers = {}

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, secret: SecretStr) -> SecretStr:
        signing_key(secret.get_secret_value())
        return secret


class PagerDutyTarget(Target):
    """PagerDuty's Events API v2; `url` is another for accounts in the EU."""

    kind: Literal["pagerduty"]
    routing_key: SecretStr
    url: Url = SecretStr("https://events.pagerduty.com/v2/enqueue")


class TextTarget(Target):
    """For people: `title` and one `line` for each transition, by `wording`."""

    grouped = True

    title: Template = "$title"
    line: Template = "$line"


class SlackTarget(TextTarget):
    """A Slack incoming webhook."""

    kind: Literal["slack"]
    url: Url


class EmailTarget(TextTarget):
    """Mail by SMTP."""

    kind: Literal["email"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str = ""
    password: SecretStr = SecretStr("")
    sender: Mailbox
    to: Annotated[tuple[Mailbox, ...], Field(min_length=1)]


class AppriseTarget(TextTarget):
    """Any service that Apprise knows, by its URL."""

    kind: Literal["apprise"]
    url: SecretStr


KINDS: dict[str, type[Target]] = {
    "alertmanager": AlertmanagerTarget,
    "webhook": WebhookTarget,
    "pagerduty": PagerDutyTarget,
    "slack": SlackTarget,
    "email": EmailTarget,
    "apprise": AppriseTarget,
}


_MATCHED = ("model", "version", "monitor", "severity", "route")


class Match(_Document):
    """Which alerts: all that is given must fit. `segment` is by key; `{}` there fits every segment.

    `route` is the routing key that the alert's definition gives.
    """

    model: Globs | None = None
    version: Globs | None = None
    monitor: Globs | None = None
    severity: Annotated[tuple[Severity, ...], BeforeValidator(_several)] | None = None
    route: Globs | None = None
    segment: dict[str, Globs] = {}

    def fits(self, alert: Alert) -> bool:
        """Whether the route is this alert's."""
        wanted = [(name, getattr(self, name)) for name in _MATCHED]
        pairs = [(getattr(alert, name), globs) for name, globs in wanted if globs is not None]
        pairs += [(alert.segment.get(key), globs) for key, globs in self.segment.items()]
        return all(
            value is not None and any(fnmatchcase(value, glob) for glob in globs) for value, globs in pairs
        )


class Route(_Document):
    """The first route that fits is taken; with `continue`, those after it are tried too.

    For targets that people read: a group's first notification waits `group_wait`, later ones are
    `group_interval` apart; with `digest`, there is one in every such time instead, by the UTC clock.
    """

    match: Match = Match()
    to: Annotated[tuple[Name, ...], BeforeValidator(_several), Field(min_length=1)]
    continue_: bool = Field(False, alias="continue")
    group_by: tuple[Literal["model", "version", "monitor", "severity", "segment"], ...] = ("model",)
    group_wait: Annotated[int, BeforeValidator(parse_duration), Field(ge=0)] = 30 * SECOND_US
    group_interval: Duration = 300 * SECOND_US
    digest: Duration | None = None


class HandOver(_Document):
    """Which system trains which models: the first entry that fits a retrain request takes it, alone.

    With `accept`, the request is answered `accepted` once it is handed over, for jobs that do not say so.
    """

    model: Globs = ("*",)
    to: Name
    accept: bool = True

    def fits(self, model: str) -> bool:
        """Whether requests of this model go there."""
        return any(fnmatchcase(model, glob) for glob in self.model)


class NotifierConfig(_Document):
    """A whole configuration. `allow`: hosts, addresses and networks beyond the public ones.

    `routes` are of alerts, `retrain` is of retrain requests; there is one of the two at least.
    """

    allow: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    targets: Annotated[dict[Name, Any], Field(min_length=1, max_length=50)]
    routes: Annotated[tuple[Route, ...], Field(max_length=200)] = ()
    retrain: Annotated[tuple[HandOver, ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if not self.routes and not self.retrain:
            raise ValueError("give `routes`, for alerts, or `retrain`, for retrain requests")
        return self

    @field_validator("allow")
    @classmethod
    def _are_hosts_or_networks(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        for entry in allow:
            if "/" in entry:
                ip_network(entry)  # ValueError says what is wrong with it
        return allow
