"""What `streamgauge doctor` looks at in the cluster: brokers, topics, permissions, the clock."""

import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient, NewTopic, OffsetSpec

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import (
    ALERTS,
    CONTROL,
    DATA_INPUTS,
    INPUTS,
    METRICS,
    OUTPUTS,
    RETRAIN_REQUESTS,
    RETRAIN_STATUS,
    STATE,
)
from streamgauge.streams.checked import Checked
from streamgauge.streams.topics import TopicState, problems_of

#: What each user of the topics reads, and writes.
ROLES = {
    "worker": ((*INPUTS, STATE), (*OUTPUTS, STATE)),
    "serving": ((), DATA_INPUTS),
    "training": ((RETRAIN_REQUESTS, *DATA_INPUTS), (RETRAIN_STATUS,)),
    "operator": ((METRICS, ALERTS, RETRAIN_REQUESTS, RETRAIN_STATUS, STATE), (CONTROL,)),
}
_ANSWER_S = 5.0
_CONNECT_S = 2.0
#: Clocks of servers that are kept in time differ by milliseconds; `grace` has half a minute.
_SKEW_S = 2.0
_RECENT_S = 60.0


def brokers(metadata: Any, took_s: float) -> Iterator[Checked]:
    """Whether every broker can be reached at the address that it calls itself."""
    known = sorted(metadata.brokers.values(), key=lambda broker: broker.id)
    count = f"{len(known)} broker{'s' * (len(known) > 1)}"
    yield Checked("broker", "ok", f"{count}, first answer after {took_s * 1_000:.0f} ms")
    with ThreadPoolExecutor(8) as pool:
        for broker, trouble in zip(known, pool.map(_trouble, known), strict=True):
            if trouble is not None:
                yield Checked(
                    "broker",
                    "fail",
                    f"broker {broker.id} calls itself {broker.host}:{broker.port}, which cannot be reached "
                    f"from here: {trouble}",
                    "correct its advertised.listeners, or run this where that name leads to it",
                )


def _trouble(broker: Any) -> str | None:
    try:
        socket.create_connection((broker.host, broker.port), _CONNECT_S).close()
    except OSError as error:
        return str(error)
    return None


def topics(found: Sequence[TopicState], metadata: Any, prefix: str) -> Iterator[Checked]:
    """Whether a worker would start on the topics, and whether they are kept well."""
    problems = problems_of(found, prefix)
    for what, advice in problems:
        yield Checked("topics", "fail", what, advice)
    there = [topic for topic in found if topic.partitions]
    if there and not problems:
        yield Checked("topics", "ok", f"all {len(found)} are there, with {there[0].partitions} partitions")
    if there and not any(topic.config for topic in there):
        yield Checked("settings", "skip", "the settings of the topics cannot be read", None)
    elif there and not problems:
        yield Checked("settings", "ok", "clean-up, timestamps and message size are as they must be")
    yield from _copies(there, metadata)


def _copies(there: Sequence[TopicState], metadata: Any) -> Iterator[Checked]:
    partitions = {topic.name: list(metadata.topics[topic.name].partitions.values()) for topic in there}
    lost = [name for name, parts in partitions.items() if any(part.leader < 0 for part in parts)]
    if lost:
        advice = "start the brokers that hold them"
        yield Checked("copies", "fail", f"partitions without a leader in {', '.join(lost)}", advice)
    behind = [name for name, parts in partitions.items() if any(len(p.isrs) < len(p.replicas) for p in parts)]
    if behind:
        advice = "look at the brokers that hold them"
        yield Checked("copies", "warn", f"copies that are behind in {', '.join(behind)}", advice)
    single = [name for name, parts in partitions.items() if any(len(part.replicas) == 1 for part in parts)]
    if single and len(metadata.brokers) > 1:
        yield Checked(
            "copies",
            "warn",
            f"only one copy of {', '.join(single)}",
            f"a broker's loss loses them, and with {STATE} what the workers know: reassign them with "
            "kafka-reassign-partitions.sh, or create topics with --replication 3",
        )


