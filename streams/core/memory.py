"""`Memory`: the bytes that the state of a worker's partitions may take, all of them together.

Which parts are in memory and which only on the shelf shows in nothing that is told; so it need not be the
same twice, and what each takes need only be known about.
"""

import weakref
from collections.abc import Callable
from typing import Protocol

#: More leaves than must: to look for what may leave, and to copy what stays, has its price.
_DOWN_TO = 0.75


class Holder(Protocol):
    """A partition, as far as memory goes."""

    @property
    def held_bytes(self) -> int:
        """What it takes now, about."""
        ...

    @property
    def growth_bytes(self) -> int:
        """What the largest of its columns takes for a moment while it grows."""
        ...

    def relieve(self, most_bytes: int) -> None:
        """Give up what can be read back, the rest of which takes at most so much if that is possible."""
        ...


class Memory:
    """Shared by the partitions of one worker. `give_back` is called when something may have been freed, with
    whether something has left.

    >>> memory = Memory(1_000_000)
    >>> memory.most_bytes, memory.used_bytes, memory.room_bytes
    (1000000, 0, 1000000)
    """

    def __init__(self, most_bytes: int, give_back: Callable[[bool], None] = lambda left: None) -> None:
        self.most_bytes = most_bytes
        self._give_back = give_back
        #: A partition that leaves the worker is forgotten as it is freed.
        self._holders: dict[int, weakref.ref[Holder]] = {}

    @property
    def used_bytes(self) -> int:
        """What is taken now, with what the growth of one column takes for a moment. Any thread may ask."""
        holders = self._there()
        growth = max((holder.growth_bytes for holder in holders), default=0)
        return sum(holder.held_bytes for holder in holders) + growth

    @property
    def room_bytes(self) -> int:
        """What may still be taken; below 0 if it is too much already."""
        return self.most_bytes - self.used_bytes

    def join(self, holder: Holder) -> None:
        """It counts from now on. Any thread may call this."""
        self._holders[id(holder)] = weakref.ref(holder)

    def settle(self) -> None:
        """Something more can be read back now: if too much is taken, all give up their share of it."""
        used = self.used_bytes
        if used > self.most_bytes:
            share = _DOWN_TO * self.most_bytes / used
            for holder in self._there():
                holder.relieve(int(holder.held_bytes * share))
        self._give_back(used > self.most_bytes)

    def _there(self) -> list[Holder]:
        found = [(key, known()) for key, known in list(self._holders.items())]
        for key, holder in found:
            if holder is None:
                self._holders.pop(key, None)
        return [holder for _, holder in found if holder is not None]
