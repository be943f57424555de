"""Until when each partition is known to be worked on, by the heartbeats among the metrics."""

import time
from functools import partial

from confluent_kafka import TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_answers import answer, partitions_of
from streamgauge.clients.metrics import MetricSubscription
from streamgauge.clients.values import microseconds

#: How far back heartbeats are looked for: they come each minute, and metrics are kept for weeks.
_BACK_S = 600.0


def latest_heartbeats(connection: Connection) -> dict[int, int]:
    """By partition number, microseconds since the epoch up to which the last heartbeat says all is applied.

    A partition without one in the last ten minutes is not in it.
    """
    latest: dict[int, int] = {}
    with _Recent(connection, stop_at_end=True, model="") as beats:
        for beat in beats:
            number = int(beat.segment.get("partition", -1))
            latest[number] = max(latest.get(number, 0), microseconds(beat.window.end))
    return latest


class _Recent(MetricSubscription):
    def _begin(self, start: str) -> None:
        partitions = partitions_of(self._consumer, self._name)
        since_ms = round((time.time() - _BACK_S) * 1_000)
        asked = [TopicPartition(self._name, number, since_ms) for number in partitions]
        self._assigned = set(partitions)
        self._consumer.assign(answer(partial(self._consumer.offsets_for_times, asked)))
