"""/healthz, /readyz and /metrics over HTTP, in a thread of their own."""

import hmac
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.telling import shown


class HealthServer:
    """Answers until `close`. `restoring` says what is left to restore; empty: nothing, the worker is ready.

    With a `token`, /metrics is for those who bring it; probes bring none. /healthz is 200 as long as the
    process answers: what makes a worker unhealthy ends it.

    Raises `ConfigurationError` if it cannot listen there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        restoring: Callable[[], str],
        token: str = "",
    ) -> None:
        bearer = f"Bearer {token}".encode() if token else b""

        class Handler(BaseHTTPRequestHandler):
            server_version, sys_version = "streamgauge", ""  # whose versions are nobody's business

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/healthz":
                    self._answer(200, b"ok\n")
                elif path == "/readyz":
                    why = restoring()
                    self._answer(503, f"{why}\n".encode()) if why else self._answer(200, b"ready\n")
                elif path == "/metrics" and not self._is_let_in():
                    self._answer(401, b"this wants the token as Authorization: Bearer\n")
                elif path == "/metrics":
                    self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
                else:
                    self._answer(404, b"there are /healthz, /readyz and /metrics\n")

            def _is_let_in(self) -> bool:
                given = self.headers.get("Authorization", "").encode("utf-8", "replace")
                return not bearer or hmac.compare_digest(given, bearer)

            def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes come every few seconds: they are not logged."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {shown(host)}, port {port}, for /healthz and /metrics: {error.strerror}; "
                "STREAMGAUGE_HEALTH_HOST must be an address of this machine, and STREAMGAUGE_HEALTH_PORT one "
                "that no other process has, or 0 for any that is free"
            ) from None
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use, which matters when 0 was asked for."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
