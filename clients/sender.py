"""The background half of the prediction logger: takes events from the queue, makes batches, gives them to
the sink. Whatever goes wrong here is counted and told once; it never reaches the serving threads.
"""

import logging
from dataclasses import dataclass, replace
from threading import Lock, RLock, Thread
from typing import Any

from streamgauge.clients.columns import ColumnBuilder, LoggedLabel, LoggedPrediction
from streamgauge.clients.event_queue import EventQueue
from streamgauge.clients.privacy import Privacy
from streamgauge.clients.sampling import is_sampled
from streamgauge.clients.settings import LoggerSettings
from streamgauge.clients.sinks import Batch, Sink
from streamgauge.clients.values import MixedColumnError, identity_of, is_text
from streamgauge.schemas.batch import PredictionBatch
from streamgauge.schemas.errors import BadEvent

LOG = logging.getLogger("streamgauge.clients")
Event = LoggedPrediction | LoggedLabel


@dataclass(frozen=True, slots=True)
class LoggerStats:
    """Events since the logger was made: handed to the sink, lost, unusable, left out by sampling.

    `dropped` were lost through a full queue or a failed delivery; `invalid` had an argument that no
    column can hold. Both travel in the next batch's `dropped`.
    """

    sent: int = 0
    dropped: int = 0
    invalid: int = 0
    sampled_out: int = 0


