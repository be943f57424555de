"""Targets that take retrain requests: systems that run training jobs."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr

from streamgauge.notify.config import SECOND_US, Headers, Target, Url
from streamgauge.schemas.monitor_fields import Duration


def _value(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("a variable of the environment holds no NUL")
    return value


#: Variables by name.
Environment = dict[
    Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Annotated[SecretStr, AfterValidator(_value)]
]


class Hook(Target):
    """A target of retrain requests. One that cannot be handed over is tried until it expires."""

    takes: ClassVar[frozenset[str]] = frozenset({"requests"})


class AirflowTarget(Hook):
    """A run of `dag` by Airflow's REST API v2. With `username`, a token is fetched for each run."""

    kind: Literal["airflow"]
    url: Url
    dag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,250}$")]
    username: str = ""
    password: SecretStr = SecretStr("")
    headers: Headers = Field({})


class GitHubTarget(Hook):
    """A `repository_dispatch` event; `url` is another for GitHub Enterprise Server."""

    kind: Literal["github"]
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", max_length=200)]
    token: SecretStr
    event: Annotated[str, Field(min_length=1, max_length=100)] = "retrain"
    url: Url = SecretStr("https://api.github.com")


class ArgoEventsTarget(Hook):
    """A webhook event source of Argo Events, to which a request is a CloudEvent."""

    kind: Literal["argo-events"]
    url: Url
    token: SecretStr = SecretStr("")


class CommandTarget(Hook):
    """A command: no shell, the request as JSON on its standard input. It hands over; it does not train.

    Of the notifier's own environment, which holds passwords, it gets little; `environment` says what more.
    """

    kind: Literal["command"]
    argv: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    environment: Environment = Field({})
    timeout: Duration = 60 * SECOND_US


HOOKS: dict[str, type[Target]] = {
    "airflow": AirflowTarget,
    "github": GitHubTarget,
    "argo-events": ArgoEventsTarget,
    "command": CommandTarget,
}
