"""The topics: what they are created with, and what a worker refuses to start on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streamgauge.clients.connection import Connection
from streamgauge.clients.reach import LIBRDKAFKA, Reach, passes
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.message import INPUTS, STATE, TOPICS

DEFAULT_PARTITIONS = 8
#: What every topic must let through: a dead letter quotes up to 512 kB, in base64.
MAX_MESSAGE_BYTES = 2_097_152
_TIMEOUT_S = 20.0

#: For so long the topic `state` tells that a key was deleted.
DELETIONS_KEPT_S = 7 * 24 * 3600

_STATE_CONFIG = {
    "cleanup.policy": "compact",
    "segment.bytes": str(64 * 1024 * 1024),
    "segment.ms": str(10 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(DELETIONS_KEPT_S * 1000),
}


@dataclass(frozen=True, slots=True)
class TopicState:
    """One of our topics as the cluster has it; `partitions` is 0 if it is missing, `config` what matters."""

    name: str
    partitions: int
    config: Mapping[str, str]


def topic_config(name: str) -> dict[str, str]:
    """The configuration of the topic `name` (without prefix).

    >>> topic_config("predictions")["message.timestamp.type"]
    'LogAppendTime'
    """
    config = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    if name in INPUTS:
        config["message.timestamp.type"] = "LogAppendTime"  # Kafka's default is the client's clock
    if name == STATE:
        config |= _STATE_CONFIG
    return config


def create_topics(
    connection: Connection, *, partitions: int | None = None, replication: int = 1
) -> tuple[str, ...]:
    """Create whichever topics are missing; their full names. Raises `ConfigurationError`.

    Without `partitions` they get the count of those that exist, or else `DEFAULT_PARTITIONS`. Existing topics
    stay as they are; if the partition count of one is another, nothing is created.
    """
    admin = AdminClient(connection.librdkafka(), logger=LIBRDKAFKA)
    there = {topic.name: topic.partitions for topic in describe_topics(connection) if topic.partitions}
    if partitions is None:
        partitions = next(iter(there.values()), DEFAULT_PARTITIONS)
    other = {name: count for name, count in there.items() if count != partitions}
    if other:
        raise ConfigurationError(
            f"topics exist with other partition counts: {_counts(other)}. All topics must have one count, "
            f"which cannot be changed later: use --partitions {next(iter(other.values()))} for the rest, "
            "or use another STREAMGAUGE_TOPIC_PREFIX"
        )
    new = [
        NewTopic(connection.topic(name), partitions, replication, config=topic_config(name))
        for name in TOPICS
        if connection.topic(name) not in there
    ]
    if not new:
        return ()
    for name, future in admin.create_topics(new, operation_timeout=_TIMEOUT_S).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise ConfigurationError(f"{name} could not be created: {error.args[0].str()}") from error
    return tuple(topic.topic for topic in new)


def describe_topics(connection: Connection) -> tuple[TopicState, ...]:
    """All our topics, in the order of the contract. Raises `UnreachableError` if no broker answers.

    The embedded broker has no configurations; there, `config` is empty.
    """
    reach = Reach(connection)
    admin = AdminClient(reach.config(connection.librdkafka()), logger=reach)
    metadata = reach.metadata(admin)
    names = [connection.topic(name) for name in TOPICS]
    found = metadata.topics
    # The embedded broker names a controller that does not exist, and would be waited for.
    controlled = metadata.controller_id in metadata.brokers
    there = [name for name in names if name in found]
    configs = _configs(admin, reach, there) if controlled else {name: {} for name in there}
    return tuple(
        TopicState(name, len(found[name].partitions) if name in configs else 0, configs.get(name, {}))
        for name in names
    )


def check_topics(topics: Sequence[TopicState], prefix: str) -> int:
    """The partition count of all topics. Raises `ConfigurationError` that says what to do.

    >>> check_topics([TopicState("predictions", 4, {}), TopicState("state", 4, {})], prefix="")
    4
    """
    for what, advice in problems_of(topics, prefix):
        raise ConfigurationError(f"{what}. {advice[0].upper()}{advice[1:]}")
    return topics[0].partitions


def problems_of(topics: Sequence[TopicState], prefix: str) -> list[tuple[str, str]]:
    """Why a worker would not start on the topics: (what is wrong, what to do).

    >>> problems_of([TopicState("predictions", 4, {}), TopicState("state", 0, {})], prefix="")
    [('topics are missing: state', 'run `streamgauge topics create`')]
    """
    found = []
    missing = [topic.name for topic in topics if not topic.partitions]
    if missing:
        found.append((f"topics are missing: {', '.join(missing)}", "run `streamgauge topics create`"))
    counts = {topic.name: topic.partitions for topic in topics if topic.partitions}
    if len(set(counts.values())) > 1:
        found.append(
            (
                f"topics have different partition counts: {_counts(counts)}. A model's events must have the "
                "same partition number in all of them",
                "delete those with the wrong count and run `streamgauge topics create --partitions "
                f"{next(iter(counts.values()))}`, or use another STREAMGAUGE_TOPIC_PREFIX",
            )
        )
    for topic in topics:
        wanted = topic_config(topic.name.removeprefix(prefix))
        limit = topic.config.get("max.message.bytes")
        if limit is not None and int(limit) < MAX_MESSAGE_BYTES:
            found.append(
                (
                    f"{topic.name} takes messages of at most {limit} bytes",
                    f"set its max.message.bytes to {MAX_MESSAGE_BYTES} or more",
                )
            )
        found += [
            (
                f"{topic.name} has {key}={topic.config[key]}",
                f"set it to {wanted[key]}, for example with kafka-configs.sh --alter --topic {topic.name} "
                f"--add-config {key}={wanted[key]}",
            )
            for key in ("cleanup.policy", "message.timestamp.type")
            if key in wanted and topic.config.get(key, wanted[key]) != wanted[key]
        ]
    return found


def _configs(admin: AdminClient, reach: Reach, names: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """The configuration of each topic that is there still, empty where it cannot be had."""
    if not names:
        return {}
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=_TIMEOUT_S
    )
    configs: dict[str, Mapping[str, str]] = {}
    for resource, future in asked.items():
        try:
            found = future.result()
        except KafkaException as error:
            code = error.args[0].code()
            if code in _NO_CONFIGS:
                return {name: {} for name in names}
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:  # deleted since the metadata was read
                continue
            if passes(error.args[0]):
                raise reach.lost(error.args[0]) from error
            raise ConfigurationError(f"{resource.name}: {error.args[0].str()}") from error
        relevant = topic_config("") | topic_config(INPUTS[0]) | topic_config(STATE)
        configs[resource.name] = {key: str(found[key].value) for key in relevant if key in found}
    return configs


#: The embedded broker cannot describe configurations, and some clusters do not let us.
_NO_CONFIGS = frozenset(
    [
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    ]
)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