class Sender:
    """Owns the queue, the thread and the counts. The first event starts the thread."""

    def __init__(
        self, builder: ColumnBuilder, sink: Sink, privacy: Privacy, settings: LoggerSettings
    ) -> None:
        self._builder = builder
        self._sink = sink
        self._privacy = privacy
        self._settings = settings
        self._begin()

    def _begin(self) -> None:
        self._queue: EventQueue[Event] = EventQueue(self._settings.queue_events, self._settings.batch_events)
        self._thread: Thread | None = None
        self._starting = Lock()
        self._sending = Lock()
        self._counting = RLock()
        self._stopping = False
        self._stats = LoggerStats()
        self._untold = 0  # lost events that no batch has carried the news of yet
        self._warned: set[str] = set()

    def put(self, event: Event) -> None:
        """Called by serving threads: append, and start the background thread if there is none yet."""
        self._queue.put(event)
        if self._thread is None:
            self._start()

    def refuse(self, error: BaseException) -> None:
        """Count one event that cannot be used."""
        self._count(invalid=1)
        # the texts of other exceptions may quote what the caller keeps private
        detail = str(error) if isinstance(error, BadEvent) else type(error).__name__
        kind = getattr(error, "reason", detail)
        self._warn(f"invalid: {kind}", f"an event cannot be used and is left out: {detail}")

    def flush(self, timeout_s: float) -> bool:
        """Send what is queued, in this thread, and wait for its delivery."""
        if not self._sending.acquire(timeout=timeout_s):
            return False
        try:
            self._drain(at_least=1)
        finally:
            self._sending.release()
        return self._sink.flush(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Flush and end the thread."""
        self._stopping = True
        self._queue.wake()
        delivered = self.flush(timeout_s)
        if not delivered:
            lost = f"not all was delivered within {timeout_s:g} s; the rest may be lost"
            self._warn("close", f"{lost}: `streamgauge doctor --role serving` says why")
        if self._thread is not None:
            self._thread.join(timeout_s)
        return delivered

    def after_fork(self) -> None:
        """In a child process: what is queued is the parent's to send, and its thread is not here."""
        self._begin()
        self._sink.after_fork()

    def stats(self) -> LoggerStats:
        """The counts so far."""
        self._collect_overflow()
        return self._stats

    def _start(self) -> None:
        # Never wait here: who holds it may be this very thread, below the signal handler that logs.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None and not self._stopping:
                name = f"streamgauge-{self._builder.model}"
                thread = Thread(target=self._run, name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # no more threads: the next event tries again
                    self._warn("thread", f"the background thread cannot start: {error}")
                else:
                    self._thread = thread
        finally:
            self._starting.release()

    def _run(self) -> None:
        linger_s = self._settings.linger_ms / 1_000
        while not self._stopping:
            full = self._queue.wait(linger_s)
            with self._sending:
                # what is less than a batch goes with the next one; it cannot have waited longer than linger
                self._drain(at_least=self._settings.batch_events if full else 1)
            try:
                self._sink.poll()
            except Exception as error:  # noqa: BLE001  a user's sink; this thread must go on
                self._warn("poll", f"the sink failed: {type(error).__name__}")

    def _drain(self, at_least: int) -> None:
        self._collect_overflow()
        while len(self._queue) >= at_least:
            events = self._queue.take(self._settings.batch_events)
            self._send([e for e in events if isinstance(e, LoggedPrediction)])
            self._send([e for e in events if isinstance(e, LoggedLabel)])

    def _send(self, events: list[Any]) -> None:
        """Events of one kind, as few batches."""
        if not events:
            return
        try:
            batch = self._build(events)
        except MixedColumnError as mixed:
            for part in _by_kind(events, *mixed.args):
                self._send(part)
            return
        except Exception as error:  # noqa: BLE001  the values are the caller's objects and can raise anything
            if len(events) == 1:
                self.refuse(error)
                return
            usable = self._usable(events)
            # each is usable alone, but not all together: they have too many names
            for part in _halves(events) if len(usable) == len(events) else [usable]:
                self._send(part)
            return
        self._count(sampled_out=len(events) - (len(batch) if batch else 0))
        if batch:
            self._hand_over(batch)

    def _usable(self, events: list[Any]) -> list[Any]:
        """Halves until those to blame are alone, and refuses them."""
        try:
            self._build(events)
        except MixedColumnError:
            return events
        except Exception as error:  # noqa: BLE001  as above
            if len(events) == 1:
                self.refuse(error)
                return []
            return [event for half in _halves(events) for event in self._usable(half)]
        return events

    def _build(self, events: list[Any]) -> Batch | None:
        rate = self._settings.sample_rate
        if rate < 1:
            events = [e for e in events if is_sampled(identity_of(e.prediction_id), rate)]
        if not events:
            return None
        if isinstance(events[0], LoggedLabel):
            return self._builder.labels(events)
        if self._privacy.active:
            events = [self._masked(e) for e in events]
        return self._builder.predictions(events, rate)

    def _masked(self, event: LoggedPrediction) -> LoggedPrediction:
        mask = self._privacy.mask
        return event._replace(
            features=mask(event.features or {}),
            groups=mask(event.groups or {}),
            segments=mask(event.segments or {}),
        )

    def _hand_over(self, batch: Batch) -> None:
        if isinstance(batch, PredictionBatch):
            with self._counting:
                untold, self._untold = self._untold, 0
            batch = replace(batch, dropped=untold) if untold else batch
        try:
            self._sink.send(batch, self._lose)
        except Exception as error:  # noqa: BLE001  a user's sink; this thread must go on
            self._warn("send", f"the sink refused a batch: {type(error).__name__}: {error}")
            self._lose(len(batch), getattr(batch, "dropped", 0))
            return
        self._count(sent=len(batch))

    def _lose(self, events: int, carried: int = 0) -> None:
        self._count(dropped=events)
        with self._counting:
            self._untold += carried
        self._warn("lost", f"{events} events could not be delivered and are lost")

    def _collect_overflow(self) -> None:
        overflow = self._queue.take_dropped()
        if overflow:
            self._count(dropped=overflow)
            full = f"the queue of {self._settings.queue_events} events is full; the oldest are dropped"
            self._warn("overflow", full)

    def _count(self, sent: int = 0, dropped: int = 0, invalid: int = 0, sampled_out: int = 0) -> None:
        with self._counting:
            so_far = self._stats
            self._stats = LoggerStats(
                so_far.sent + sent,
                so_far.dropped + dropped,
                so_far.invalid + invalid,
                so_far.sampled_out + sampled_out,
            )
            self._untold += dropped + invalid

    def _warn(self, what: str, message: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            LOG.warning("streamgauge: model %s: %s (told once; see stats())", self._builder.model, message)


def _by_kind(events: list[Any], name: str) -> tuple[list[Any], list[Any]]:
    """Those whose feature of this name is a text, and the rest."""
    texts = [event for event in events if is_text((event.features or {}).get(name))]
    return texts, [event for event in events if not is_text((event.features or {}).get(name))]


def _halves(events: list[Any]) -> tuple[list[Any], list[Any]]:
    middle = len(events) // 2
    return events[:middle], events[middle:]
