"""A small HTTP server in place of a schema registry, for answers that no real one can be brought to give.

What it says of known and unknown ids is what Apicurio's and Confluent's say; `tests/kafka` asks a real one.
"""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

UNKNOWN = 404, {"error_code": 40403, "message": "Schema not found"}
#: (status, JSON or bytes), or what writes the whole answer by itself.
Answer = tuple[int, Any] | Callable[[BaseHTTPRequestHandler], None]


class SmallRegistry:
    """Answers by path; of ids that it has no answer for, that they are unknown. `asked` are the paths."""

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.answers: dict[str, Answer] = {"/schemas/types": (200, ["AVRO", "JSON"])}
        self.asked: list[str] = []
        self.posted: list[tuple[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.open_for_business = True
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry._answer(self)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                registry.posted.append((self.path, json.loads(body)))
                registry._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def knows(self, number: int, document: dict[str, Any], **more: Any) -> None:
        self.answers[f"/schemas/ids/{number}"] = 200, {"schema": json.dumps(document), **more}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        self.authorizations.append(request.headers.get("Authorization"))
        answer: Answer = self.answers.get(request.path, UNKNOWN)
        if not self.open_for_business:
            answer = 503, {"error_code": 50003, "message": "not now"}
        if callable(answer):
            answer(request)
            return
        status, content = answer
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
