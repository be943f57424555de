"""Transitions on their way to one target: gathered by group, sent in order, tried again."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from streamgauge.clients.events import Alert
from streamgauge.notify.config import Route
from streamgauge.notify.core.book import Episode, Group
from streamgauge.notify.core.breaker import backoff_us

#: Transitions that one notification tells at most; more go in the next, at once.
TOGETHER = 20


@dataclass(frozen=True, slots=True)
class Transition:
    """One record of `alerts` that the target must have; `due_us` is when it may first be sent."""

    partition: int
    offset: int
    alert: Alert
    before: tuple[Alert, ...]
    due_us: int


@dataclass(slots=True)
class Notification:
    """What is sent as one. It stays the same, however often it is tried, so that targets can tell repeats."""

    group: Group
    transitions: tuple[Transition, ...]
    attempts: int = 0
    not_before_us: int = 0

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """In the order of their records."""
        return tuple(each.alert for each in self.transitions)

    @property
    def key(self) -> str:
        """The same for every attempt, and for no other notification to this target; fit for a header."""
        return re.sub(r"[^A-Za-z0-9_-]", "_", f"{self.alerts[0].alert_id}-{self.alerts[0].sequence}")[:255]


@dataclass(slots=True)
class _Queue:
    """Of one group: at most one notification on its way, and what waits behind it."""

    waiting: list[Transition] = field(default_factory=list)
    sending: Notification | None = None
    flush_us: int = 0
    interval_us: int = 0
    quiet_us: int = 0  # no other notification before


class Queues:
    """All groups of one target. A group that fails does not hold up the others."""

    def __init__(self, *, grouped: bool) -> None:
        self._grouped = grouped
        self._queues: dict[Group, _Queue] = {}

    def add(self, partition: int, episode: Episode, now_us: int) -> None:
        """The last record of an episode must be told."""
        queue = self._queues.setdefault(episode.group, _Queue())
        if not queue.waiting:
            queue.flush_us = self._flush_us(episode.route, queue, now_us)
        queue.interval_us = episode.route.group_interval if self._grouped else 0
        queue.waiting.append(
            Transition(partition, episode.last_offset, episode.last, episode.before, queue.flush_us)
        )

    def due(self, now_us: int, *, hurry: bool) -> Notification | None:
        """The notification that has been due for longest; with `hurry`, nothing waits for company."""
        times = {
            group: queue.sending.not_before_us if queue.sending else 0 if hurry else queue.flush_us
            for group, queue in self._queues.items()
            if queue.sending or queue.waiting
        }
        group = min(times, key=times.__getitem__, default=None)
        if group is None or times[group] > now_us:
            return None
        queue = self._queues[group]
        if queue.sending is None:
            count = TOGETHER if self._grouped else 1
            queue.sending = Notification(group, tuple(queue.waiting[:count]))
            del queue.waiting[:count]
        return queue.sending

    def finish(self, notification: Notification, now_us: int) -> None:
        """It was delivered or refused; what waits behind it may go."""
        queue = self._queues[notification.group]
        queue.sending, queue.quiet_us = None, now_us + queue.interval_us

    def retry(self, notification: Notification, now_us: int) -> None:
        """It failed, and is tried again later."""
        notification.attempts += 1
        notification.not_before_us = now_us + backoff_us(notification.attempts)

    def give_up(self, now_us: int, expire_us: int) -> list[Transition]:
        """Take out what has been due for too long; forget groups that have been quiet for long enough."""
        self._queues = {
            group: queue
            for group, queue in self._queues.items()
            if queue.waiting or queue.sending or now_us < queue.quiet_us
        }
        return self._take_out(lambda each: each.due_us + expire_us <= now_us)

    def revoke(self, partition: int) -> None:
        """Another notifier has the partition now."""
        self._take_out(lambda each: each.partition == partition)

    def _take_out(self, wanted: Callable[[Transition], bool]) -> list[Transition]:
        out: list[Transition] = []
        for queue in self._queues.values():
            held = queue.sending.transitions if queue.sending else ()
            out += filter(wanted, (*held, *queue.waiting))
            queue.waiting = [each for each in queue.waiting if not wanted(each)]
            if queue.sending is not None:
                queue.sending.transitions = tuple(each for each in held if not wanted(each))
                if not queue.sending.transitions:
                    queue.sending = None
        return out

    def _flush_us(self, route: Route, queue: _Queue, now_us: int) -> int:
        if not self._grouped:
            return now_us
        if route.digest is not None:
            return (now_us // route.digest + 1) * route.digest
        return max(now_us, queue.quiet_us) if queue.quiet_us else now_us + route.group_wait
