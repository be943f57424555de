"""A retrain request as GitHub's `repository_dispatch` event, which starts workflows, within GitHub's limits.

https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event
"""

import json
from typing import Any

from streamgauge.clients.events import RetrainRequest
from streamgauge.notify.config_hooks import GitHubTarget
from streamgauge.notify.http import Request, json_request

PATH = "/repos/{repository}/dispatches"
API_VERSION = "2022-11-28"
#: Of a payload, in bytes.
LIMIT = 64_000
#: What a request can do without, in this order, where there is too much of it.
_LISTS = ("reasons", "segments", "features")


def document(request: RetrainRequest, event: str) -> dict[str, Any]:
    """The body. The payload has one property, for GitHub takes ten; long lists are cut until it fits.

    `cut` names the lists that are not whole; the topic has them.
    """
    record, cut = dict(request.record), set()
    while _size(record) > LIMIT and any(record.get(name) for name in _LISTS):
        name = max(_LISTS, key=lambda each: _size(record.get(each)))
        record[name] = record[name][: len(record[name]) // 2]
        cut.add(name)
    payload = {"request": record} | ({"cut": sorted(cut)} if cut else {})
    return {"event_type": event, "client_payload": payload}


def dispatch(target: GitHubTarget, request: RetrainRequest) -> Request:
    """The HTTP request."""
    url = target.url.get_secret_value().rstrip("/") + PATH.format(repository=target.repository)
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {target.token.get_secret_value()}",
        "X-GitHub-Api-Version": API_VERSION,
    }
    return json_request(url, document(request, target.event), headers)


def _size(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":")).encode())
