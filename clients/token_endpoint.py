"""Where a client gets its tokens for SASL/OAUTHBEARER, and what it shows there; checked when made."""

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from streamgauge.clients.addresses import http_parts
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.telling import redacted, shown

_NO_ADDRESS = (
    "STREAMGAUGE_SASL_TOKEN_URL: write https://host[:port]/path, as the authorization server names it"
)
#: A name is letters only, and a value what can be printed (RFC 7628); librdkafka takes commas as separators.
_EXTENSION = re.compile(r"(?!auth=)[A-Za-z]+=[\x21-\x2b\x2d-\x7e]+")
#: Where distributions keep the authorities in one file: Debian, Fedora, SUSE, Alpine.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """The token endpoint of an authorization server, for the grant of client credentials (RFC 6749, 4.4).

    Raises `ConfigurationError`: also for an address without TLS that is not this machine's own, for the
    secret would be sent to it in the clear.

    >>> endpoint = TokenEndpoint("https://login.example/token?tenant=1", "app", "secret", scope="kafka read")
    >>> endpoint.shown, endpoint.librdkafka()["sasl.oauthbearer.scope"]
    ('https://login.example/token', 'kafka%20read')
    >>> "secret" in repr(endpoint)
    False
    """

    url: str = field(repr=False)
    client: str
    secret: str = field(repr=False)
    scope: str = field(default="", repr=False)
    ca_location: str = field(default="", repr=False)
    extensions: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        parts = http_parts(self.url)
        if parts is None or parts.port == 0 or not re.fullmatch(r"[\x21-\x7e]+", self.url):
            raise ConfigurationError(_NO_ADDRESS)
        if parts.username is not None or parts.fragment:
            raise ConfigurationError(_NO_ADDRESS)
        if redacted(self.url) != self.url:
            raise ConfigurationError(
                "STREAMGAUGE_SASL_TOKEN_URL holds a secret after its question mark, and Kafka's clients log "
                "it: the client's secret belongs into STREAMGAUGE_SASL_PASSWORD"
            )
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise ConfigurationError(
                "STREAMGAUGE_SASL_TOKEN_URL: only https keeps the client's secret; http is for addresses of "
                "this machine"
            )
        if self.ca_location and not Path(self.ca_location).is_file():
            raise ConfigurationError(
                f"STREAMGAUGE_SASL_TOKEN_CA_LOCATION: there is no file {shown(self.ca_location)}"
            )
        if parts.scheme == "https" and not self.trusted:
            raise ConfigurationError(
                "STREAMGAUGE_SASL_TOKEN_CA_LOCATION: name the file with the authorities to trust, or install "
                "ca-certificates: this system has none"
            )
        for extension in self.extensions.split(",") if self.extensions else ():
            if not _EXTENSION.fullmatch(extension.strip()):
                raise ConfigurationError(
                    "STREAMGAUGE_SASL_EXTENSIONS: write name=value[,name=value…]; a name has letters only, "
                    "and is not auth"
                )

    @property
    def shown(self) -> str:
        """The address as it may be told: what follows a question mark may be nobody else's business."""
        return self.url.partition("?")[0]

    def extension_map(self) -> dict[str, str]:
        """What goes to the broker with a token, by name."""
        pairs = (each.strip().partition("=") for each in self.extensions.split(",") if self.extensions)
        return {name: value for name, _, value in pairs}

    @property
    def trusted(self) -> str:
        """The file with the authorities to trust; empty if there is none.

        librdkafka's wheel would look for it where it was built, and makes nothing of a folder.
        """
        known = (self.ca_location, ssl.get_default_verify_paths().cafile, *_BUNDLES)
        return next((name for name in known if name and Path(name).is_file()), "")

    def librdkafka(self) -> dict[str, str]:
        """The properties by which librdkafka gets the tokens itself."""
        given = {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": self.url,
            "sasl.oauthbearer.client.id": self.client,
            "sasl.oauthbearer.client.secret": self.secret,
            "sasl.oauthbearer.scope": quote(self.scope, safe=""),  # it is sent as it stands
            "sasl.oauthbearer.extensions": ",".join(f"{k}={v}" for k, v in self.extension_map().items()),
            "https.ca.location": self.trusted if self.url.startswith("https:") else "",
        }
        return {name: value for name, value in given.items() if value}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
