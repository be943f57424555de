"""One POST to one target: to a checked address, without redirects, within a time, with a bounded answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from streamgauge.notify.addresses import Allowed, ForbiddenAddressError
from streamgauge.notify.core.outcomes import Outcome, Result, of_status
from streamgauge.notify.hiding import hide

TIMEOUT_S = 10.0
_ANSWER_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Request:
    """What to post. The URL and the headers may hold secrets: neither is ever logged.

    `taken` are statuses by which the target says that it has this already, `retried` those that mean the
    moment and not the message, whatever they mean elsewhere.
    """

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    taken: frozenset[int] = frozenset()
    retried: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target answered; `text` is the beginning of it, `pause_us` what it asks for."""

    status: int
    text: str
    pause_us: int


def json_request(url: str, document: object, headers: Mapping[str, str] | None = None) -> Request:
    """A request whose body is JSON."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Request(url, body, {"Content-Type": "application/json", **(headers or {})})


def post(request: Request, allowed: Allowed, secrets: Sequence[str]) -> Outcome:
    """Send it once, and say what came of it, without the target's secrets."""
    answer = exchange(request, allowed)
    if isinstance(answer, Outcome):
        return answer
    found = of_status(answer.status, hide(answer.text, secrets), answer.pause_us)
    if answer.status in request.taken:
        return Outcome(Result.DELIVERED, found.reason)
    if answer.status in request.retried:
        return Outcome(Result.FAILED, found.reason, found.pause_us)
    return found


def exchange(request: Request, allowed: Allowed, answer_bytes: int = 0) -> Answer | Outcome:
    """Send it once, to the first of the host's addresses that takes a connection; why not, if none answers.

    Of the answer what comes first is read, or up to `answer_bytes`.
    """
    parts = urlsplit(request.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = allowed.resolve(host, port)
    except ForbiddenAddressError as error:
        return Outcome(Result.FAILED, str(error))
    except OSError as error:
        return Outcome(Result.FAILED, f"{host}: {error}")
    for address in addresses:
        try:
            with _pool(parts.scheme, host, address, port) as pool:
                return _attempt(pool, parts, request, answer_bytes)
        except (NewConnectionError, ConnectTimeoutError):
            continue  # nothing was sent
        except (HTTPError, OSError, ValueError) as error:  # ValueError: what no header can hold
            return Outcome(Result.FAILED, f"{type(error).__name__}: no answer from {host}:{port}")
    return Outcome(Result.FAILED, f"no connection to {host}:{port}")


def _pool(scheme: str, host: str, address: str, port: int) -> urllib3.HTTPConnectionPool:
    """Connects to the address that was looked at; a certificate must be the host's."""
    timeout = urllib3.Timeout(connect=TIMEOUT_S, read=TIMEOUT_S)
    if scheme == "https":
        return urllib3.HTTPSConnectionPool(
            address, port, timeout=timeout, retries=False, server_hostname=host, assert_hostname=host
        )
    return urllib3.HTTPConnectionPool(address, port, timeout=timeout, retries=False)


def _attempt(
    pool: urllib3.HTTPConnectionPool, parts: SplitResult, request: Request, answer_bytes: int
) -> Answer:
    headers = dict(request.headers)
    headers |= {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "streamgauge-notifier"}
    if parts.username is not None:
        user, password = unquote(parts.username), unquote(parts.password or "")
        headers |= urllib3.make_headers(basic_auth=f"{user}:{password}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    answer = pool.urlopen(
        "POST", path, request.body, headers,
        redirect=False, preload_content=False, assert_same_host=False, decode_content=False,
    )  # fmt: skip
    # once, unless all is asked for: an endless answer is not waited for
    said = answer.read(answer_bytes) if answer_bytes else answer.read1(_ANSWER_BYTES)
    pause_us = _retry_after_us(answer.headers.get("Retry-After", ""))
    answer.close()
    return Answer(answer.status, said.decode(errors="replace"), pause_us)


def _retry_after_us(text: str) -> int:
    """Of a Retry-After header, in seconds or as a date; 0 for any other.

    >>> _retry_after_us("7"), _retry_after_us("soon"), _retry_after_us("Wed, 21 Oct 2015 07:28:00 GMT")
    (7000000, 0, 0)
    >>> _retry_after_us("Wed, 21 Oct 99999999999 07:28:00 GMT")
    0
    """
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1_000_000
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0
    seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0, round(seconds * 1_000_000))
