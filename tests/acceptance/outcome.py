"""What a run of workers left in Kafka, as the acceptance tests look at it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import DEAD_LETTERS, STATE
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.records import StateRecords
from tests.acceptance.traffic import PARTITIONS
from tests.harness import read_topic

Record = Mapping[str, Any]


def records(connection: Connection, topic: str) -> list[Record]:
    """The committed JSON records of an output topic."""
    return [json.loads(m.value()) for m in read_topic(connection.bootstrap_servers, connection.topic(topic))]


def partitions(connection: Connection) -> list[Partition]:
    """Each partition as restored from the state topic."""
    parts = [StateRecords() for _ in range(PARTITIONS)]
    for message in read_topic(connection.bootstrap_servers, connection.topic(STATE)):
        parts[message.partition()].read(message.key() or b"", message.value(), message.headers())
    settings = CoreSettings(clock="events")
    return [Partition.restore(number, settings, stored.snapshots()) for number, stored in enumerate(parts)]


def ledgers(connection: Connection) -> Counter[str]:
    """Both ledgers over all partitions, and the dead letters by reason."""
    total: Counter[str] = Counter()
    for partition in partitions(connection):
        total.update(partition.counts())
    total.update(f"dead:{letter['reason']}" for letter in records(connection, DEAD_LETTERS))
    return total


def balance(total: Counter[str], sent: int, refused: Iterable[str] = ()) -> None:
    """Every event is in exactly one place of the intake ledger, and every applied one of the join's."""
    taken = sum(total[name] for name in ("applied", "duplicate", "stale_revision", "late"))
    assert taken + sum(total[f"dead:{reason}"] for reason in refused) == sent, total
    assert total["predictions"] == total["pending"] + total["labelled"] + total["expired"], total
    ends = ("joined", "waiting", "orphaned", "superseded", "retracted")
    assert total["labels"] == sum(total[name] for name in ends), total
    assert total["applied"] == total["predictions"] + total["labels"], total
