"""One target at work: a consumer of `alerts` of its own, in a thread of its own, until it is stopped.

Its consumer group is its memory. Others have their own: a target that is down, slow or new concerns no other.
"""

import time
from collections.abc import Sequence
from functools import partial
from threading import Event
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from streamgauge.clients.connection import Connection
from streamgauge.clients.kafka_answers import answer
from streamgauge.notify.config import Route, Target
from streamgauge.notify.consuming import open_consumer, raise_if_lasting
from streamgauge.notify.core.outbox import Outbox
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.core.queues import Notification, Transition
from streamgauge.notify.records import alert_of
from streamgauge.notify.senders import Sender
from streamgauge.notify.telemetry import Telemetry
from streamgauge.schemas.errors import BadEvent
from streamgauge.schemas.message import ALERTS
from streamgauge.streams.settings import WorkerSettings

_WAIT_S = 0.25
_TOGETHER = 100
#: Attempts between two looks at Kafka.
_ATTEMPTS = 20
#: How long attempts may keep a thread from Kafka before its partitions go to another notifier.
_POLL_INTERVAL_MS = 600_000
#: What is fetched ahead. There may be 50 targets, and librdkafka would take 64 MB for each.
_FETCHED_KB = 2_048

log = structlog.get_logger("streamgauge.notifier")


def group_of(connection: Connection, name: str) -> str:
    """The consumer group of a target."""
    return connection.topic(f"notifier.{name}")


