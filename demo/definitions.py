"""Sends the demo's fleet document and monitor definitions through the control topic, as an operator would."""

from importlib.resources import files

from confluent_kafka import Producer

from streamgauge.clients.connection import Connection
from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.errors import StreamgaugeError
from streamgauge.schemas.message import CONTROL
from streamgauge.streams.safe_yaml import documents

ACTOR = "demo"
SEND_WITHIN_S = 10.0


def definition_events(time_us: int) -> list[Define]:
    """The fleet document, then a definition a model.

    >>> [event.model for event in definition_events(1_800_000_000_000_000)]
    [None, 'phishing', 'approval', 'credit']
    """
    text = files("streamgauge.demo").joinpath("definitions.yaml").read_text()
    return [
        Define(actor=ACTOR, time_us=time_us, model=document.get("model"), document=document)
        for document in documents(text)
    ]


def send_definitions(connection: Connection, time_us: int) -> None:
    """To the partition of each model; the fleet document to all. Raises `StreamgaugeError`."""
    producer = Producer(
        connection.librdkafka() | {"partitioner": "murmur2_random", "enable.idempotence": True}
    )
    topic = connection.topic(CONTROL)
    partitions = producer.list_topics(topic, timeout=SEND_WITHIN_S).topics[topic].partitions
    for event in definition_events(time_us):
        value, headers = encode_control(event)
        if event.model is not None:
            producer.produce(topic, value, event.model.encode(), headers=list(headers))
            continue
        for partition in partitions:
            producer.produce(topic, value, partition=partition, headers=list(headers))
    if producer.flush(SEND_WITHIN_S):
        raise StreamgaugeError(f"the monitor definitions did not reach {topic} in {SEND_WITHIN_S:.0f} s")
