"""What a schema registry says of the ids in messages with Confluent framing, and where it is none.

It is asked over the REST interface that Confluent's, Apicurio's, Karapace and Redpanda's registries share.
"""

import base64
import http.client
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.schemas.errors import AdvisedError, BadEvent, ConfigurationError, Reason
from streamgauge.schemas.foreign import foreign_schema
from streamgauge.schemas.framing import check_depth
from streamgauge.schemas.registry import Schema

#: Of an answer. A schema with a thousand features of its own has 100 kB.
MOST_BYTES = 256 << 10
_DEPTH = 32
#: Until the connection stands, and until more of the answer comes; and until all of it is there.
_PATIENCE_S, _DEADLINE_S = 5.0, 10.0
_CONTENT = "application/vnd.schemaregistry.v1+json"
#: With HTTP 404, that nobody has registered this id. Others who answer 404, a proxy say, have no such code.
_UNKNOWN = 40403
#: That there is no such subject, or that it has no such schema.
_NOT_REGISTERED = (40401, _UNKNOWN)
_START = "start it, or set STREAMGAUGE_SCHEMA_REGISTRY_URL to where it is"
_ADDRESS = "check STREAMGAUGE_SCHEMA_REGISTRY_URL: a path may belong to it, as /apis/ccompat/v7 to Apicurio's"
_CREDENTIALS = "check STREAMGAUGE_SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO, and what that user may do"
_TLS = "check STREAMGAUGE_SCHEMA_REGISTRY_SSL_CA_LOCATION, and that the port is that of TLS"


class RegistryError(AdvisedError):
    """The registry is away, refuses the credentials, or is none: what it would say is not known."""

    def __init__(self, url: str, cause: str, advice: str) -> None:
        super().__init__(cause, advice, where=f"the schema registry at {url} ")


class Found(NamedTuple):
    """What an id stands for: the writer's schema, or why what it wrote is refused; `size` bytes were read.

    An id that nobody has registered may be registered later: that is not `final`.
    """

    schema: Schema | BadEvent
    size: int = 0
    final: bool = True


def fetch(registry: SchemaRegistry, number: int) -> Found:
    """What is registered under an id, for ever. Blocks for some 10 s at most. Raises `RegistryError`."""
    status, body = _exchange(registry, "GET", f"/schemas/ids/{number}")
    if status == 200 and len(body) > MOST_BYTES:
        detail = f"schema id {number} is longer than {MOST_BYTES} bytes"
        return Found(BadEvent(Reason.UNKNOWN_SCHEMA, detail), len(detail))
    answer = _parsed(body)
    if status == 404 and answer.get("error_code") == _UNKNOWN:
        detail = f"schema id {number} is not known to the schema registry at {registry.url}"
        return Found(BadEvent(Reason.UNKNOWN_SCHEMA, detail), final=False)
    if status != 200 or not isinstance(answer.get("schema"), str):
        raise _refusal(registry, status)
    return Found(_taken(number, answer), len(body))


def registered(registry: SchemaRegistry, subject: str, schema: Schema, create: bool) -> int:
    """The id of our schema under a subject, where it is registered now if it may be (`create`).

    Raises `RegistryError`, and `ConfigurationError` if it may not be, or the registry does not want it.
    """
    path = f"/subjects/{quote(subject, safe='')}" + ("/versions" if create else "")
    status, body = _exchange(registry, "POST", path, {"schema": json.dumps(schema.document)})
    answer = _parsed(body)
    if status == 200 and isinstance(answer.get("id"), int):
        return int(answer["id"])
    file = f"schemas/avro/{schema.name}.avsc"
    if status == 404 and answer.get("error_code") in _NOT_REGISTERED:
        raise ConfigurationError(
            f"{subject} has not our schema at {registry.url}: register {file} there, or let the worker do it "
            "with STREAMGAUGE_SCHEMA_REGISTRY_AUTO_REGISTER_SCHEMAS=true"
        )
    if status in (409, 422):
        raise ConfigurationError(
            f"the schema registry at {registry.url} does not take {file} for {subject}: "
            f"{str(answer.get('message'))[:500]}; BACKWARD compatibility is what our schemas keep to"
        )
    raise _refusal(registry, status)


