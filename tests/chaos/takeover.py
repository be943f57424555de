"""How long a killed worker's models are without one: python -m tests.chaos.takeover --tries 5."""

import argparse
import sys
import tempfile
import time
import uuid
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.control import Control
from streamgauge.schemas.message import DATA_INPUTS
from tests.acceptance.run import open_partitions
from tests.acceptance.senders import Sender
from tests.acceptance.traffic import PARTITIONS, definitions, make_traffic
from tests.acceptance.waiting import wait_applied
from tests.chaos.fleet import Fleet
from tests.harness import create_topics, wait_until
from tests.kafka_broker import open_jar_broker

SESSION_S = 10.0
_PER_SECOND = 2_000
#: Who has applied what was there so long ago has caught up with traffic that goes on.
_BEHIND_S = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.takeover", description=__doc__)
    parser.add_argument("--tries", type=int, default=5)
    tries = parser.parse_args().tries
    found = []
    with tempfile.TemporaryDirectory() as data, open_jar_broker(Path(data)) as broker:
        for number in range(tries):
            owned_s, caught_up_s = take_over(broker.bootstrap_servers, number)
            found.append(caught_up_s)
            print(f"open after {owned_s:.1f} s, caught up after {caught_up_s:.1f} s", flush=True)
    found.sort()
    print(
        f"kill -9 of one of two workers at {_PER_SECOND} events/s, session {SESSION_S:.0f} s: "
        f"caught up after {found[len(found) // 2]:.1f} s, the longest of {tries}: {found[-1]:.1f} s"
    )
    return 0


def take_over(bootstrap_servers: str, seed: int) -> tuple[float, float]:
    """Seconds from the kill until the other worker has all partitions open, and until it has caught up."""
    connection = create_topics(bootstrap_servers, f"takeover-{uuid.uuid4().hex[:8]}.", PARTITIONS)
    with tempfile.TemporaryDirectory() as logs, Fleet(connection, Path(logs), session_s=SESSION_S) as fleet:
        for _ in range(2):
            fleet.join().wait_ready()
        survivor, victim = fleet.members
        wait_until(lambda: open_partitions(survivor) == open_partitions(victim) == PARTITIONS // 2)
        define(connection)
        sender = Sender(connection, make_traffic(seed).parcels, _PER_SECOND).start()
        wait_until(lambda: sender.sent > sender.events // 8)
        fleet.lose(victim)
        began = time.monotonic()
        wait_until(lambda: open_partitions(survivor) == PARTITIONS)
        owned_s = time.monotonic() - began
        progress = Progress(connection)
        wait_until(progress.has_caught_up)
        caught_up_s = time.monotonic() - began
        assert sender.sent < sender.events, "the traffic was over before the worker had taken over"
        sender.wait()
        wait_applied(connection)
    return owned_s, caught_up_s


class Progress:
    """How far the group is behind the ends of the data inputs, look by look."""

    def __init__(self, connection: Connection) -> None:
        group = {"group.id": f"{connection.prefix}worker", "enable.auto.commit": False}
        self._consumer = Consumer(connection.librdkafka() | group)
        self._inputs = [
            TopicPartition(connection.topic(name), number)
            for name in DATA_INPUTS
            for number in range(PARTITIONS)
        ]
        self._ends: list[tuple[float, list[int]]] = []

    def has_caught_up(self) -> bool:
        """Whether all that was there a second ago is applied and committed."""
        ends = [self._consumer.get_watermark_offsets(at, timeout=10, cached=False)[1] for at in self._inputs]
        self._ends.append((time.monotonic(), ends))
        offsets = [at.offset for at in self._consumer.committed(self._inputs, timeout=10)]
        now = time.monotonic()
        before = [ends for moment, ends in self._ends if moment <= now - _BEHIND_S]
        return bool(before) and all(
            max(offset, 0) >= end for offset, end in zip(offsets, before[-1], strict=True)
        )


def define(connection: Connection) -> None:
    """What the traffic's models are watched for."""
    control = Control(connection, "takeover")
    for document in definitions():
        control.define(document)
    wait_applied(connection)


if __name__ == "__main__":
    sys.exit(main())
