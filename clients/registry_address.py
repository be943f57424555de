"""Where the schema registry is, for messages with Confluent framing: address and credentials, checked."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamgauge.clients.addresses import http_parts
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.telling import shown

_PREFIX = "STREAMGAUGE_SCHEMA_REGISTRY_"


@dataclass(frozen=True, slots=True)
class SchemaRegistry:
    """Address and credentials of a registry, checked when made. Raises `ConfigurationError`.

    `basic_auth_user_info` is ``user:password``, as in the configuration of Confluent's clients.

    >>> SchemaRegistry("https://registry:8081/", "app:secret")
    SchemaRegistry(url='https://registry:8081', ssl_ca_location='')
    """

    url: str
    basic_auth_user_info: str = field(default="", repr=False)
    ssl_ca_location: str = ""

    def __post_init__(self) -> None:
        parts = http_parts(self.url)
        sound = parts is not None and parts.port != 0 and not (parts.query or parts.fragment)
        if parts is None or not sound or not self.url.isascii():
            raise ConfigurationError(
                f"{_PREFIX}URL is no address of a schema registry; write http(s)://host:port"
            )
        if "@" in parts.netloc:
            raise ConfigurationError(
                f"{_PREFIX}URL holds credentials, and would be logged: put them into "
                f"{_PREFIX}BASIC_AUTH_USER_INFO"
            )
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if self.basic_auth_user_info and ":" not in self.basic_auth_user_info:
            raise ConfigurationError(f"{_PREFIX}BASIC_AUTH_USER_INFO is not of the form user:password")
        if self.ssl_ca_location:
            _check_ca(parts.scheme, self.ssl_ca_location)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "SchemaRegistry | None":
        """From ``STREAMGAUGE_SCHEMA_REGISTRY_*``; None without its address.

        >>> SchemaRegistry.from_environment({}) is None
        True
        """
        given = [
            environ.get(_PREFIX + name, "") for name in ("URL", "BASIC_AUTH_USER_INFO", "SSL_CA_LOCATION")
        ]
        return cls(*given) if given[0] else None


def _check_ca(scheme: str, file: str) -> None:
    name = f"{_PREFIX}SSL_CA_LOCATION"
    if scheme != "https":
        raise ConfigurationError(f"{name} is given, but {_PREFIX}URL is not https://")
    if not Path(file).is_file():
        raise ConfigurationError(f"{name}: there is no file {shown(file)}")
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # an SSLError is one
        raise ConfigurationError(f"{name}: {file} holds no certificates") from error
