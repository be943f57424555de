"""How every client reaches Kafka: addresses, topic prefix, SASL and TLS, read from one place.

The worker builds its own clients' credentials from the same `Connection`.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.clients.token_endpoint import TokenEndpoint
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.telling import shown

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")

#: A name, an IPv4 or an IPv6 address, with a protocol as librdkafka takes it.
_HOST = re.compile(r"(?:[A-Z_]+://)?(?:[\w.-]+|\[[0-9A-Fa-f:.%\w]+\])")
#: field of `Connection` -> environment variable, and -> librdkafka property where there is one
_ENVIRONMENT = {
    "bootstrap_servers": "STREAMGAUGE_BOOTSTRAP_SERVERS",
    "prefix": "STREAMGAUGE_TOPIC_PREFIX",
    "security_protocol": "STREAMGAUGE_SECURITY_PROTOCOL",
    "sasl_mechanism": "STREAMGAUGE_SASL_MECHANISM",
    "sasl_username": "STREAMGAUGE_SASL_USERNAME",
    "sasl_password": "STREAMGAUGE_SASL_PASSWORD",
    "sasl_token_url": "STREAMGAUGE_SASL_TOKEN_URL",
    "sasl_token_scope": "STREAMGAUGE_SASL_TOKEN_SCOPE",
    "sasl_token_ca_location": "STREAMGAUGE_SASL_TOKEN_CA_LOCATION",
    "sasl_extensions": "STREAMGAUGE_SASL_EXTENSIONS",
    "ssl_ca_location": "STREAMGAUGE_SSL_CA_LOCATION",
    "ssl_certificate_location": "STREAMGAUGE_SSL_CERTIFICATE_LOCATION",
    "ssl_key_location": "STREAMGAUGE_SSL_KEY_LOCATION",
    "ssl_key_password": "STREAMGAUGE_SSL_KEY_PASSWORD",
}
_LIBRDKAFKA = {
    "bootstrap_servers": "bootstrap.servers",
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_username": "sasl.username",
    "sasl_password": "sasl.password",
    "ssl_ca_location": "ssl.ca.location",
    "ssl_certificate_location": "ssl.certificate.location",
    "ssl_key_location": "ssl.key.location",
    "ssl_key_password": "ssl.key.password",
}


@dataclass(frozen=True, slots=True)
class Connection:
    """Kafka's addresses and credentials, checked when made, and the schema registry's if there is one.
    Raises `ConfigurationError`.

    The security protocol follows from the rest if it is not given: SASL if there is a username, TLS if
    there is a CA or a certificate, or a token endpoint: whoever overhears a token can use it.

    >>> connection = Connection("broker:9093", sasl_username="app", sasl_password="secret")
    >>> connection.protocol, connection.topic("alerts")
    ('SASL_PLAINTEXT', 'streamgauge.alerts')
    >>> "secret" in repr(connection)
    False
    """

    bootstrap_servers: str
    prefix: str = "streamgauge."
    security_protocol: str = ""
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    sasl_token_url: str = field(default="", repr=False)
    sasl_token_scope: str = field(default="", repr=False)
    sasl_token_ca_location: str = field(default="", repr=False)
    sasl_extensions: str = field(default="", repr=False)
    ssl_ca_location: str = ""
    ssl_certificate_location: str = ""
    ssl_key_location: str = ""
    ssl_key_password: str = field(default="", repr=False)
    schema_registry: SchemaRegistry | None = None

    def __post_init__(self) -> None:
        if not self.bootstrap_servers.strip():
            raise ConfigurationError(
                "no Kafka address: set STREAMGAUGE_BOOTSTRAP_SERVERS to host:port[,host:port…]"
            )
        for server in self.bootstrap_servers.split(","):
            host, colon, port = server.strip().rpartition(":")
            if "@" in server:
                raise ConfigurationError(
                    "STREAMGAUGE_BOOTSTRAP_SERVERS holds credentials, and is logged: put them into "
                    "STREAMGAUGE_SASL_USERNAME and STREAMGAUGE_SASL_PASSWORD; write host:port[,host:port…]"
                )
            if not (_HOST.fullmatch(host) and colon and port.isdigit()):
                raise ConfigurationError(
                    f"STREAMGAUGE_BOOTSTRAP_SERVERS: {shown(server.strip())} is not a Kafka address; "
                    "write host:port"
                )
        if not all(c.isascii() and (c.isalnum() or c in "._-") for c in self.prefix):
            raise ConfigurationError(
                f"topic prefix {shown(self.prefix)}: only letters, digits, '.', '_' and '-' can be in a topic"
            )
        if self.security_protocol and self.security_protocol not in SECURITY_PROTOCOLS:
            raise ConfigurationError(
                f"security protocol {shown(self.security_protocol)} is none of "
                f"{', '.join(SECURITY_PROTOCOLS)}"
            )
        if self.sasl_mechanism and self.sasl_mechanism not in SASL_MECHANISMS:
            raise ConfigurationError(
                f"SASL mechanism {shown(self.sasl_mechanism)} is none of {', '.join(SASL_MECHANISMS)}"
            )
        if self.protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ConfigurationError(
                "SASL needs both STREAMGAUGE_SASL_USERNAME and STREAMGAUGE_SASL_PASSWORD"
            )
        if self.mechanism == "OAUTHBEARER" and not self.sasl_token_url:
            raise ConfigurationError(
                "OAUTHBEARER needs STREAMGAUGE_SASL_TOKEN_URL, the token endpoint of the authorization server"
            )
        if self.sasl_token_url and self.mechanism != "OAUTHBEARER":
            raise ConfigurationError(
                "STREAMGAUGE_SASL_TOKEN_URL is for OAUTHBEARER: unset it, or STREAMGAUGE_SASL_MECHANISM and "
                "STREAMGAUGE_SECURITY_PROTOCOL"
            )
        _ = self.token_endpoint  # which is checked when made
        if bool(self.ssl_certificate_location) != bool(self.ssl_key_location):
            raise ConfigurationError(
                "a TLS client certificate needs both STREAMGAUGE_SSL_CERTIFICATE_LOCATION "
                "and STREAMGAUGE_SSL_KEY_LOCATION"
            )
        for name in ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location"):
            location = getattr(self, name)
            if location and not Path(location).exists():
                raise ConfigurationError(f"{_ENVIRONMENT[name]}: there is no file {shown(location)}")
        self._open_certificates()

    def _open_certificates(self) -> None:
        """Kafka's clients would say in words of OpenSSL, each in its own, that one cannot be used."""
        if not (self.ssl_ca_location or self.ssl_certificate_location):
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.ssl_ca_location:
                wrong = f"STREAMGAUGE_SSL_CA_LOCATION: {self.ssl_ca_location} holds no certificates"
                if Path(self.ssl_ca_location).is_file():  # a folder of them is librdkafka's to read
                    context.load_verify_locations(self.ssl_ca_location)
            if self.ssl_certificate_location:
                wrong = (
                    f"STREAMGAUGE_SSL_CERTIFICATE_LOCATION: {self.ssl_certificate_location} and the key "
                    f"{self.ssl_key_location} cannot be used: they are none, do not belong together, or want "
                    "another STREAMGAUGE_SSL_KEY_PASSWORD"
                )
                # without a password it would ask whoever sits there for one
                context.load_cert_chain(
                    self.ssl_certificate_location, self.ssl_key_location, self.ssl_key_password
                )
        except OSError as error:  # an SSLError is one
            raise ConfigurationError(wrong) from error

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Connection":
        """From ``STREAMGAUGE_BOOTSTRAP_SERVERS``, ``_TOPIC_PREFIX``, ``_SASL_*``, ``_SSL_*`` and
        ``_SCHEMA_REGISTRY_*``; empty is unset.

        >>> Connection.from_environment({"STREAMGAUGE_BOOTSTRAP_SERVERS": "localhost:9092"}).protocol
        'PLAINTEXT'
        """
        given = {name: environ[variable] for name, variable in _ENVIRONMENT.items() if environ.get(variable)}
        registry = SchemaRegistry.from_environment(environ)
        return cls(**{"bootstrap_servers": ""} | given, schema_registry=registry)

    @property
    def protocol(self) -> str:
        """The security protocol in force."""
        if self.security_protocol:
            return self.security_protocol
        encrypted = self.ssl_ca_location or self.ssl_certificate_location or self.sasl_token_url
        tls = "SSL" if encrypted else "PLAINTEXT"
        return f"SASL_{tls}" if self.sasl_username or self.sasl_token_url else tls

    @property
    def mechanism(self) -> str:
        """The SASL mechanism in force, or an empty text without SASL."""
        default = "OAUTHBEARER" if self.sasl_token_url else "SCRAM-SHA-512"
        return (self.sasl_mechanism or default) if self.protocol.startswith("SASL") else ""

    @property
    def token_endpoint(self) -> TokenEndpoint | None:
        """Where tokens are to be had, with OAUTHBEARER. Raises `ConfigurationError`."""
        if not self.sasl_token_url:
            return None
        return TokenEndpoint(
            self.sasl_token_url,
            self.sasl_username,
            self.sasl_password,
            scope=self.sasl_token_scope,
            ca_location=self.sasl_token_ca_location,
            extensions=self.sasl_extensions,
        )

    def librdkafka(self) -> dict[str, str]:
        """The properties for every confluent-kafka client.

        >>> Connection("localhost:9092").librdkafka()
        {'bootstrap.servers': 'localhost:9092', 'security.protocol': 'PLAINTEXT'}
        """
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        given |= {"security_protocol": self.protocol, "sasl_mechanism": self.mechanism}
        endpoint = self.token_endpoint
        if endpoint is not None:
            given |= {"sasl_username": "", "sasl_password": ""}
        config = {_LIBRDKAFKA[name]: value for name, value in given.items() if value and name in _LIBRDKAFKA}
        return config if endpoint is None else config | endpoint.librdkafka()

    def topic(self, name: str) -> str:
        """The full name of one of our topics."""
        return self.prefix + name

    @property
    def reader_group(self) -> str:
        """The group of whoever reads without one: librdkafka wants a name, but never joins it or commits."""
        return f"{self.prefix}reader"
