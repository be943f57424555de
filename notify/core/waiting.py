"""Retrain requests that one target does not have yet, and when each is tried next."""

from collections.abc import Callable
from dataclasses import dataclass

from streamgauge.clients.events import RetrainRequest
from streamgauge.notify.core.breaker import LONGEST_ASKED_US, backoff_us


@dataclass(slots=True)
class Wait:
    """Of one request; `copies` are where it stands in the topic, which is once as a rule."""

    copies: list[RetrainRequest]
    next_us: int
    expires_us: int
    failures: int = 0


class Waiting:
    """Times are microseconds since 1970, and are given.

    The first of each partition is tried; those behind it wait for it, so that the offset which Kafka keeps
    says what is done, and none is handed over again by the next notifier. Partitions wait for no other.
    """

    def __init__(self, expire_us: int) -> None:
        self._expire_us = expire_us
        self._waits: dict[str, Wait] = {}

    def add(self, request: RetrainRequest, now_us: int) -> None:
        """A request was read. One that comes again, as after a rebalance, keeps its pace."""
        wait = self._waits.get(request.event_id)
        if wait is None:
            expires_us = min(now_us + self._expire_us, round(request.expires_at.timestamp() * 1_000_000))
            self._waits[request.event_id] = Wait([request], now_us, expires_us)
        elif all(request.position != copy.position for copy in wait.copies):
            wait.copies.append(request)

    def due(self, now_us: int) -> Wait | None:
        """The one whose turn came first, so that no partition is starved; None: no turn has come."""
        heads: dict[int, Wait] = {}
        for each in self._waits.values():
            heads.setdefault(each.copies[0].position.partition, each)
        wait = min(heads.values(), key=lambda each: each.next_us, default=None)
        return None if wait is None or wait.next_us > now_us else wait

    def failed(self, wait: Wait, pause_us: int, now_us: int) -> bool:
        """An attempt failed, and the target asks for a pause. Whether there will be another before the
        request ends."""
        wait.failures += 1
        wait.next_us = now_us + max(backoff_us(wait.failures), min(pause_us, LONGEST_ASKED_US))
        return wait.next_us < wait.expires_us

    def finish(self, wait: Wait) -> None:
        """It is over for this request."""
        del self._waits[wait.copies[0].event_id]

    def keep(self, holds: Callable[[RetrainRequest], bool]) -> None:
        """Only those are this notifier's still; it is for others to hand over the rest."""
        for name, wait in list(self._waits.items()):
            wait.copies = [copy for copy in wait.copies if holds(copy)]
            if not wait.copies:
                del self._waits[name]
