"""One target's whole state: records of `alerts` go in, notifications come out, and what Kafka must remember.

Nothing here knows another target: each has its own outbox, its own place in Kafka, and its own pace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamgauge.clients.events import Alert
from streamgauge.notify.config import Route, Target
from streamgauge.notify.core.book import Book, Episode
from streamgauge.notify.core.breaker import Breaker
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.core.progress import Progress
from streamgauge.notify.core.queues import Notification, Queues, Transition

#: Offset and metadata, as they are committed.
Place = tuple[int, str]


@dataclass(slots=True)
class _Partition:
    progress: Progress
    book: Book
    at_end: bool = False
    committed: Place | None = None


class Outbox:
    """Times are microseconds since 1970, and are given; nothing here asks for one."""

    def __init__(
        self, name: str, target: Target, routes: Sequence[Route], resend_us: int | None = None
    ) -> None:
        self._name = name
        self._target = target
        self._routes = routes
        self._resend_us = resend_us
        self._refresh_at_us = 0
        self._partitions: dict[int, _Partition] = {}
        self._queues = Queues(grouped=target.grouped)
        self.breaker = Breaker()

    def assign(self, partition: int, offset: int | None, metadata: str | None) -> int | None:
        """Take a partition over, with what was committed. Where to begin reading; None is the beginning."""
        progress = Progress.of(offset, metadata)
        book = Book(self._name, self._routes, grouped=self._target.grouped)
        self._partitions[partition] = _Partition(progress, book)
        return progress.start

    def revoke(self, partition: int) -> None:
        """Another notifier has it now, and knows from Kafka what was done."""
        if self._partitions.pop(partition, None) is not None:
            self._queues.revoke(partition)

    def record(self, partition: int, offset: int, alert: Alert | None, now_us: int) -> int:
        """A record has come, or one that cannot be read (None). How many before it retention has deleted."""
        part = self._partitions[partition]
        is_new = part.progress.is_new(offset)
        lost = part.progress.read(offset)
        episode = part.book.note(alert, offset) if alert is not None else None
        if episode is not None and is_new:
            part.progress.wait(offset)
            self._queues.add(partition, episode, now_us)
        else:
            part.progress.done(offset)
            if episode is not None:
                part.book.close(episode.last)
        return len(lost)

    def end(self, partition: int, offset: int, now_us: int) -> None:
        """All that there is was read. A target that is new is told what is open, not what was."""
        part = self._partitions[partition]
        part.at_end = True
        was_fresh = part.progress.is_fresh
        part.progress.end(offset)
        if not was_fresh:
            return
        for episode in sorted(part.book.open(), key=lambda each: each.last_offset):
            part.progress.wait(episode.last_offset)
            self._queues.add(partition, episode, now_us)

    def due(self, now_us: int) -> Notification | None:
        """What to send now; tell `settle` what came of it before you ask again."""
        return None if self.breaker.is_open(now_us) else self._queues.due(now_us, hurry=self.is_full)

    def refresh(self, now_us: int) -> list[Episode]:
        """The alerts that are open, when it is time to say so again."""
        if self._resend_us is None or now_us < self._refresh_at_us or self.breaker.is_open(now_us):
            return []
        self._refresh_at_us = now_us + self._resend_us
        return [each for part in self._partitions.values() if part.at_end for each in part.book.open()]

    def settle(self, notification: Notification, outcome: Outcome, now_us: int) -> None:
        """What came of an attempt."""
        if outcome.result is Result.FAILED:
            self.breaker.failed(now_us, outcome.pause_us)
            self._queues.retry(notification, now_us)
            return
        self.breaker.succeeded(now_us)
        self._queues.finish(notification, now_us)
        self._done(notification.transitions)

    def give_up(self, now_us: int) -> list[Transition]:
        """What has been due for longer than the target's `expire`; it is over for these."""
        expired = self._queues.give_up(now_us, self._target.expire)
        self._done(expired)
        return expired

    def commits(self) -> Mapping[int, Place]:
        """What Kafka does not know yet, by partition."""
        places = {
            number: part.progress.committed(part.book.first_offset)
            for number, part in self._partitions.items()
            if not part.progress.is_fresh
        }
        return {n: place for n, place in places.items() if place != self._partitions[n].committed}

    def committed(self, places: Mapping[int, Place]) -> None:
        """Kafka knows these."""
        for number, place in places.items():
            if number in self._partitions:
                self._partitions[number].committed = place

    @property
    def is_full(self) -> bool:
        """Whether to read no further until something is done."""
        return any(part.progress.is_full for part in self._partitions.values())

    @property
    def waiting(self) -> int:
        """Transitions that the target does not have yet."""
        return sum(len(part.progress.pending) for part in self._partitions.values())

    @property
    def open_alerts(self) -> int:
        """Alerts that this target was told of and that go on."""
        return sum(1 for part in self._partitions.values() for _ in part.book.open())

    def _done(self, transitions: Sequence[Transition]) -> None:
        for each in transitions:
            part = self._partitions.get(each.partition)
            if part is not None:
                part.progress.done(each.offset)
                part.book.close(each.alert)
