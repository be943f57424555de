"""The Kafka consumer of whatever in the notifier remembers, with the offsets of a group, where it stands."""

from confluent_kafka import Consumer, KafkaError

from streamgauge.clients.kafka_answers import FORBIDDEN, MISSING, explain, partitions_of
from streamgauge.clients.reach import Reach
from streamgauge.streams.settings import WorkerSettings


def open_consumer(settings: WorkerSettings, topic: str, group: str, name: str, **more: str | int) -> Consumer:
    """A member of `group` that is told where partitions end; `more` are librdkafka's settings.

    Raises `StreamgaugeError` if Kafka cannot be reached, or the topic is not there or not to be read.
    """
    connection = settings.connection
    reach = Reach(connection)
    config = connection.librdkafka() | {
        "group.id": group,
        "client.id": f"streamgauge-notifier-{name}",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "session.timeout.ms": int(settings.session_timeout_s * 1_000),
        "heartbeat.interval.ms": int(settings.heartbeat_interval_s * 1_000),
    }
    consumer = Consumer(reach.config(config | more), logger=reach)
    try:
        reach.check(consumer)
        partitions_of(consumer, topic)
    except BaseException:
        consumer.close()
        raise
    return consumer


def raise_if_lasting(error: KafkaError, topic: str) -> None:
    """Raises `StreamgaugeError` for what does not pass by itself."""
    if error.fatal() or error.code() in (*MISSING, *FORBIDDEN):
        raise explain(error, topic)