def check(registry: SchemaRegistry) -> None:
    """Raises `RegistryError` unless there is a registry that lets us in and knows Avro."""
    status, body = _exchange(registry, "GET", "/schemas/types")
    if status != 200 or b'"AVRO"' not in body:
        raise _refusal(registry, status)


def _taken(number: int, answer: Mapping[str, Any]) -> Schema | BadEvent:
    try:
        kind = answer.get("schemaType") or "AVRO"
        if kind != "AVRO":
            raise BadEvent(Reason.UNKNOWN_SCHEMA, f"of schemas only AVRO is read, not {kind}"[:80])
        if answer.get("references"):
            raise BadEvent(Reason.UNKNOWN_SCHEMA, "it refers to other schemas; register it as one")
        check_depth(answer["schema"].encode("utf-8", "replace"), _DEPTH)
        return foreign_schema(json.loads(answer["schema"]))
    except ValueError as error:
        return BadEvent(Reason.UNKNOWN_SCHEMA, f"schema id {number}: not JSON: {error}")
    except BadEvent as error:
        return BadEvent(Reason.UNKNOWN_SCHEMA, f"schema id {number}: {error.detail}")


def _exchange(registry: SchemaRegistry, method: str, path: str, document: object = None) -> tuple[int, bytes]:
    """Status and body; of a body longer than `MOST_BYTES` the beginning.

    Redirects are not followed: they could take the credentials elsewhere.
    """
    headers = {"Accept": f"{_CONTENT}, application/json", "User-Agent": "streamgauge", "Connection": "close"}
    if registry.basic_auth_user_info:
        encoded = base64.b64encode(registry.basic_auth_user_info.encode()).decode()
        headers["Authorization"] = f"Basic {encoded}"
    body = None
    if document is not None:
        headers["Content-Type"] = _CONTENT
        body = json.dumps(document).encode()
    deadline = time.monotonic() + _DEADLINE_S
    connection = _connection(registry)
    try:
        connection.request(method, quote(urlsplit(registry.url).path, safe="/%") + path, body, headers)
        answer = connection.getresponse()
        read = bytearray()
        while len(read) <= MOST_BYTES and (piece := answer.read1(1 << 16)):
            read += piece
            if time.monotonic() > deadline:
                raise TimeoutError
        return answer.status, bytes(read)
    except ssl.SSLError as error:
        raise RegistryError(registry.url, f"cannot be trusted: {error.reason or error}", _TLS) from error
    except TimeoutError as error:
        raise RegistryError(registry.url, "does not answer in time", _START) from error
    except OSError as error:
        raise RegistryError(registry.url, f"cannot be reached: {error.strerror or error}", _START) from error
    except http.client.HTTPException as error:
        raise RegistryError(registry.url, f"does not speak HTTP: {type(error).__name__}", _ADDRESS) from error
    finally:
        connection.close()


def _connection(registry: SchemaRegistry) -> http.client.HTTPConnection:
    parts = urlsplit(registry.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=_PATIENCE_S)
    context = ssl.create_default_context(cafile=registry.ssl_ca_location or None)
    return http.client.HTTPSConnection(host, parts.port, timeout=_PATIENCE_S, context=context)


def _parsed(body: bytes) -> dict[str, Any]:
    """The JSON object in an answer; empty if there is none."""
    if len(body) > MOST_BYTES:
        return {}
    try:
        check_depth(body, _DEPTH)
        answer = json.loads(body)
    except (BadEvent, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _refusal(registry: SchemaRegistry, status: int) -> RegistryError:
    if status in (401, 403):
        return RegistryError(registry.url, f"refuses the credentials (HTTP {status})", _CREDENTIALS)
    if status >= 500 or status == 429:
        return RegistryError(registry.url, f"answers HTTP {status}", _START)
    return RegistryError(registry.url, f"does not answer as one does (HTTP {status})", _ADDRESS)
