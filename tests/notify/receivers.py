"""Real servers that notifications go to: HTTP in threads, with answers that a test chooses."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """An HTTP server on loopback. `answers` come first, then `status`; while `hold` is clear it is silent.

    Its answers say ``ok``, unless there are `bodies`.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.answered: int | None = None
        self.hold = threading.Event()
        self.hold.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append((self.path, headers, body))
                receiver.hold.wait(60)
                status, extra = receiver.answers.pop(0) if receiver.answers else (receiver.status, {})
                receiver.answered = status
                self.send_response(status)
                said = b"" if status == 204 else receiver.bodies.pop(0) if receiver.bodies else b"ok"
                for name, value in {"Content-Length": str(len(said)), **extra}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None:
                """Tests are quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/in?a=b"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def documents(self) -> list[Any]:
        """The bodies, as JSON."""
        return [json.loads(body) for _, _, body in list(self.requests)]

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """One that is closed afterwards."""
    made = Receiver(tls)
    try:
        yield made
    finally:
        made.close()
