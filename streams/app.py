"""The Faust app: one agent for all inputs, nothing that decides."""

import ssl
from pathlib import Path
from typing import Any

import faust

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import INPUTS
from streamgauge.streams.membership import ReadCommittedApp
from streamgauge.streams.settings import WorkerSettings
from streamgauge.streams.token_provider import TokenProvider


def build_app(settings: WorkerSettings, data_directory: Path) -> ReadCommittedApp:
    """The app, connected to nothing yet. `data_directory` is what Faust insists on having.

    - raw serializers: Faust acknowledges and skips what it cannot decode, so it decodes nothing;
    - one standby replica, of no tables: at 0 Faust takes an assignor that splits the inputs;
    - `stream_wait_empty` off: it would wait, at each rebalance, for acknowledgements that never come.
    """
    connection = settings.connection
    return ReadCommittedApp(
        settings.group,
        broker=[f"kafka://{server.strip()}" for server in connection.bootstrap_servers.split(",")],
        broker_credentials=_credentials(connection),
        broker_max_poll_records=500,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_interval_s,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=10_000,
        datadir=str(data_directory),
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        stream_buffer_maxsize=128,
        stream_wait_empty=False,
        table_standby_replicas=1,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


def input_topic(app: ReadCommittedApp, connection: Connection) -> Any:
    """All inputs as one Faust topic, without acknowledgements: Faust commits past unacknowledged events."""
    return app.topic(
        *[connection.topic(name) for name in INPUTS],
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        acks=False,
    )


def _credentials(connection: Connection) -> Any:
    """Faust's form of the connection's credentials; None for plain text."""
    context = None
    if connection.protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=connection.ssl_ca_location or None)
        if connection.ssl_certificate_location:
            context.load_cert_chain(
                connection.ssl_certificate_location,
                connection.ssl_key_location,
                connection.ssl_key_password or None,
            )
    endpoint = connection.token_endpoint
    if endpoint is not None:
        return faust.OAuthCredentials(oauth_cb=TokenProvider(endpoint), ssl_context=context)
    if connection.protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=connection.sasl_username,
            password=connection.sasl_password,
            mechanism=connection.mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context=context)
