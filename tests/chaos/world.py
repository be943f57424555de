"""What actions act on: a broker, workers, and senders whose topics can be paused."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from confluent_kafka import KafkaError

from streamgauge.clients.connection import Connection
from streamgauge.clients.control import Control
from tests.acceptance.senders import Loggers, bare_producer, send_bare
from tests.acceptance.traffic import Parcel
from tests.chaos.fleet import Fleet
from tests.chaos.scale import Scale
from tests.kafka_broker import Broker

Headers = list[tuple[str, bytes]]


class World:
    """Everything of one run. Sending is the traffic thread's; pauses and notes may come from any."""

    def __init__(
        self, broker: Broker, connection: Connection, fleet: Fleet, scale: Scale, start_us: int
    ) -> None:
        self.broker = broker
        self.scale = scale
        self.connection = connection
        self.fleet = fleet
        self.start_us = start_us
        self.notes: list[str] = []
        self.failures: list[str] = []
        self.sent = 0
        self._producer = bare_producer(connection, {"message.max.bytes": 2_000_000})
        self._loggers = Loggers(connection)
        self._control: Control | None = None
        self._paused_until: dict[str, float] = {}
        self._held: dict[str, list[Callable[[], None]]] = defaultdict(list)
        self._lock = threading.Lock()

    @property
    def now_s(self) -> float:
        """Seconds of the run."""
        return time.time() - self.start_us / 1e6

    @property
    def control(self) -> Control:
        """The operator's."""
        if self._control is None:
            self._control = Control(self.connection, "chaos")
        return self._control

    @staticmethod
    def wait(seconds: float) -> None:
        """While something is broken."""
        threading.Event().wait(seconds)

    def note(self, text: str) -> None:
        """Something worth knowing that is no failure."""
        self.notes.append(f"{self.now_s:.1f} s: {text}")

    def pause_topic(self, topic: str, seconds: float) -> None:
        """Whoever sends to this topic waits, while the others go on."""
        with self._lock:
            self._paused_until[topic] = time.monotonic() + seconds

    def send(self, parcel: Parcel) -> None:
        """By its route, in order, when its topic is not paused."""

        def now() -> None:
            if parcel.route == "logger":
                self._loggers.log(parcel)
            else:
                send_bare(self.connection, self._producer, parcel)

        self.sent += len(parcel.events)
        self._pass(parcel.topic, now)

    def produce(self, topic: str, value: bytes | None, key: str, headers: Headers) -> None:
        """One record as it is."""

        def told(error: KafkaError | None, _: object) -> None:
            if error is not None:
                self.failures.append(f"a record of {topic} was not taken: {error}")

        def now() -> None:
            self._producer.produce(
                self.connection.topic(topic), value, key, headers=list(headers), on_delivery=told
            )

        self._pass(topic, now)

    def release(self, *, everything: bool = False) -> None:
        """Send what was held back and may go now."""
        for topic in list(self._held):
            if everything or self._may_go(topic):
                for now in self._held.pop(topic):
                    now()
        self._producer.poll(0)

    def finish_sending(self) -> None:
        """Until the broker has everything."""
        self.release(everything=True)
        lost = [stats for stats in self._loggers.close() if stats.dropped or stats.invalid]
        if lost:
            self.failures.append(f"loggers lost events: {lost}")
        if left := self._producer.flush(120):
            self.failures.append(f"{left} records were not delivered within 120 s")

    def _pass(self, topic: str, now: Callable[[], None]) -> None:
        if self._held.get(topic) or not self._may_go(topic):
            self._held[topic].append(now)
        else:
            now()

    def _may_go(self, topic: str) -> bool:
        with self._lock:
            return time.monotonic() >= self._paused_until.get(topic, 0.0)
