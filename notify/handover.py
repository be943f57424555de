"""One target of retrain requests at work: hands over what is its, answers for it, and remembers in Kafka.

Its consumer group is its memory, as a `Runner`'s is. Requests are few, so it does one after the other.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

import structlog

from streamgauge.clients.events import RetrainRequest
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.notify.config import HandOver
from streamgauge.notify.core.breaker import LONGEST_ASKED_US, backoff_us
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.hooks import Hand
from streamgauge.notify.records import checked_request
from streamgauge.notify.telemetry import Telemetry
from streamgauge.schemas.errors import BadEvent, StreamgaugeError
from streamgauge.streams.settings import WorkerSettings

_WAIT_S = 0.25
#: Between attempts to store an answer.
_RETRY_S = 10.0

log = structlog.get_logger("streamgauge.notifier")


def entry_of(entries: Sequence[HandOver], model: str) -> HandOver | None:
    """The first that fits a model."""
    return next((entry for entry in entries if entry.fits(model)), None)


def until_stored(answer: Callable[[], None], stop: Event, pause_s: float = _RETRY_S) -> bool:
    """Gives an answer until Kafka has it: what was handed over should not be so again. False: it is to stop
    before."""
    while True:
        try:
            answer()
        except StreamgaugeError as error:
            log.warning("not_answered", reason=str(error))
        else:
            return True
        if stop.wait(pause_s):
            return False


class Handing:
    """Reads, hands over, answers and commits for one target. `ready` is set once it reads."""

    def __init__(
        self, name: str, entries: Sequence[HandOver], hand: Hand, expire_us: int,
        *, settings: WorkerSettings, telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._name = name
        self._entries = entries
        self._hand = hand
        self._expire_us = expire_us
        self._telemetry = telemetry
        self.ready = Event()
        connection = settings.connection
        group = connection.topic(f"notifier.{name}.retrain")
        self._requests = RetrainRequests(connection, group, start="earliest")

    def run(self, stop: Event) -> None:
        """Until `stop`; the attempt that is being made is finished first."""
        with self._requests as requests:
            self.ready.set()
            while not stop.is_set():
                request = requests.poll(_WAIT_S)
                if request is None:
                    continue
                entry = self._entry(request)
                if entry is None or entry.to != self._name:
                    requests.done(request)
                    continue
                outcome = self._handed_over(request, stop)
                if outcome is not None:
                    self._answer(request, entry, outcome, stop)

    def _entry(self, request: RetrainRequest) -> HandOver | None:
        try:
            return entry_of(self._entries, checked_request(request).model)
        except BadEvent as error:
            log.warning("unreadable", **request.position._asdict(), target=self._name, reason=error.detail)
            return None

    def _handed_over(self, request: RetrainRequest, stop: Event) -> Outcome | None:
        """What came of it in the end: taken, refused, or failed for too long. None: it is to stop before."""
        said = {"target": self._name, "request": request.event_id}
        expires_us = min(_now_us() + self._expire_us, round(request.expires_at.timestamp() * 1_000_000))
        failures = 0
        while True:
            with self._telemetry.attempt_seconds.labels(self._name).time():
                outcome = self._hand(request, _now_us())
            self._telemetry.attempts.labels(self._name, outcome.result.value).inc()
            if outcome.result is not Result.FAILED:
                return outcome
            failures += 1
            log.warning("attempt_failed", **said, reason=outcome.reason, attempts=failures)
            pause_us = max(backoff_us(failures), min(outcome.pause_us, LONGEST_ASKED_US))
            if _now_us() + pause_us >= expires_us:
                return outcome
            if stop.wait(pause_us / 1_000_000):
                return None

    def _answer(self, request: RetrainRequest, entry: HandOver, outcome: Outcome, stop: Event) -> None:
        said = {"target": self._name, "request": request.event_id, "reason": outcome.reason}
        if outcome.result is Result.DELIVERED:
            accept = partial(self._requests.accept, request, f"handed over to {self._name}")
            if entry.accept and not until_stored(accept, stop):
                return
            self._requests.done(request)
            self._telemetry.requests.labels(self._name, "delivered").inc()
            log.info("handed_over", **said)
            return
        if outcome.result is Result.REFUSED:
            decline = partial(self._requests.declined, request, f"{self._name} refused it: {outcome.reason}")
            if not until_stored(decline, stop):
                return
        self._requests.done(request)  # one that failed for too long is asked for again, with the next attempt
        told = "refused" if outcome.result is Result.REFUSED else "expired"
        self._telemetry.requests.labels(self._name, told).inc()
        log.error("given_up", **said, outcome=told)


def _now_us() -> int:
    return time.time_ns() // 1_000
