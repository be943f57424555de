"""How far one target has come in one partition of `alerts`: what Kafka keeps as its committed offset.

The offset says that all before it is done. Its metadata, a text of at most 4,096 bytes, says the rest: which
offsets after it are done too, and where to begin reading so that the alerts that are open are known again.
"""

import re
from collections.abc import Iterable
from itertools import accumulate, pairwise

#: Records that may wait in one partition. Beyond it the target reads no further, and Kafka keeps the rest.
#: However far apart they are, the metadata has room for them.
PENDING = 300
#: Its version; where to begin; the next offset; the steps, in base 36, from each that waits to the one after.
_METADATA = re.compile(r"1 (\d{1,18}) (\d{1,18}) ([0-9a-z]{0,12}(?:,[0-9a-z]{1,12})*)")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Progress:
    """Records that wait (`pending`), and `next`, the first offset that was never read.

    >>> progress = Progress.of(100, "")
    >>> for offset in (100, 101, 104):
    ...     _ = progress.read(offset), progress.wait(offset)
    >>> progress.done(101)
    >>> progress.committed(first_open=40)
    (100, '1 40 105 4')
    >>> again = Progress.of(100, "1 40 105 4")
    >>> again.start, again.is_new(101), again.is_new(104), again.is_new(105)
    (40, False, True, True)
    """

    def __init__(self, start: int | None, next_: int, pending: Iterable[int]) -> None:
        self.start = start
        self.next = next_
        self.pending: dict[int, None] = dict.fromkeys(pending)
        self._unread = set(self.pending)
        self._known_from = next_  # reading has come there: what was open before is known again
        self._is_known = start is None or start >= next_

    @classmethod
    def of(cls, offset: int | None, metadata: str | None) -> "Progress":
        """What was committed; an offset of None: nothing was, and reading begins with the oldest record.

        Metadata that somebody else wrote, or nobody, leaves the offset alone to count.
        """
        if offset is None:
            return cls(None, 0, ())
        found = _METADATA.fullmatch(metadata or "")
        if found is None:
            return cls(offset, offset, ())
        steps = [int(step, 36) for step in found[3].split(",") if step]
        pending = accumulate(steps, initial=offset) if offset < int(found[2]) else ()
        return cls(min(int(found[1]), offset), int(found[2]), pending)

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was ever committed, and the end has not been reached yet."""
        return self.start is None

    def is_new(self, offset: int) -> bool:
        """Whether the record at an offset must be told; otherwise it is read only to know what is open."""
        return not self.is_fresh and (offset >= self.next or offset in self._unread)

    def read(self, offset: int) -> list[int]:
        """A record has come. Gives the pending ones that will come no more: retention deleted them."""
        gone = [each for each in self._unread if each < offset]
        self._unread.difference_update([*gone, offset])
        for each in gone:
            self.done(each)
        self.next = max(self.next, offset + 1)
        self._is_known = self._is_known or offset + 1 >= self._known_from
        return gone

    def end(self, offset: int) -> None:
        """The end was reached. If nothing was ever committed, what comes from here on is new."""
        self._is_known = True
        if self.start is None:
            self.start = self.next = offset

    def wait(self, offset: int) -> None:
        """The record must be told."""
        self.pending[offset] = None

    def done(self, offset: int) -> None:
        """It was told, or never will be."""
        self.pending.pop(offset, None)

    @property
    def is_full(self) -> bool:
        """Whether to read no further: not before those that were read already have come again."""
        return len(self.pending) >= PENDING and not self._unread

    def committed(self, first_open: int | None) -> tuple[int, str]:
        """Offset and metadata; `first_open` is where the oldest alert that is still open was first told."""
        waiting, next_ = sorted(self.pending), self.next
        if len(waiting) > PENDING:  # a new target of many open alerts; after a kill it begins there again
            waiting, next_ = waiting[:PENDING], waiting[PENDING]
        offset = waiting[0] if waiting else next_
        steps = ",".join(_base36(after - before) for before, after in pairwise(waiting))
        start = min(offset, next_ if first_open is None else first_open)
        if not self._is_known and self.start is not None:
            start = min(start, self.start)
        return offset, f"1 {start} {next_} {steps}"


def _base36(number: int) -> str:
    text = ""
    while number >= 36:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return _DIGITS[number] + text