def permissions(
    admin: AdminClient, connection: Connection, role: str, user: str
) -> tuple[list[Checked], set[str]]:
    """Whether these credentials may do what a role needs, as the broker's authorizer says; and the full names
    of topics that they may not even see. `user` is whom they are for, or empty if only the broker knows."""
    reads, writes = ROLES[role]
    names = {topic: connection.topic(topic) for topic in topics_of(role)}
    asked = admin.describe_topics(
        TopicCollection(list(names.values())), include_authorized_operations=True, request_timeout=_ANSWER_S
    )
    missing: list[tuple[str, str]] = []
    hidden, unknown = set(), False
    for topic, name in names.items():
        try:
            allowed = asked[name].result().authorized_operations
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                unknown = True
                continue
            if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return [Checked("permissions", "skip", f"{name}: {error.args[0].str()}")], set()
            allowed = []
            hidden.add(name)
        if allowed is None:
            return [Checked("permissions", "skip", "this broker does not say what is allowed")], set()
        missing += [("read", name)] * (topic in reads and AclOperation.READ not in allowed)
        missing += [("write", name)] * (topic in writes and AclOperation.WRITE not in allowed)
    who = f"User:{user}" if user else "the client's principal"
    found = [
        Checked(
            "permissions",
            "fail",
            f"these credentials may not {operation} {name}",
            f"kafka-acls.sh --add --allow-principal {who} --operation {operation} --topic {name}",
        )
        for operation, name in missing
    ]
    if unknown:
        done = Checked("permissions", "skip", "what is allowed is known once the topics are there")
    else:
        done = Checked("permissions", "ok", f"these credentials may do all that the role {role} needs")
    return found or [done], hidden


def topics_of(role: str) -> list[str]:
    """The topics, without prefix, that a role reads or writes."""
    return list(dict.fromkeys(topic for side in ROLES[role] for topic in side))


def clock(admin: AdminClient, connection: Connection, inputs: Sequence[TopicState], probe: bool) -> Checked:
    """How far this clock is from the brokers': by their records, or by one that is made for it (`probe`)."""
    if probe:
        try:
            return _skew(*_probed(admin, connection))
        except KafkaException as error:
            return Checked("clock", "skip", f"no topic of its own can be made: {error.args[0].str()}")
    asked = admin.list_offsets(
        {
            TopicPartition(topic.name, number): OffsetSpec.max_timestamp()
            for topic in inputs
            for number in range(topic.partitions)
        },
        request_timeout=_ANSWER_S,
    )
    try:
        newest_s = max(future.result().timestamp for future in asked.values()) / 1_000
    except KafkaException as error:
        return Checked("clock", "skip", f"the brokers do not say when events came: {error.args[0].str()}")
    now_s = time.time()
    if newest_s > now_s:
        return _skew(newest_s, now_s, now_s)
    if now_s - newest_s > _RECENT_S:
        what = "not compared: no event has come for a minute; --probe stores a record in a topic of its own"
        return Checked("clock", "skip", what)
    return Checked("clock", "ok", f"an event came {now_s - newest_s:.1f} s ago by the brokers' clock")


def _probed(admin: AdminClient, connection: Connection) -> tuple[float, float, float]:
    """(broker's time of a record, this machine's before it was sent, and after it was stored), seconds."""
    name = connection.topic(f"doctor-{uuid.uuid4().hex[:8]}")
    topic = NewTopic(name, 1, config={"message.timestamp.type": "LogAppendTime"})
    admin.create_topics([topic], operation_timeout=_ANSWER_S)[name].result(_ANSWER_S)
    stored: list[float] = []
    producer = Producer(connection.librdkafka() | {"linger.ms": 0, "log_level": 2})
    try:
        for _ in range(2):  # the first one waits for connections
            before_s = time.time()
            producer.produce(name, b"", callback=lambda _, message: stored.append(message.timestamp()[1]))
            producer.flush(_ANSWER_S)
            after_s = time.time()
    finally:
        producer.close()
        admin.delete_topics([name], operation_timeout=_ANSWER_S)[name].result(_ANSWER_S)
    return stored[-1] / 1_000, before_s, after_s


def _skew(broker_s: float, before_s: float, after_s: float) -> Checked:
    ahead_s = max(0.0, broker_s - after_s) - max(0.0, before_s - broker_s)
    if abs(ahead_s) <= _SKEW_S:
        return Checked("clock", "ok", f"within {abs(ahead_s) + after_s - before_s:.2g} s of the brokers'")
    which = "behind" if ahead_s > 0 else "ahead of"
    return Checked(
        "clock",
        "fail" if abs(ahead_s) > 10 else "warn",
        f"this machine is {abs(ahead_s):.1f} s {which} the brokers",
        "keep clocks in time (chrony, systemd-timesyncd): idle windows close by the workers' clock, and "
        "event times ahead of the brokers' are capped",
    )
