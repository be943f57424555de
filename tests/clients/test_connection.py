"""Addresses and credentials: from the environment to librdkafka, never into a log."""

import pytest
from confluent_kafka import Producer

from streamgauge.clients.connection import Connection
from streamgauge.schemas.errors import ConfigurationError
from tests.certificates import Certificates

SASL = {
    "STREAMGAUGE_BOOTSTRAP_SERVERS": "a:9093,b:9093",
    "STREAMGAUGE_TOPIC_PREFIX": "risk.",
    "STREAMGAUGE_SECURITY_PROTOCOL": "SASL_SSL",
    "STREAMGAUGE_SASL_MECHANISM": "SCRAM-SHA-256",
    "STREAMGAUGE_SASL_USERNAME": "app",
    "STREAMGAUGE_SASL_PASSWORD": "hunter2",
}
SASL_USER = {"sasl_username": "a", "sasl_password": "b"}
TOKENS = SASL_USER | {"sasl_token_url": "https://login.example/token"}


def test_every_setting_reaches_librdkafka() -> None:
    connection = Connection.from_environment(SASL)
    config = connection.librdkafka()
    assert config == {
        "bootstrap.servers": "a:9093,b:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "app",
        "sasl.password": "hunter2",
    }
    assert connection.topic("alerts") == "risk.alerts"
    Producer(config | {"log_level": 0})  # librdkafka knows each of them


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"), "hunter2")


def test_files_of_certificates_are_passed_on(certificates: Certificates) -> None:
    certificate, key = certificates.client("app")
    environ = {
        "STREAMGAUGE_BOOTSTRAP_SERVERS": "a:1",
        "STREAMGAUGE_SSL_CA_LOCATION": str(certificates.ca),
        "STREAMGAUGE_SSL_CERTIFICATE_LOCATION": str(certificate),
        "STREAMGAUGE_SSL_KEY_LOCATION": str(key),
        "STREAMGAUGE_SSL_KEY_PASSWORD": "hunter2",
    }
    connection = Connection.from_environment(environ)
    assert connection.librdkafka() == {
        "bootstrap.servers": "a:1",
        "security.protocol": "SSL",
        "ssl.ca.location": str(certificates.ca),
        "ssl.certificate.location": str(certificate),
        "ssl.key.location": str(key),
        "ssl.key.password": "hunter2",
    }
    assert "hunter2" not in repr(connection)
    for password in ("", "hunter3"):
        with pytest.raises(ConfigurationError, match="want another STREAMGAUGE_SSL_KEY_PASSWORD") as caught:
            Connection.from_environment(environ | {"STREAMGAUGE_SSL_KEY_PASSWORD": password})
        assert "hunter" not in str(caught.value)


OAUTH = {
    "STREAMGAUGE_BOOTSTRAP_SERVERS": "a:9093",
    "STREAMGAUGE_SASL_USERNAME": "app",
    "STREAMGAUGE_SASL_PASSWORD": "hunter2",
    "STREAMGAUGE_SASL_TOKEN_URL": "https://login.example/token",
}


def test_tokens_are_got_by_librdkafka_itself(certificates: Certificates) -> None:
    given = {
        "STREAMGAUGE_SASL_TOKEN_SCOPE": "kafka read",
        "STREAMGAUGE_SASL_TOKEN_CA_LOCATION": str(certificates.ca),
        "STREAMGAUGE_SASL_EXTENSIONS": "cluster=a, pool=b",
    }
    connection = Connection.from_environment(OAUTH | given)
    config = connection.librdkafka()
    assert config == {
        "bootstrap.servers": "a:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://login.example/token",
        "sasl.oauthbearer.client.id": "app",
        "sasl.oauthbearer.client.secret": "hunter2",
        "sasl.oauthbearer.scope": "kafka%20read",
        "sasl.oauthbearer.extensions": "cluster=a,pool=b",
        "https.ca.location": str(certificates.ca),
    }
    assert "hunter2" not in repr(connection)
    Producer(config | {"log_level": 0, "sasl.oauthbearer.token.endpoint.url": "http://127.0.0.1:1/"})


