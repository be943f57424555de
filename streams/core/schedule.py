"""`Schedule`: which model is due next, in a heap."""

import heapq


class Schedule:
    """Each name once, by the time at which it is due; of two that are due together, by name.

    >>> schedule = Schedule()
    >>> schedule.put("a", 5), schedule.put("b", 3), schedule.put("b", 7)
    (None, None, None)
    >>> schedule.first_us, schedule.pop(4), schedule.pop(9), schedule.pop(9), schedule.pop(9)
    (5, None, 'a', 'b', None)
    """

    def __init__(self) -> None:
        self._due_us: dict[str, int] = {}
        #: Some that were put again since, or dropped, are still in it.
        self._heap: list[tuple[int, str]] = []

    def __getitem__(self, name: str) -> int:
        return self._due_us[name]

    @property
    def first_us(self) -> int:
        """When the next one is due; far away if there is none."""
        while self._heap and self._due_us.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else 2**62

    def put(self, name: str, due_us: int) -> None:
        """It is due then, and not when it was."""
        if self._due_us.get(name) != due_us:
            self._due_us[name] = due_us
            heapq.heappush(self._heap, (due_us, name))

    def drop(self, name: str) -> None:
        """It is due no more."""
        self._due_us.pop(name, None)

    def pop(self, now_us: int) -> str | None:
        """The next one that is due by now; it is to be put again."""
        if self.first_us > now_us:
            return None
        name = heapq.heappop(self._heap)[1]
        del self._due_us[name]
        return name
