"""A token from an authorization server, asked for once: in a bounded time, with an answer of bounded size.

librdkafka gets its own. This is for the worker's other Kafka client, and for saying in words, before
librdkafka begins to try, why there is none to be had.
"""

import base64
import json
import re
import ssl
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from streamgauge.clients.token_endpoint import TokenEndpoint
from streamgauge.schemas.errors import AdvisedError

#: How long an authorization server may take.
TOKEN_S = 5.0
_ANSWER_BYTES = 65_536
#: Of a token's life, as librdkafka: later it is time for the next one.
_RENEWED_AT = 0.8
_JWT_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)

_WHERE = "check STREAMGAUGE_SASL_TOKEN_URL, and that the authorization server runs"
_WHO = "check STREAMGAUGE_SASL_USERNAME and STREAMGAUGE_SASL_PASSWORD, which are the client's id and secret"
_NO_ENDPOINT = "STREAMGAUGE_SASL_TOKEN_URL must be the token endpoint, as the authorization server names it"
_TLS = "check STREAMGAUGE_SASL_TOKEN_CA_LOCATION, the authorities that sign for the authorization server"
_CLOCK = "keep clocks in time (chrony, systemd-timesyncd): this machine's may be ahead"
_JWT = "let the authorization server give this client JWTs with sub and exp: brokers want them"
#: What is wrong, by the error that the server names (RFC 6749, section 5.2).
_ADVICE = {
    "invalid_client": _WHO,
    "unauthorized_client": "allow this client the grant type client_credentials at the authorization server",
    "unsupported_grant_type": "the authorization server must support the grant type client_credentials",
    "invalid_scope": "check STREAMGAUGE_SASL_TOKEN_SCOPE: it must be one that this client may ask for",
}


class TokenError(AdvisedError):
    """No token: `cause` is what came of asking, `advice` what to do. Neither holds anything secret."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token (a JWT), whom it is for, and when to get the next one; seconds since the epoch."""

    value: str = field(repr=False)
    subject: str
    audience: tuple[str, ...]
    expires_s: float
    renew_s: float


def request_token(endpoint: TokenEndpoint, timeout_s: float = TOKEN_S) -> Token:
    """A new token. Raises `TokenError`, after `timeout_s` at the latest."""
    outcome: Future[Token] = Future()

    def ask() -> None:
        try:
            outcome.set_result(_asked(endpoint, timeout_s))
        except BaseException as error:  # noqa: BLE001 - whoever waits is to have it
            outcome.set_exception(error)

    # a thread, for nothing else bounds the looking up of a name, or an answer that comes byte by byte
    Thread(target=ask, name="token", daemon=True).start()
    try:
        return outcome.result(timeout_s)
    except TimeoutError:
        raise TokenError(
            f"no token: {endpoint.shown} does not answer within {timeout_s:.0f} s", _WHERE
        ) from None


def _asked(endpoint: TokenEndpoint, timeout_s: float) -> Token:
    pair = base64.b64encode(f"{endpoint.client}:{endpoint.secret}".encode()).decode()
    words = {"grant_type": "client_credentials"} | ({"scope": endpoint.scope} if endpoint.scope else {})
    headers = {"Authorization": f"Basic {pair}", "Accept": "application/json"}
    request = Request(endpoint.url, urlencode(words).encode(), headers, method="POST")
    try:
        with _opener(endpoint).open(request, timeout=timeout_s) as answer:
            said = answer.read(_ANSWER_BYTES)
    except HTTPError as error:
        with error:
            raise _refusal(endpoint, error) from None
    except (OSError, HTTPException) as error:  # a URLError is an OSError
        reason = error.reason if isinstance(error, URLError) else error
        advice = _TLS if isinstance(reason, ssl.SSLError) else _WHERE
        raise TokenError(f"no token: {endpoint.shown} does not answer: {_in_words(reason)}", advice) from None
    return _read(endpoint, said, time.time())


def _opener(endpoint: TokenEndpoint) -> OpenerDirector:
    try:
        context = ssl.create_default_context(cafile=endpoint.trusted or None)
    except OSError:  # an SSLError is one
        raise TokenError(f"no token: {endpoint.trusted} holds no certificates", _TLS) from None
    return build_opener(_NoRedirect, HTTPSHandler(context=context))


class _NoRedirect(HTTPRedirectHandler):
    """The secret goes where the settings say, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _refusal(endpoint: TokenEndpoint, error: HTTPError) -> TokenError:
    named = ""
    try:
        document = json.loads(error.read(_ANSWER_BYTES))
        named = str(document["error"]) if isinstance(document, dict) else ""
    except (OSError, HTTPException, ValueError, KeyError):
        pass
    if not re.fullmatch(r"[a-z_]{1,40}", named):  # anything else may be anything
        named = ""
    cause = f"no token: {endpoint.shown} answers {error.code}{' ' * bool(named)}{named}"
    if named in _ADVICE:
        return TokenError(cause, _ADVICE[named])
    if error.code in (401, 403):
        return TokenError(cause, _WHO)
    if error.code >= 500 or error.code == 429:
        return TokenError(cause, "try again later, or look at the authorization server")
    return TokenError(cause, _NO_ENDPOINT)


def _read(endpoint: TokenEndpoint, said: bytes, now_s: float) -> Token:
    """The token in an answer. What it says is not proved here, but by the broker."""
    try:
        value = json.loads(said)["access_token"]
    except (ValueError, KeyError, TypeError):
        raise TokenError(f"no token: {endpoint.shown} answers without one", _NO_ENDPOINT) from None
    claims = _claims(value)
    subject, expires_s, audience = claims.get("sub"), claims.get("exp"), claims.get("aud")
    if not (isinstance(subject, str) and subject and isinstance(expires_s, int | float)):
        raise TokenError(f"no token: {endpoint.shown} gives one that is no JWT with sub and exp", _JWT)
    left_s = expires_s - now_s
    if not left_s > 0:
        raise TokenError(f"no token: {endpoint.shown} gives one that expired {-left_s:.0f} s ago", _CLOCK)
    named = audience if isinstance(audience, list) else [audience] if audience else []
    return Token(value, subject, tuple(map(str, named)), expires_s, now_s + _RENEWED_AT * left_s)


def _claims(value: object) -> dict[str, Any]:
    """What a JWT says; empty for what is none.

    >>> _claims("e30.eyJzdWIiOiJhIn0.sig"), _claims("opaque"), _claims("a.b.c")
    ({'sub': 'a'}, {}, {})
    """
    if not (isinstance(value, str) and _JWT_FORM.fullmatch(value)):
        return {}
    part = value.split(".")[1]
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:  # of base64, UTF-8 or JSON
        return {}
    return found if isinstance(found, dict) else {}


def _in_words(reason: Any) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({reason.verify_message})"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__
