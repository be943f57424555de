"""What a schema registry is asked, what its answers mean, and that neither it nor senders can do harm."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from streamgauge.clients import schema_registry
from streamgauge.clients.connection import Connection
from streamgauge.clients.output_encoding import OutputEncoding
from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.clients.schema_cache import (
    MOST_SCHEMA_BYTES,
    MOST_UNKNOWN,
    UNKNOWN_BURST,
    UNKNOWN_PER_S,
    UNKNOWN_S,
    SchemaCache,
)
from streamgauge.clients.schema_registry import MOST_BYTES, Found, RegistryError, check, fetch
from streamgauge.clients.schema_resolver import resolver_of
from streamgauge.schemas.encode import decode_output, encode_output
from streamgauge.schemas.errors import BadEvent, ConfigurationError, Reason
from streamgauge.schemas.registry import Schema, schema
from tests.certificates import Certificates
from tests.schemas.contract_outputs import OUTPUTS
from tests.small_registry import SmallRegistry

PREDICTION = schema("prediction").document
SECRET = "app:hunter2"


@pytest.fixture
def small() -> Iterator[SmallRegistry]:
    registry = SmallRegistry()
    yield registry
    registry.close()


def refused(found: Found) -> str:
    assert isinstance(found.schema, BadEvent)
    assert found.schema.reason is Reason.UNKNOWN_SCHEMA
    return found.schema.detail


def test_a_schema_is_found_by_its_id(small: SmallRegistry) -> None:
    small.knows(7, PREDICTION)
    found = fetch(SchemaRegistry(small.url), 7)
    assert isinstance(found.schema, Schema)
    assert (found.schema.name, found.final) == ("prediction", True)
    assert found.schema.fingerprint == schema("prediction").fingerprint


def test_an_id_that_nobody_registered_may_be_registered_later(small: SmallRegistry) -> None:
    found = fetch(SchemaRegistry(small.url), 99)
    assert not found.final
    assert refused(found) == f"schema id 99 is not known to the schema registry at {small.url}"


def with_time(kind: object) -> str:
    return json.dumps({"type": "record", "name": "Prediction", "fields": [{"name": "time", "type": kind}]})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"schema": "{}", "schemaType": "JSON"}, "only AVRO is read, not JSON"),
        ({"schema": "syntax = ...", "schemaType": "PROTOBUF"}, "only AVRO is read, not PROTOBUF"),
        ({"schema": "{}", "references": [{"name": "a", "subject": "b", "version": 1}]}, "refers to other"),
        ({"schema": "{"}, "not JSON"),
        ({"schema": '"string"'}, "not an Avro record schema"),
        ({"schema": "[" * 100 + "]" * 100}, "nests deeper"),
        ({"schema": with_time("long") + " " * MOST_BYTES}, "longer than"),
        ({"schema": with_time("y" * 9_000)}, "not an Avro record schema"),
        ({"schema": with_time({"type": "long", "logicalType": "timestamp-millis"})}, "timestamp-millis"),
    ],
)
def test_what_cannot_be_read_is_refused_for_ever_and_in_few_words(
    small: SmallRegistry, answer: dict[str, Any], says: str
) -> None:
    small.answers["/schemas/ids/7"] = 200, answer
    found = fetch(SchemaRegistry(small.url), 7)
    assert found.final
    assert says in refused(found)
    assert "schema id 7" in refused(found)
    assert len(refused(found)) < 600


@pytest.mark.parametrize(
    ("status", "content", "says"),
    [
        (404, b"<html>no such page</html>", "check STREAMGAUGE_SCHEMA_REGISTRY_URL"),
        (404, {"error_code": 404, "message": "HTTP 404 Not Found"}, "check STREAMGAUGE_SCHEMA_REGISTRY_URL"),
        (404, b"", "check STREAMGAUGE_SCHEMA_REGISTRY_URL"),
        (200, b"<html>please log in</html>", "check STREAMGAUGE_SCHEMA_REGISTRY_URL"),
        (200, {"hello": 1}, "check STREAMGAUGE_SCHEMA_REGISTRY_URL"),
        (200, b"[" * 100_000, "check STREAMGAUGE_SCHEMA_REGISTRY_URL"),
        (401, b"", "refuses the credentials"),
        (403, {"error_code": 40301}, "refuses the credentials"),
        (429, b"", "answers HTTP 429"),
        (500, {"error_code": 50001}, "answers HTTP 500"),
    ],
)
def test_an_answer_that_is_no_registry_s_says_nothing_of_the_id(
    small: SmallRegistry, status: int, content: Any, says: str
) -> None:
    small.answers["/schemas/ids/7"] = status, content
    with pytest.raises(RegistryError, match=says):
        fetch(SchemaRegistry(small.url, SECRET), 7)


def test_a_redirect_is_not_followed(small: SmallRegistry) -> None:
    other = SmallRegistry()

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", f"{other.url}/schemas/ids/7")
        request.end_headers()

    small.answers["/schemas/ids/7"] = elsewhere
    with pytest.raises(RegistryError):
        fetch(SchemaRegistry(small.url, SECRET), 7)
    other.close()
    assert other.asked == []


def test_an_endless_answer_ends(small: SmallRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b" ")
                time.sleep(0.01)
        except OSError:
            pass

    monkeypatch.setattr(schema_registry, "_DEADLINE_S", 0.2)
    small.answers["/schemas/ids/7"] = drip
    began = time.monotonic()
    with pytest.raises(RegistryError, match="in time"):
        fetch(SchemaRegistry(small.url), 7)
    assert time.monotonic() - began < 5


def test_a_silent_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_registry, "_PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(RegistryError, match="in time"):
            fetch(SchemaRegistry(f"http://127.0.0.1:{port}"), 7)
    with pytest.raises(RegistryError, match="cannot be reached"):
        fetch(SchemaRegistry(f"http://127.0.0.1:{port}"), 7)
    with pytest.raises(RegistryError, match="cannot be reached"):
        fetch(SchemaRegistry("http://no-such-host.invalid"), 7)


def test_credentials_are_sent_and_in_no_message(small: SmallRegistry) -> None:
    registry = SchemaRegistry(small.url, SECRET)
    small.knows(7, PREDICTION)
    fetch(registry, 7)
    assert small.authorizations == ["Basic " + base64.b64encode(SECRET.encode()).decode()]
    small.answers["/schemas/ids/7"] = 401, b""
    with pytest.raises(RegistryError) as refusal:
        fetch(registry, 7)
    connection = Connection("localhost:9092", schema_registry=registry)
    for text in (str(refusal.value), repr(refusal.value), repr(registry), repr(connection)):
        assert "hunter2" not in text
    assert "hunter2" not in str(connection.librdkafka())


def test_tls_needs_the_authority_that_signed(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path, "locked")
    certificates.broker_properties()
    small = SmallRegistry(tmp_path / "broker.pem", tmp_path / "broker.key")
    small.knows(7, PREDICTION)
    try:
        assert fetch(SchemaRegistry(small.url, ssl_ca_location=str(certificates.ca)), 7).final
        with pytest.raises(RegistryError, match="SSL_CA_LOCATION"):
            fetch(SchemaRegistry(small.url), 7)
    finally:
        small.close()


def test_a_registry_is_known_by_the_types_of_schemas_that_it_takes(small: SmallRegistry) -> None:
    check(SchemaRegistry(small.url))
    small.answers["/schemas/types"] = 200, ["JSON"]
    with pytest.raises(RegistryError, match="does not answer as one does"):
        check(SchemaRegistry(small.url))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"URL": "registry:8081"}, "write http"),
        ({"URL": "ftp://registry"}, "write http"),
        ({"URL": "http://"}, "write http"),
        ({"URL": "http://registry:port"}, "write http"),
        ({"URL": "http://registry/?a=b"}, "write http"),
        ({"URL": "http://app:hunter2@registry"}, "BASIC_AUTH_USER_INFO"),
        ({"URL": "http://registry", "BASIC_AUTH_USER_INFO": "hunter2"}, "user:password"),
        ({"URL": "http://registry", "SSL_CA_LOCATION": "/no/such"}, "not https"),
        ({"URL": "https://registry", "SSL_CA_LOCATION": "/no/such"}, "no file"),
        ({"URL": "https://registry", "SSL_CA_LOCATION": __file__}, "no certificates"),
    ],
)
def test_a_wrong_setting_is_named_without_its_secret(given: dict[str, str], says: str) -> None:
    environ = {f"STREAMGAUGE_SCHEMA_REGISTRY_{name}": value for name, value in given.items()}
    with pytest.raises(ConfigurationError, match=says) as refusal:
        Connection.from_environment({"STREAMGAUGE_BOOTSTRAP_SERVERS": "localhost:9092", **environ})
    assert "STREAMGAUGE_SCHEMA_REGISTRY_" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_whoever_may_wait_asks_once_for_each_id(small: SmallRegistry) -> None:
    small.knows(7, PREDICTION)
    resolve = resolver_of(SchemaRegistry(small.url))
    assert resolve is not None
    for _ in range(3):
        assert resolve(7).name == "prediction"
        with pytest.raises(BadEvent, match="not known"):
            resolve(8)
    assert small.asked == ["/schemas/ids/7", "/schemas/ids/8"]


RECORD = OUTPUTS["alert"]


def encoding(small: SmallRegistry, create: bool = True) -> OutputEncoding:
    connection = Connection("localhost:9092", prefix="t.", schema_registry=SchemaRegistry(small.url))
    return OutputEncoding("confluent", connection, create)


def test_the_schema_of_an_output_is_registered_once_and_its_id_is_in_each(small: SmallRegistry) -> None:
    small.answers["/subjects/t.alerts-value/versions"] = 200, {"id": 770}
    encode = encoding(small)
    values = [encode(RECORD) for _ in range(3)]
    assert [path for path, _ in small.posted] == ["/subjects/t.alerts-value/versions"]
    assert json.loads(small.posted[0][1]["schema"]) == schema("alert").document
    value, headers = values[0]
    assert value[:5] == b"\x00\x00\x00\x03\x02"
    assert value[5:] == encode_output(RECORD, "avro")[0][10:]
    assert decode_output(value, headers) == RECORD.record  # by a header, without a registry
    with pytest.raises(BadEvent, match="names no schema"):
        decode_output(value, ())
    with pytest.raises(BadEvent, match="names no schema"):
        decode_output(value, (("ce_dataschema", b"urn:streamgauge:avro:zz"),))


def test_where_schemas_may_not_be_registered_they_are_looked_up(small: SmallRegistry) -> None:
    small.answers["/subjects/t.alerts-value"] = 200, {"subject": "t.alerts-value", "id": 3, "version": 1}
    assert encoding(small, create=False)(RECORD)[0][:5] == b"\x00\x00\x00\x00\x03"
    small.answers["/subjects/t.alerts-value"] = 404, {"error_code": 40401, "message": "no such subject"}
    with pytest.raises(ConfigurationError, match=r"register schemas/avro/alert\.avsc"):
        encoding(small, create=False)(RECORD)


def test_a_schema_that_the_registry_does_not_take_is_a_matter_for_a_person(small: SmallRegistry) -> None:
    small.answers["/subjects/t.metrics-value/versions"] = 409, {"error_code": 409, "message": "incompatible"}
    with pytest.raises(ConfigurationError, match=r"does not take schemas/avro/metric\.avsc.*incompatible"):
        encoding(small).prepare()
    small.open_for_business = False
    with pytest.raises(RegistryError, match="answers HTTP 503"):
        encoding(small).prepare()


def test_framed_outputs_need_a_registry() -> None:
    connection = Connection("localhost:9092")
    environ = {"STREAMGAUGE_OUTPUT_FORMAT": "confluent"}
    with pytest.raises(ConfigurationError, match="STREAMGAUGE_SCHEMA_REGISTRY_URL is not set"):
        OutputEncoding.from_environment(environ, connection)
    with pytest.raises(ConfigurationError, match="'xml' is none of json, avro, confluent"):
        OutputEncoding.from_environment({"STREAMGAUGE_OUTPUT_FORMAT": "xml"}, connection)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


FOUND = Found(schema("prediction"), 1_000)
UNKNOWN = Found(BadEvent(Reason.UNKNOWN_SCHEMA, "unknown"), final=False)


def test_a_flood_of_made_up_ids_is_not_passed_on() -> None:
    clock = Clock()
    cache = SchemaCache(clock)
    cache.put(1, FOUND)
    asked = 0
    for number in range(100, 30_100):
        clock.now += 0.001  # a thousand a second, for half a minute
        if cache.lacks(number):
            asked += 1
            cache.put(number, UNKNOWN)
        with pytest.raises(BadEvent):
            cache.resolve(number)
        cache.trim()
    assert asked <= UNKNOWN_BURST + 30 * UNKNOWN_PER_S
    assert len(cache._unknown) <= MOST_UNKNOWN
    assert cache.resolve(1).name == "prediction"
    with pytest.raises(BadEvent, match="was not asked for"):
        cache.resolve(30_099)
    clock.now += 1
    assert cache.lacks(30_099)


def test_an_unknown_id_is_asked_for_again_after_a_minute() -> None:
    clock = Clock()
    cache = SchemaCache(clock)
    cache.put(7, UNKNOWN)
    clock.now = UNKNOWN_S - 1
    assert not cache.lacks(7)
    clock.now = UNKNOWN_S
    assert cache.lacks(7)
    with pytest.raises(BadEvent):  # of a message that was let through before
        cache.resolve(7)
    cache.put(7, FOUND)
    assert not cache.lacks(7)
    assert cache.resolve(7).name == "prediction"


def test_what_was_used_longest_ago_is_forgotten_when_schemas_are_too_many() -> None:
    cache = SchemaCache(Clock())
    large = Found(schema("prediction"), MOST_BYTES)
    many = MOST_SCHEMA_BYTES // MOST_BYTES
    for number in range(many):
        cache.put(number, large)
    cache.trim()
    cache.resolve(0)
    cache.put(many, large)
    assert not any(cache.lacks(number) for number in range(many + 1))  # until it is trimmed
    cache.trim()
    assert [number for number in range(many + 1) if cache.lacks(number)] == [1]
