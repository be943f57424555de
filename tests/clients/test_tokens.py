"""Asking for a token: what goes to the authorization server, and what is said when none comes back."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from streamgauge.clients.token_endpoint import TokenEndpoint
from streamgauge.clients.tokens import TokenError, request_token
from streamgauge.schemas.errors import ConfigurationError
from tests.certificates import Certificates
from tests.token_issuer import Asked, Issuer

SECRET = "canary-71c2/+:é"


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with Issuer(tmp_path, {"app": SECRET}, lifetime_s=100) as running:
        yield running


def endpoint(issuer: Issuer, secret: str = SECRET, **more: str) -> TokenEndpoint:
    return TokenEndpoint(issuer.url, "app", secret, **more)


def refusal(asked: TokenEndpoint, timeout_s: float = 5.0) -> str:
    with pytest.raises(TokenError) as caught:
        request_token(asked, timeout_s)
    said = str(caught.value)
    assert "canary" not in said
    assert "eyJ" not in said  # how every JWT begins
    return said


def test_a_token_is_got_with_the_client_s_id_secret_and_scope(issuer: Issuer) -> None:
    token = request_token(endpoint(issuer, scope="kafka:read & write"))
    assert issuer.asked == [
        Asked("app", {"grant_type": "client_credentials", "scope": "kafka:read & write"}, 200)
    ]
    assert (token.subject, token.audience) == ("app", ("kafka",))
    assert 95 < token.expires_s - time.time() <= 100
    assert token.renew_s - time.time() == pytest.approx(80, abs=3)
    assert token.value not in repr(token)


def test_the_authorization_server_must_be_one_that_is_trusted(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path, "unused")
    with Issuer(tmp_path, {"app": SECRET}, store=certificates.server("issuer")) as issuer:
        assert request_token(endpoint(issuer, ca_location=str(certificates.ca))).subject == "app"
        assert "its certificate is refused (" in refusal(endpoint(issuer))
        (tmp_path / "other").mkdir()
        other = Certificates(tmp_path / "other", "unused")
        said = refusal(endpoint(issuer, ca_location=str(other.ca)))
    assert "check STREAMGAUGE_SASL_TOKEN_CA_LOCATION" in said
    assert "holds no certificates" in refusal(endpoint(issuer, ca_location=__file__))


def test_a_wrong_secret_is_told_with_what_to_check(issuer: Issuer) -> None:
    said = refusal(endpoint(issuer, secret="canary-other"))
    assert "answers 401 invalid_client; check STREAMGAUGE_SASL_USERNAME and" in said


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (400, b'{"error":"invalid_scope"}', "400 invalid_scope; check STREAMGAUGE_SASL_TOKEN_SCOPE"),
        (400, b'{"error":"unauthorized_client"}', "allow this client the grant type client_credentials"),
        (400, b'{"error":"canary-71c2 is wrong"}', "answers 400; STREAMGAUGE_SASL_TOKEN_URL must be"),
        (403, b"[]", "answers 403; check STREAMGAUGE_SASL_USERNAME"),
        (404, b"<html>", "answers 404; STREAMGAUGE_SASL_TOKEN_URL must be the token endpoint"),
        (302, b"", "answers 302; STREAMGAUGE_SASL_TOKEN_URL must be the token endpoint"),
        (429, b"", "answers 429; try again later"),
        (503, b"", "answers 503; try again later, or look at the authorization server"),
        (0, b"<html>canary</html>", "answers without one; STREAMGAUGE_SASL_TOKEN_URL must be"),
        (0, b'{"id_token":"a.b.c"}', "answers without one"),
        (0, b'["canary"]', "answers without one"),
        (0, b'{"access_token":"canary-opaque"}', "is no JWT with sub and exp"),
        (0, b'{"access_token":7}', "is no JWT with sub and exp"),
        (0, b'{"access_token":"a.\xff.c"}', "answers without one"),
        (0, b'{"access_token":"e30.W10.c"}', "is no JWT with sub and exp"),
        (0, b"x" * 1_000_000, "answers without one"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_an_authorization_server_answers_instead_is_told(
    issuer: Issuer, status: int, answer: bytes, says: str
) -> None:
    issuer.failing, issuer.answer = status, answer
    assert says in refusal(endpoint(issuer))
    assert len(issuer.asked) == 1  # a redirect is not followed: the secret stays here


@pytest.mark.parametrize(
    "claims", [{"exp": 1e10}, {"sub": "", "exp": 1e10}, {"sub": "a"}, {"sub": "a", "exp": ""}]
)
def test_a_token_without_a_subject_or_an_end_is_refused(issuer: Issuer, claims: dict[str, object]) -> None:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    issuer.answer = json.dumps({"access_token": f"e30.{part}.c2ln"}).encode()
    assert "is no JWT with sub and exp; let the authorization server" in refusal(endpoint(issuer))


def test_a_token_that_has_expired_points_at_the_clocks(issuer: Issuer) -> None:
    issuer.lifetime_s = -50
    said = refusal(endpoint(issuer))
    assert "gives one that expired 5" in said
    assert "keep clocks in time" in said


def test_an_authorization_server_that_is_away_is_told(issuer: Issuer) -> None:
    issuer.stop()
    said = refusal(endpoint(issuer))
    assert f"no token: {issuer.url} does not answer: Connection refused; check STREAMGAUGE_SASL_TOKEN" in said


def test_a_name_that_leads_nowhere_is_told() -> None:
    assert "does not answer" in refusal(TokenEndpoint("https://nowhere.invalid/token", "app", SECRET))


@pytest.mark.parametrize(
    "says", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "]
)
def test_an_answer_that_never_ends_is_not_waited_for(says: bytes) -> None:
    ended = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(says)
                while says and not ended.wait(0.05):
                    client.sendall(b" ")
                ended.wait(10)

        thread = Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/token"
        began = time.monotonic()
        try:
            said = refusal(TokenEndpoint(url, "app", SECRET), timeout_s=1.0)
        finally:
            ended.set()
            thread.join()
    assert time.monotonic() - began < 3
    assert "does not answer" in said


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": "login.example/token"}, "write https://"),
        ({"url": "ftp://login.example/token"}, "write https://"),
        ({"url": "https:///token"}, "write https://"),
        ({"url": "https://login.example:x/"}, "write https://"),
        ({"url": "https://app:canary@login.example/"}, "write https://"),
        ({"url": "https://login.example/to ken"}, "write https://"),
        ({"url": "http://login.example/token"}, "only https keeps the client's secret"),
        ({"url": "http://127.0.0.1.example/token"}, "only https"),
        ({"ca_location": "/no/such/file"}, "STREAMGAUGE_SASL_TOKEN_CA_LOCATION: there is no file"),
        ({"extensions": "logicalCluster"}, "STREAMGAUGE_SASL_EXTENSIONS: write name=value"),
        ({"extensions": "auth=mine"}, "and is not auth"),
        ({"extensions": "a=b,,c=d"}, "write name=value"),
        ({"extensions": "a=b\x01auth=Bearer x"}, "write name=value"),
    ],
    ids=repr,
)
def test_what_cannot_be_an_endpoint_is_told(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        TokenEndpoint(**({"url": "https://login.example/", "client": "app", "secret": SECRET} | given))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "127.9.9.9", "[::1]:80"])
def test_this_machine_s_own_addresses_need_no_tls(host: str) -> None:
    assert TokenEndpoint(f"http://{host}/token", "app", SECRET).librdkafka().get("https.ca.location") is None
