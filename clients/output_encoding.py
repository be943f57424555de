"""How outputs are written: as JSON, as Avro, or as Avro with Confluent framing."""

from collections.abc import Mapping
from typing import Literal, get_args

from streamgauge.clients.connection import Connection
from streamgauge.clients.schema_registry import registered
from streamgauge.schemas.encode import SCHEMA_OF_TOPIC, Headers, encode_framed, encode_output
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import OUTPUTS, Output
from streamgauge.schemas.registry import schema
from streamgauge.schemas.telling import shown

OutputFormat = Literal["json", "avro", "confluent"]


class OutputEncoding:
    """Gives the value and headers of an output. With Confluent framing, a topic's schema is registered under
    ``<topic>-value``, or with `create` off looked for there, before its first output is written.

    Raises `ConfigurationError`, `RegistryError`.

    >>> encode = OutputEncoding("json", Connection("localhost:9092"))
    >>> encode(Output("metrics", b"m", {"n": 3}))[0]
    b'{"n":3}'
    """

    def __init__(self, format: OutputFormat, connection: Connection, create: bool = True) -> None:
        if format == "confluent" and connection.schema_registry is None:
            raise ConfigurationError(
                "STREAMGAUGE_OUTPUT_FORMAT is confluent, and STREAMGAUGE_SCHEMA_REGISTRY_URL is not set"
            )
        self._format = format
        self._connection = connection
        self._create = create
        self._ids: dict[str, int] = {}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], connection: Connection) -> "OutputEncoding":
        """From ``STREAMGAUGE_OUTPUT_FORMAT`` and ``…_AUTO_REGISTER_SCHEMAS``, as a worker's settings."""
        given = environ.get("STREAMGAUGE_OUTPUT_FORMAT") or "json"
        formats: dict[str, OutputFormat] = {name: name for name in get_args(OutputFormat)}
        if given not in formats:
            raise ConfigurationError(
                f"STREAMGAUGE_OUTPUT_FORMAT: {shown(given)} is none of {', '.join(formats)}"
            )
        create = environ.get("STREAMGAUGE_SCHEMA_REGISTRY_AUTO_REGISTER_SCHEMAS", "").lower()
        return cls(formats[given], connection, create not in ("false", "0", "no", "off", "f", "n"))

    def prepare(self) -> None:
        """Ask the registry now for all that it will be asked for."""
        if self._format == "confluent":
            for topic in OUTPUTS:
                self._id_of(topic)

    def __call__(self, output: Output) -> tuple[bytes, Headers]:
        if self._format == "confluent":
            return encode_framed(output, self._id_of(output.topic))
        return encode_output(output, self._format)

    def _id_of(self, topic: str) -> int:
        number = self._ids.get(topic)
        if number is None:
            registry = self._connection.schema_registry
            assert registry is not None
            subject = f"{self._connection.topic(topic)}-value"
            number = registered(registry, subject, schema(SCHEMA_OF_TOPIC[topic]), self._create)
            self._ids[topic] = number
        return number
