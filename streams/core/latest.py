"""`LatestRows`: the bins and segments of a version's latest predictions: rows that an alarm can be traced to.

Windows count features of all segments together; which segment carries a change is told by these rows.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Ints

#: Rows at most, and values of all features at most, whichever is less.
MOST, MOST_CELLS = 512, 32_768
_Part = tuple[Ints, NDArray[np.int16], dict[str, NDArray[Any]]]


class LatestRows:
    """The last rows in the order in which they came, wherever batches were cut.

    >>> rows = LatestRows()
    >>> for second in range(600):
    ...     rows.add(np.array([second]), np.zeros((2, 1), np.int16), {"country": np.array([second % 3])})
    >>> times, codes, slots = rows.since(590)
    >>> times.tolist()[:2], codes.shape, slots["country"].tolist()[:3], len(rows)
    ([590, 591], (2, 10), [2, 0, 1], 512)
    """

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, time_us: Ints, codes: NDArray[np.int16], slots: Mapping[str, NDArray[Any]]) -> None:
        """Rows with their bins (F, n) and, by keys, the slots of their segments (n,)."""
        features, n = codes.shape
        most = min(MOST, MOST_CELLS // max(features, 1))
        self._parts.append(_cut((time_us, codes, dict(slots)), max(n - most, 0)))
        self._rows += min(n, most)
        while self._rows > most:
            first = len(self._parts[0][0])
            part = self._parts.popleft()
            if self._rows - first < most:
                self._parts.appendleft(_cut(part, self._rows - most))
                first = self._rows - most
            self._rows -= first

    def since(self, onset_us: int) -> _Part:
        """Times, bins and slots of the rows from then on; a key that a row lacks is -1."""
        if not self._parts:
            return np.zeros(0, np.int64), np.zeros((0, 0), np.int16), {}
        times, codes, slots = self._joined()
        kept = times >= onset_us
        return times[kept], codes[:, kept], {key: column[kept] for key, column in slots.items()}

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return list(self._joined()) if self._parts else []

    @classmethod
    def from_state(cls, state: list[Any]) -> "LatestRows":
        """What `to_state` gave."""
        rows = cls()
        if state:
            times, codes, slots = state
            rows._parts.append((times, codes, slots))
            rows._rows = len(times)
        return rows

    def _joined(self) -> _Part:
        if len(self._parts) > 1:
            keys = dict.fromkeys(key for _, _, slots in self._parts for key in slots)
            times = np.concatenate([part[0] for part in self._parts])
            codes = np.concatenate([part[1] for part in self._parts], axis=1)
            none = [np.full(len(part[0]), -1, np.int64) for part in self._parts]
            slots = {
                key: np.concatenate([p[2].get(key, none[i]) for i, p in enumerate(self._parts)])
                for key in keys
            }
            self._parts = deque([(times, codes, slots)])
        return self._parts[0]


def _cut(part: _Part, first: int) -> _Part:
    """Its rows from `first` on, as arrays of their own: a view would keep the whole batch."""
    times, codes, slots = part
    return times[first:].copy(), codes[:, first:].copy(), {k: c[first:].copy() for k, c in slots.items()}
