"""One target of retrain requests at work: hands over what is its, answers for it, and remembers in Kafka.

Its consumer group is its memory, as a `Runner`'s is. Between attempts it looks at Kafka, so that a request
which the target does not take holds up neither other partitions nor a rebalance.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

import structlog

from streamgauge.clients.events import RetrainRequest
from streamgauge.clients.retrain import RetrainRequests
from streamgauge.notify.config import HandOver
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.core.waiting import Wait, Waiting
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
        self._waiting = Waiting(expire_us)
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
                wait_s = 0.0 if self._waiting.due(_now_us()) else _WAIT_S
                request = requests.poll(wait_s)
                if request is not None:
                    self._take(request)
                self._waiting.keep(requests.holds)
                wait = self._waiting.due(_now_us())
                if wait is not None:
                    self._try(wait, stop)

    def _take(self, request: RetrainRequest) -> None:
        entry = self._entry(request)
        if entry is None or entry.to != self._name:
            self._requests.done(request)
        else:
            self._waiting.add(request, _now_us())

    def _entry(self, request: RetrainRequest) -> HandOver | None:
        try:
            return entry_of(self._entries, checked_request(request).model)
        except BadEvent as error:
            log.warning("unreadable", **request.position._asdict(), target=self._name, reason=error.detail)
            return None

    def _try(self, wait: Wait, stop: Event) -> None:
        request = wait.copies[0]
        with self._telemetry.attempt_seconds.labels(self._name).time():
            outcome = self._hand(request, _now_us())
        self._telemetry.attempts.labels(self._name, outcome.result.value).inc()
        if outcome.result is Result.FAILED:
            again = self._waiting.failed(wait, outcome.pause_us, _now_us())
            said = {"target": self._name, "request": request.event_id, "reason": outcome.reason}
            log.warning("attempt_failed", **said, attempts=wait.failures)
            if again:
                return
        if self._answered(request, outcome, stop):
            self._waiting.finish(wait)
            for copy in wait.copies:
                self._requests.done(copy)

    def _answered(self, request: RetrainRequest, outcome: Outcome, stop: Event) -> bool:
        """Whether all is said that there is to say; not, if it is to stop before."""
        said = {"target": self._name, "request": request.event_id, "reason": outcome.reason}
        if outcome.result is Result.DELIVERED:
            entry = self._entry(request)
            accept = partial(self._requests.accept, request, f"handed over to {self._name}")
            if entry is not None and entry.accept and not until_stored(accept, stop):
                return False
            self._telemetry.requests.labels(self._name, "delivered").inc()
            log.info("handed_over", **said)
            return True
        if outcome.result is Result.REFUSED:
            reason = f"{self._name} refused it: {outcome.reason}"
            if not until_stored(partial(self._requests.answer, request, "declined", message=reason), stop):
                return False
        # one that failed for too long is asked for again by the worker, with the next attempt
        told = "refused" if outcome.result is Result.REFUSED else "expired"
        self._telemetry.requests.labels(self._name, told).inc()
        log.error("given_up", **said, outcome=told)
        return True


def _now_us() -> int:
    return time.time_ns() // 1_000