def test_without_authorities_of_its_own_the_token_endpoint_is_checked_with_the_systems(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))  # where OpenSSL takes them from
    assert Connection.from_environment(OAUTH).librdkafka()["https.ca.location"] == str(certificates.ca)
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    monkeypatch.setattr("streamgauge.clients.token_endpoint._BUNDLES", ())
    with pytest.raises(ConfigurationError, match="install ca-certificates"):
        Connection.from_environment(OAUTH)
    monkeypatch.setattr("streamgauge.clients.token_endpoint._BUNDLES", (str(certificates.ca),))
    assert Connection.from_environment(OAUTH).librdkafka()["https.ca.location"] == str(certificates.ca)


def test_an_empty_variable_is_as_good_as_none() -> None:
    environ = {"STREAMGAUGE_BOOTSTRAP_SERVERS": "a:1", "STREAMGAUGE_TOPIC_PREFIX": ""}
    assert Connection.from_environment(environ).topic("alerts") == "streamgauge.alerts"


def test_secrets_are_in_no_repr_and_no_message() -> None:
    assert "hunter2" not in repr(Connection.from_environment(SASL))
    for broken in ({"STREAMGAUGE_SASL_MECHANISM": "x"}, {"STREAMGAUGE_SASL_USERNAME": ""}):
        with pytest.raises(ConfigurationError) as caught:
            Connection.from_environment(SASL | broken)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "protocol", "mechanism"),
    [
        ({}, "PLAINTEXT", ""),
        ({"sasl_username": "a", "sasl_password": "b"}, "SASL_PLAINTEXT", "SCRAM-SHA-512"),
        (
            {"sasl_username": "a", "sasl_password": "b", "ssl_ca_location": "CA"},
            "SASL_SSL",
            "SCRAM-SHA-512",
        ),
        ({"ssl_ca_location": "CA"}, "SSL", ""),
        ({"security_protocol": "SSL"}, "SSL", ""),
        (TOKENS, "SASL_SSL", "OAUTHBEARER"),
        (TOKENS | {"security_protocol": "SASL_PLAINTEXT"}, "SASL_PLAINTEXT", "OAUTHBEARER"),
    ],
    ids=str,
)
def test_the_protocol_follows_from_what_is_given(
    given: dict[str, str], protocol: str, mechanism: str, certificates: Certificates
) -> None:
    connection = Connection(
        "a:1", **{name: str(certificates.ca) if v == "CA" else v for name, v in given.items()}
    )
    assert (connection.protocol, connection.mechanism) == (protocol, mechanism)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"bootstrap_servers": ""}, "STREAMGAUGE_BOOTSTRAP_SERVERS"),
        ({"bootstrap_servers": "kafka"}, "host:port"),
        ({"bootstrap_servers": "a:1,:2"}, "host:port"),
        ({"bootstrap_servers": "a:1,"}, "host:port"),
        ({"prefix": "my topics/"}, "prefix"),
        ({"security_protocol": "TLS"}, "SASL_SSL"),
        ({"sasl_mechanism": "GSSAPI"}, "SCRAM-SHA-512"),
        ({"security_protocol": "SASL_SSL"}, "STREAMGAUGE_SASL_PASSWORD"),
        ({"sasl_token_url": "https://login.example/token"}, "STREAMGAUGE_SASL_PASSWORD"),
        ({"sasl_mechanism": "OAUTHBEARER"} | SASL_USER, "OAUTHBEARER needs STREAMGAUGE_SASL_TOKEN_URL"),
        (TOKENS | {"sasl_mechanism": "PLAIN"}, "STREAMGAUGE_SASL_TOKEN_URL is for OAUTHBEARER"),
        (TOKENS | {"security_protocol": "SSL"}, "STREAMGAUGE_SASL_TOKEN_URL is for OAUTHBEARER"),
        (TOKENS | {"sasl_token_url": "http://login.example/token"}, "only https"),
        (TOKENS | {"sasl_extensions": "cluster"}, "STREAMGAUGE_SASL_EXTENSIONS"),
        ({"ssl_certificate_location": __file__}, "STREAMGAUGE_SSL_KEY_LOCATION"),
        ({"ssl_ca_location": "/no/such/file"}, "STREAMGAUGE_SSL_CA_LOCATION"),
        ({"ssl_ca_location": __file__}, "holds no certificates"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_with_what_to_do(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Connection(**({"bootstrap_servers": "a:1"} | given))
