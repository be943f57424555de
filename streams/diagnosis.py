"""`examine`: everything that `streamgauge doctor` looks at, in the order in which trouble is to be mended."""

import time
from collections.abc import Iterator

from confluent_kafka.admin import AdminClient

from streamgauge.clients.heartbeats import latest_heartbeats
from streamgauge.clients.reach import Reach, UnreachableError
from streamgauge.clients.tokens import TokenError, request_token
from streamgauge.schemas.message import INPUTS
from streamgauge.streams import cluster_checks, token_checks, worker_checks
from streamgauge.streams.checked import Checked
from streamgauge.streams.settings import WorkerSettings
from streamgauge.streams.topics import describe_topics

#: Those who may read what workers know.
_INSIDERS = ("worker", "operator")
#: Those who read what serving apps sent.
_DECODERS = ("worker", "training")


def examine(settings: WorkerSettings, role: str, probe: bool) -> Iterator[Checked]:
    """For one of `cluster_checks.ROLES`. Nothing is changed, but for a topic of its own with `probe`."""
    connection = settings.connection
    if role == "worker" and settings.state_dir is not None:
        yield worker_checks.disk(settings.state_dir)
    if role in _DECODERS and connection.schema_registry is not None:
        yield worker_checks.schemas(connection.schema_registry)
    user = connection.sasl_username
    endpoint = connection.token_endpoint
    if endpoint is not None:
        try:
            token = request_token(endpoint)
        except TokenError as error:
            yield Checked("token", "fail", error.cause, error.advice)
            return
        user = token.subject
        yield token_checks.given(endpoint, token)
    reach = Reach(connection)
    admin = AdminClient(reach.config(connection.librdkafka()), logger=reach)
    began = time.monotonic()
    try:
        metadata = reach.metadata(admin)
    except UnreachableError as error:
        yield Checked("broker", "fail", f"{connection.bootstrap_servers}: {error.cause}", error.advice)
        return
    yield from cluster_checks.brokers(metadata, time.monotonic() - began)
    if endpoint is not None and probe:
        yield token_checks.forged(connection, endpoint, token)
    embedded = metadata.controller_id not in metadata.brokers
    if embedded:
        allowed = [Checked("permissions", "skip", "the embedded broker lets everybody in")]
        hidden: set[str] = set()
    else:
        allowed, hidden = cluster_checks.permissions(admin, connection, role, user)
    needed = {connection.topic(topic) for topic in cluster_checks.topics_of(role)} - hidden
    found = [topic for topic in describe_topics(connection) if topic.name in needed]
    yield from cluster_checks.topics(found, metadata, connection.prefix)
    yield from allowed
    if embedded or hidden or not all(topic.partitions for topic in found):
        return
    inputs = [topic for topic in found if topic.name in map(connection.topic, INPUTS)]
    yield cluster_checks.clock(admin, connection, inputs, probe)
    if role in _INSIDERS:
        checked, stored = worker_checks.state(connection)
        yield from checked
        yield from worker_checks.workers(admin, connection, settings.group, stored)
        if stored and role == "operator":  # who may read the metrics
            yield worker_checks.heartbeats(latest_heartbeats(connection), stored, time.time_ns() // 1_000)
