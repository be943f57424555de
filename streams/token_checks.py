"""What `streamgauge doctor` looks at with OAUTHBEARER: are there tokens, and are forged ones refused."""

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streamgauge.clients.connection import Connection
from streamgauge.clients.reach import LIBRDKAFKA
from streamgauge.clients.token_endpoint import TokenEndpoint
from streamgauge.clients.tokens import Token
from streamgauge.streams.checked import Checked

_ANSWER_S = 3.0
_VALIDATOR = "org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator"


def given(endpoint: TokenEndpoint, token: Token) -> Checked:
    """Whom the broker will take us for, if it goes by the subject, as it does unless it is told otherwise."""
    audience = f", audience {', '.join(token.audience)}" if token.audience else ""
    lives_s = token.expires_s - time.time()
    what = f"{endpoint.shown} gives one of {lives_s:.0f} s for the principal User:{token.subject}{audience}"
    return Checked("token", "ok", what)


def forged(connection: Connection, endpoint: TokenEndpoint, token: Token) -> Checked:
    """Whether the broker refuses the token with another signature."""
    signed, _, signature = token.value.rpartition(".")
    altered = f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    errors: list[KafkaError] = []
    config: dict[str, Any] = {
        name: value
        for name, value in connection.librdkafka().items()
        if not name.startswith("sasl.oauthbearer.")
    }
    config["error_cb"] = errors.append
    config["oauth_cb"] = lambda _: (altered, token.expires_s, token.subject, endpoint.extension_map())
    client = AdminClient(config, logger=LIBRDKAFKA)
    try:
        client.list_topics(timeout=_ANSWER_S)
    except KafkaException:
        client.poll(0)  # brings the errors since
        if any(error.code() == KafkaError._AUTHENTICATION for error in errors):
            return Checked("token", "ok", "the broker refuses a token with a wrong signature")
        return Checked("token", "skip", "whether the broker refuses a wrong signature: it gave no answer")
    return Checked(
        "token",
        "fail",
        "the broker takes a token with a wrong signature: everybody can be anybody there",
        f"set sasl.oauthbearer.jwt.validator.class={_VALIDATOR} in the brokers' configuration",
    )