class Runner:
    """Reads, delivers and commits for one target. `ready` is set once it has its partitions."""

    def __init__(
        self, name: str, target: Target, routes: Sequence[Route], sender: Sender,
        *, settings: WorkerSettings, telemetry: Telemetry,
    ) -> None:  # fmt: skip
        connection = settings.connection
        self._name = name
        self._sender = sender
        self._telemetry = telemetry
        self._topic = connection.topic(ALERTS)
        self._outbox = Outbox(name, target, routes, getattr(target, "resend", None))
        self._paused = False
        self.ready = Event()
        more: dict[str, str | int] = {
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": _FETCHED_KB,
            "max.poll.interval.ms": _POLL_INTERVAL_MS,
        }
        self._consumer = open_consumer(settings, self._topic, group_of(connection, name), name, **more)

    def run(self, stop: Event) -> None:
        """Until `stop`; the attempt that is being made is finished first."""
        self._consumer.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke)
        try:
            while not stop.is_set():
                self._read()
                self._deliver(stop)
                self._commit()
                self._measure()
        finally:
            self._consumer.close()

    def _read(self) -> None:
        self._pause(self._outbox.is_full)
        wait_s = _WAIT_S
        for _ in range(
            _TOGETHER
        ):  # one by one: any poll may take a partition, and give it with another start
            message = self._consumer.poll(wait_s)
            if message is None:
                break
            wait_s = 0.0
            error = message.error()
            if error is not None:
                self._notice(error, message)
            else:
                self._record(message)
            if self._outbox.is_full:
                break

    def _record(self, message: Any) -> None:
        partition, offset = message.partition(), message.offset()
        lost = self._outbox.record(partition, offset, self._alert(message), _now_us())
        if lost:
            self._telemetry.transitions.labels(self._name, "lost").inc(lost)
            log.error("transitions_lost", target=self._name, count=lost, reason="deleted by retention")

    def _alert(self, message: Any) -> Any:
        try:
            return alert_of(message)
        except BadEvent as error:
            self._telemetry.unreadable.labels(self._name).inc()
            log.warning("unreadable", **_where(message), target=self._name, reason=error.detail)
            return None

    def _deliver(self, stop: Event) -> None:
        self._give_up(self._outbox.give_up(_now_us()), "expired", "it could not be delivered in time")
        for _ in range(_ATTEMPTS):
            notification = None if stop.is_set() else self._outbox.due(_now_us())
            if notification is None:
                break
            outcome = self._attempt(lambda now_us, what=notification: self._sender.send(what, now_us))
            self._settle(notification, outcome)
            self._commit()
        if self._sender.refresh is not None and not stop.is_set():
            episodes, refresh = self._outbox.refresh(_now_us()), self._sender.refresh
            for start in range(0, len(episodes), _TOGETHER):
                some = episodes[start : start + _TOGETHER]
                outcome = self._attempt(lambda now_us, some=some: refresh(some, now_us))
                if outcome.result is Result.DELIVERED:
                    self._outbox.breaker.succeeded(_now_us())
                    continue
                log.warning("refresh_failed", target=self._name, reason=outcome.reason)
                if outcome.result is Result.FAILED:
                    self._outbox.breaker.failed(_now_us(), outcome.pause_us)
                    break

    def _attempt(self, make: Any) -> Outcome:
        with self._telemetry.attempt_seconds.labels(self._name).time():
            outcome: Outcome = make(_now_us())
        self._telemetry.attempts.labels(self._name, outcome.result.value).inc()
        return outcome

    def _settle(self, notification: Notification, outcome: Outcome) -> None:
        self._outbox.settle(notification, outcome, _now_us())
        said = {"target": self._name, "notification": notification.key, "reason": outcome.reason}
        if outcome.result is Result.FAILED:
            log.warning("attempt_failed", **said, attempts=notification.attempts)
        elif outcome.result is Result.REFUSED:
            self._give_up(notification.transitions, "refused", outcome.reason)
        else:
            self._telemetry.transitions.labels(self._name, "delivered").inc(len(notification.transitions))
            log.info("delivered", **{key: text for key, text in said.items() if text})

    def _give_up(self, transitions: Sequence[Transition], outcome: str, reason: str) -> None:
        for each in transitions:
            self._telemetry.transitions.labels(self._name, outcome).inc()
            log.error(
                "given_up", target=self._name, outcome=outcome, reason=reason, alert_id=each.alert.alert_id,
                sequence=each.alert.sequence, partition=each.partition, offset=each.offset,
            )  # fmt: skip

    def _commit(self) -> None:
        places = self._outbox.commits()
        if not places:
            return
        offsets = [TopicPartition(self._topic, n, offset, text) for n, (offset, text) in places.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:  # it is committed with what comes next
            log.warning("not_committed", target=self._name, reason=error.args[0].str())
        else:
            self._outbox.committed(places)

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        found = answer(partial(consumer.committed, partitions)) if partitions else []
        for place in found:
            if place.error is not None:  # an unknown offset is none: the target would count as new
                raise KafkaException(place.error)
            low, high = answer(partial(consumer.get_watermark_offsets, place))
            where = {"target": self._name, "partition": place.partition, "committed": place.offset}
            known = place.offset if 0 <= place.offset <= high else None
            if place.offset > high:
                log.error("begun_anew", **where, reason="the topic was made anew")
            start = self._outbox.assign(place.partition, known, place.metadata)
            if start is not None and start < low:
                log.warning("alerts_forgotten", **where, reason="retention deleted how they opened")
            place.offset = OFFSET_BEGINNING if start is None else start
        consumer.assign([TopicPartition(p.topic, p.partition, p.offset) for p in found])
        self._paused = False
        self.ready.set()

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        for place in partitions:
            self._outbox.revoke(place.partition)

    def _pause(self, wanted: bool) -> None:
        if wanted is not self._paused:
            change = self._consumer.pause if wanted else self._consumer.resume
            change(self._consumer.assignment())
            self._paused = wanted

    def _notice(self, error: KafkaError, message: Any) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._outbox.end(message.partition(), message.offset(), _now_us())
        else:
            raise_if_lasting(error, self._topic)
            log.warning("kafka", target=self._name, reason=error.str())

    def _measure(self) -> None:
        self._telemetry.waiting.labels(self._name).set(self._outbox.waiting)
        self._telemetry.open_alerts.labels(self._name).set(self._outbox.open_alerts)
        self._telemetry.breaker_open.labels(self._name).set(self._outbox.breaker.is_tripped)


def _where(message: Any) -> dict[str, Any]:
    return {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}


def _now_us() -> int:
    return time.time_ns() // 1_000
