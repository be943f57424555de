"""A retrain request as a run of an Airflow DAG, by the REST API v2: one run for each attempt.

https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

import hashlib
import json
import re
from typing import Any

from streamgauge.clients.events import RetrainRequest
from streamgauge.notify.addresses import Allowed
from streamgauge.notify.config_hooks import AirflowTarget
from streamgauge.notify.core.outcomes import Outcome, Result, of_status
from streamgauge.notify.hiding import hide, secrets_of
from streamgauge.notify.http import Request, exchange, json_request, post

PATH = "/api/v2/dags/{dag}/dagRuns"
TOKEN_PATH = "/auth/token"
#: Airflow's default `allowed_run_id_pattern`, and what its database takes.
_ALLOWED = re.compile(r"[A-Za-z0-9_.~:+-]{1,250}")
_NOTE, _TOKEN_BYTES = 1_000, 16_384
#: 409: there is a run of this id. 400: the DAG cannot be run as it is now, for it has import errors.
_TAKEN, _RETRIED = frozenset([409]), frozenset([400])


def run_id(request: RetrainRequest) -> str:
    """The same for the same attempt, so that Airflow itself knows a repeat.

    >>> from streamgauge.notify.trial import sample_request
    >>> run_id(sample_request(1_795_255_200_000_000))
    'streamgauge:test:1:1795255200:1'
    """
    found = f"streamgauge:{request.event_id}"
    if _ALLOWED.fullmatch(found):
        return found
    return f"streamgauge:{hashlib.sha256(request.event_id.encode()).hexdigest()}"


def document(request: RetrainRequest) -> dict[str, Any]:
    """The body: `conf` is the request as it is in the topic."""
    reasons = ", ".join(dict.fromkeys(str(reason.get("monitor")) for reason in request.reasons))
    note = f"{request.model} {request.version}: {reasons or 'asked for'}"
    return {
        "dag_run_id": run_id(request),
        "logical_date": None,
        "conf": dict(request.record),
        "note": note[:_NOTE],
    }


def trigger(target: AirflowTarget, request: RetrainRequest, allowed: Allowed) -> Outcome:
    """One attempt to start the run."""
    base = target.url.get_secret_value().rstrip("/")
    headers = {name: value.get_secret_value() for name, value in target.headers.items()}
    if target.username:
        token = _token(target, base, allowed)
        if isinstance(token, Outcome):
            return token
        headers["Authorization"] = f"Bearer {token}"
    made = json_request(base + PATH.format(dag=target.dag), document(request), headers)
    return post(Request(made.url, made.body, made.headers, _TAKEN, _RETRIED), allowed, secrets_of(target))


def _token(target: AirflowTarget, base: str, allowed: Allowed) -> str | Outcome:
    """A token by name and password; tokens end after a day, and requests are seldom: each has its own."""
    login = {"username": target.username, "password": target.password.get_secret_value()}
    answer = exchange(json_request(base + TOKEN_PATH, login), allowed, _TOKEN_BYTES)
    if isinstance(answer, Outcome):
        return answer
    try:
        token = json.loads(answer.text)["access_token"]
    except (ValueError, KeyError, TypeError):
        said = hide(answer.text, secrets_of(target))
        reason = of_status(answer.status, said).reason or "no token in the answer"
        return Outcome(Result.FAILED, f"{TOKEN_PATH}: {reason}", answer.pause_us)
    return str(token)
