"""The bounded queue between the serving threads and the background thread: full, it drops the oldest.

`put` takes no lock on its usual way: the deque's own operations are atomic, so a call can neither wait for
another thread nor deadlock with itself when a signal handler or a finaliser logs a prediction too.
"""

from collections import deque
from queue import Empty, SimpleQueue
from threading import RLock
from typing import Generic, TypeVar

T = TypeVar("T")


class EventQueue(Generic[T]):
    """At most `limit` events; `wait` returns when `batch` of them are there, or something asked for it.

    >>> queue = EventQueue[int](limit=2, batch=2)
    >>> for event in (1, 2, 3):
    ...     queue.put(event)
    >>> queue.take(10), queue.take_dropped()
    ([2, 3], 1)
    """

    def __init__(self, limit: int, batch: int) -> None:
        self._limit = limit
        self._batch = min(batch, limit)
        self._events: deque[T] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._woken = False
        self._dropped = 0
        self._counting = RLock()

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: T) -> None:
        """Append; if the queue is full, first drop and count the oldest."""
        events = self._events
        if len(events) >= self._limit:
            self._drop_oldest()
        events.append(event)
        if len(events) >= self._batch and not self._woken:
            self.wake()

    def wake(self) -> None:
        """End the present or next `wait`."""
        self._woken = True
        self._wake.put(None)

    def wait(self, timeout_s: float) -> bool:
        """Until a batch is full or `wake` is called (True), or the time is over (False)."""
        try:
            self._wake.get(timeout=timeout_s)
        except Empty:
            return False
        self._woken = False
        return True

    def take(self, count: int) -> list[T]:
        """The oldest events, at most `count`."""
        events = self._events
        taken: list[T] = []
        try:
            while len(taken) < count:
                taken.append(events.popleft())
        except IndexError:
            pass  # serving threads may have dropped some meanwhile: asking for the length would be too early
        return taken

    def take_dropped(self) -> int:
        """How many events a full queue has lost since this was last asked."""
        with self._counting:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def _drop_oldest(self) -> None:
        try:
            self._events.popleft()
        except IndexError:
            return  # the background thread has just emptied it
        with self._counting:
            self._dropped += 1
