"""What `streamgauge doctor` looks at in the workers: their state, their group, whether they keep up."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from streamgauge.clients.connection import Connection
from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.clients.schema_registry import RegistryError, check
from streamgauge.schemas.errors import ConfigurationError, StateError
from streamgauge.schemas.heartbeat import SILENT_US
from streamgauge.schemas.message import CONTROL
from streamgauge.schemas.telling import shown
from streamgauge.streams.checked import Checked
from streamgauge.streams.settings import check_state_dir
from streamgauge.streams.stored import DEFINED, StoredPartition, read_stored

_ANSWER_S = 5.0
#: Records that a busy worker may have in hand.
_KEEPS_UP = 5_000
_MUCH_DISK_BYTES = 1 << 30


def state(connection: Connection) -> tuple[list[Checked], list[StoredPartition]]:
    """Whether this version can go on with what workers have committed."""
    try:
        stored = read_stored(connection, DEFINED)
        definitions = [definition for partition in stored for definition in partition.definitions().values()]
    except StateError as error:
        advice = "go back to the version that wrote it, or start afresh with another STREAMGAUGE_TOPIC_PREFIX"
        return [Checked("state", "fail", str(error), advice)], []
    except ConfigurationError as error:
        return [Checked("state", "skip", f"it cannot be read: {error}")], []
    found = [Checked("state", "ok", f"{len(definitions)} models in {len(stored)} partitions, all readable")]
    for partition in stored:
        for topic, lag in partition.lag.items():
            if lag < 0:
                what = f"{connection.topic(topic)}[{partition.number}] ends before what state has applied"
                advice = (
                    "the topic was deleted and created again: start afresh with another "
                    "STREAMGAUGE_TOPIC_PREFIX, or stop all workers and recreate the state topic too"
                )
                found.append(Checked("state", "fail", what, advice))
    fleet = next((partition.fleet for partition in stored if partition.fleet is not None), None)
    weight = sum(definition.weight for definition in definitions)
    if fleet is not None and weight > fleet.models:
        found.append(
            Checked(
                "budget",
                "warn",
                f"{len(definitions)} models weigh {weight:g} in a budget that is meant for {fleet.models}",
                f"say models: {math.ceil(weight)} or more in the fleet document, and `monitors apply` it: "
                "until then false alarms may be more than you accept",
            )
        )
    return found, stored


def disk(directory: Path) -> Checked:
    """Whether a worker on this machine can mirror its state in `directory`."""
    try:
        check_state_dir(directory)
        held = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
        free = shutil.disk_usage(directory).free
    except ConfigurationError as error:
        return Checked("disk", "fail", str(error), "give it to the user that the worker runs as")
    where = shown(str(directory))
    what = f"{where} holds {held / 1e6:,.0f} MB of mirrored state, and {free / 1e6:,.0f} MB are free"
    if free < max(held, _MUCH_DISK_BYTES):
        advice = "make room for twice what it holds: while files are rewritten, both are there"
        return Checked("disk", "warn", what, advice)
    return Checked("disk", "ok", what)


def schemas(registry: SchemaRegistry) -> Checked:
    """Whether the schemas of messages with Confluent framing can be had."""
    try:
        check(registry)
    except RegistryError as error:
        what = f"the schema registry at {registry.url} {error.cause}: partitions wait for new schemas"
        return Checked("schemas", "fail", what, error.advice)
    return Checked("schemas", "ok", f"the schema registry at {registry.url} answers")


def workers(
    admin: AdminClient, connection: Connection, group: str, stored: Sequence[StoredPartition]
) -> Iterator[Checked]:
    """Whether workers run, have every partition, and keep up."""
    try:
        asked = admin.describe_consumer_groups([group], request_timeout=_ANSWER_S)
        described = asked[group].result()
    except KafkaException as error:
        yield Checked("workers", "skip", f"the group {group} cannot be seen: {error.args[0].str()}")
        return
    members = described.members
    prefix = connection.topic("")
    taken = {
        part.partition
        for member in members
        for part in (member.assignment.topic_partitions if member.assignment else ())
        if part.topic.startswith(prefix)
    }
    many = f"{len(members)} worker{'s' * (len(members) != 1)}"
    if not members:
        yield Checked("workers", "fail", "no worker runs", "start one: streamgauge worker")
    elif described.state is not ConsumerGroupState.STABLE:
        what = f"{many}, and the group is {described.state.name.lower()}"
        yield Checked("workers", "warn", what, "it should be stable within a minute; ask again")
    elif stored and len(taken) < len(stored):
        what = f"{many}, but only {len(taken)} of {len(stored)} partitions are taken"
        advice = f"who else joins the group {group}? Each partition needs a worker"
        yield Checked("workers", "fail", what, advice)
    else:
        yield Checked("workers", "ok", f"{many}, in a stable group")
    yield from _lag(stored, bool(members))


def heartbeats(latest_us: Mapping[int, int], stored: Sequence[StoredPartition], now_us: int) -> Checked:
    """Whether every partition that has had a message was told of lately; `latest_us` by partition number."""
    used = {partition.number for partition in stored if b'["applied"]' in partition.records}
    silent = sorted(number for number in used if now_us - latest_us.get(number, 0) > SILENT_US)
    if not silent:
        return Checked(
            "heartbeats", "ok", f"all {len(used)} partitions in use were told of within three minutes"
        )
    named = ", ".join(map(str, silent[:20])) + (", …" if len(silent) > 20 else "")
    what = f"no heartbeat in the topic metrics for three minutes of partition {named}"
    advice = "their worker is gone, stands, or works off a backlog: see the lines on workers and lag"
    return Checked("heartbeats", "warn", what, advice)


def _lag(stored: Sequence[StoredPartition], running: bool) -> Iterator[Checked]:
    if not stored:
        return
    waiting = sum(max(0, lag) for partition in stored for lag in partition.lag.values())
    unheard = sum(partition.lag[CONTROL] for partition in stored)
    if waiting > _KEEPS_UP or (waiting and not running):
        worst = max(stored, key=lambda partition: sum(partition.lag.values()))
        what = f"{waiting:,} records are not applied, most of them in partition {worst.number}"
        advice = "start more workers, up to one a partition" if running else "start a worker"
        yield Checked("lag", "warn", what, advice)
    else:
        also = f", {unheard} of them control events" if unheard > 0 else ""
        yield Checked("lag", "ok", f"{waiting:,} records are not applied yet{also}")
