"""Which offsets may be committed when events are done in any order: all below the first one that is not."""


class OffsetTracker:
    """Of one partition: what was delivered, what is done, what may be committed.

    >>> tracker = OffsetTracker()
    >>> for offset in (10, 12, 13):
    ...     tracker.delivered(offset)
    >>> tracker.done(12), tracker.committable
    (True, 10)
    >>> tracker.done(10), tracker.committable
    (True, 13)
    """

    def __init__(self) -> None:
        self._open: dict[int, None] = {}  # in the order of offsets, for that is how they are delivered
        self._next: int | None = None

    def delivered(self, offset: int) -> None:
        """An event was handed out; offsets only ever rise."""
        self._open[offset] = None
        self._next = offset + 1

    def done(self, offset: int) -> bool:
        """Nobody needs the event again; False if this tracker does not wait for it."""
        if offset not in self._open:
            return False
        del self._open[offset]
        return True

    @property
    def committable(self) -> int | None:
        """The offset that a restart must begin with; None before the first event."""
        return next(iter(self._open), self._next)
