"""A small authorization server: a token endpoint for client credentials (RFC 6749, 4.4), and its keys.

It signs JWTs (RS256) as a real one would, for a broker that checks them with the published key.
"""

import base64
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE, ISSUER, KEY_ID = "kafka", "https://issuer.example", "key-1"
_PACKAGE = "org.apache.kafka.common.security.oauthbearer"


@dataclass(frozen=True)
class Asked:
    """What a client asked with, and what it was answered."""

    client: str
    form: Mapping[str, str]
    status: int


@dataclass
class Issuer:
    """Gives the clients in `secrets` tokens of `lifetime_s`; its keys are published in `directory`.

    With `store`, a file with key and certificate, it speaks TLS. A `failing` that is not 0 is the status of
    every answer; `answer`, if given, is the body of the good ones.
    """

    directory: Path
    secrets: Mapping[str, str]
    lifetime_s: int = 300
    store: Path | None = None
    audience: str = AUDIENCE
    failing: int = 0
    answer: bytes | None = None
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        public = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._keys = self.directory / "jwks.json"
        self._keys.write_text(json.dumps({"keys": [public | {"kid": KEY_ID, "use": "sig", "alg": "RS256"}]}))
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http{'' if self.store is None else 's'}://127.0.0.1:{self._port}/token"

    @property
    def java_options(self) -> str:
        """For a broker's JVM: without it, the broker reads no keys from anywhere."""
        return f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._keys.as_uri()}"

    def broker_properties(
        self, listener: str, session_s: int, validator: str = "Broker"
    ) -> dict[str, object]:
        """Of a broker whose `listener` lets in whoever has a token of ours, under the name of its `sub`.

        Who does not show a token that is still good after `session_s`, or when the last one expired, is
        thrown out.
        """
        own = f"listener.name.{listener.lower()}.oauthbearer."
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
            f"{own}sasl.jaas.config": f"{_PACKAGE}.OAuthBearerLoginModule required ;",
            f"{own}sasl.server.callback.handler.class": f"{_PACKAGE}.OAuthBearerValidatorCallbackHandler",
            f"{own}connections.max.reauth.ms": session_s * 1_000,
            # Kafka 4.1.1's own choice takes tokens that anybody signed
            "sasl.oauthbearer.jwt.validator.class": f"{_PACKAGE}.{validator}JwtValidator",
            "sasl.oauthbearer.jwks.endpoint.url": self._keys.as_uri(),
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.expected.issuer": ISSUER,
        }

    def token(self, client: str) -> str:
        now_s = int(time.time())
        claims = {
            "iss": ISSUER, "aud": self.audience, "sub": client, "iat": now_s, "exp": now_s + self.lifetime_s,
        }  # fmt: skip
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def start(self) -> None:
        """Listen; at the same port as before, if it was stopped."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                status, body = issuer._answered(self.headers.get("Authorization", ""), form)
                self.send_response(status)
                if status // 100 == 3:
                    self.send_header("Location", f"{issuer.url}/elsewhere")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", self._port), Handler)
        if self.store is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.store)
            # each connection shakes hands in its own thread, and not in the one that takes them all
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answered(self, authorization: str, form: str) -> tuple[int, bytes]:
        words = {name: values[0] for name, values in parse_qs(form).items()}
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        client, _, secret = pair.partition(":")
        status, said = 200, b""
        if self.failing:
            status = self.failing
        elif words.get("grant_type") != "client_credentials":
            status, said = 400, b'{"error":"unsupported_grant_type"}'
        elif self.secrets.get(client) != secret:
            status, said = 401, b'{"error":"invalid_client"}'
        else:
            made: dict[str, Any] = {"access_token": self.token(client), "token_type": "Bearer"}
            said = json.dumps(made | {"expires_in": self.lifetime_s}).encode()
        if self.answer is not None:
            said = self.answer
        self.asked.append(Asked(client, words, status))
        return status, said

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that does not trust us, or went away: its own error says so."""
