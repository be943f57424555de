"""`Looks`: cuts rows of bins into looks of 50, however messages were cut."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Floats, Ints

LOOK = 50


class Taken(NamedTuple):
    """L whole looks of S streams in W bins: `counts` float64 (S, L, W); when each began, `starts_us` int64
    (L,), and the `balance` of the account at its last row, float64 (L,).

    `of_rows` int64 (S, W) are the bins of the rows that came, whichever look they are of.
    """

    counts: Floats
    starts_us: Ints
    balance: Floats
    of_rows: Ints


class Looks:
    """S streams in W bins that come in the same rows. Holds the look that is under way.

    A look is 50 rows of all streams; what a stream misses of them has a bin like any other.

    >>> looks = Looks(1, 2)
    >>> taken = looks.take(np.array([[1] * 60]), np.arange(60), np.zeros(60))
    >>> taken.counts.tolist(), taken.starts_us.tolist(), looks.take(np.zeros((1, 40), int),
    ...     np.arange(60, 100), np.zeros(40)).counts.tolist()
    ([[[0.0, 50.0]]], [0], [[[40.0, 10.0]]])
    """

    __slots__ = ("_held", "_partial", "_start_us")

    def __init__(self, streams: int, width: int) -> None:
        #: Of the look that is under way: its bins, how many rows it has, and when it began.
        self._partial: Ints = np.zeros((streams, width), np.int64)
        self._held = self._start_us = 0

    def take(self, codes: NDArray[Any], time_us: Ints, paid: Floats) -> Taken:
        """n ≥ 1 rows: `codes` integers (S, n) from 0 to W − 1, `time_us` int64 (n,), `paid` float64 (n,)."""
        n, held = len(time_us), self._held
        looks = (held + n) // LOOK
        streams, width = self._partial.shape
        places = _places(streams, width, held, n) + codes
        cells = streams * (looks + 1) * width
        counts: Ints = np.bincount(places.ravel(), None, cells).reshape(streams, looks + 1, width)
        of_rows: Ints = np.add.reduce(counts, axis=1)
        if held:
            counts[:, 0] += self._partial
            starts = np.concatenate([[self._start_us], time_us[LOOK - held :: LOOK]])
        else:
            starts = time_us[::LOOK].copy()
        self._partial = counts[:, looks].copy()
        self._held = (held + n) % LOOK
        self._start_us = int(starts[-1]) if self._held else 0
        whole = counts[:, :looks].astype(np.float64)
        return Taken(whole, starts[:looks], paid[LOOK - held - 1 :: LOOK], of_rows)

    def to_state(self) -> State:
        """The look that is under way."""
        return {"partial": self._partial.copy(), "held": self._held, "start_us": self._start_us}

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if streams or bins were others."""
        partial = np.array(state["partial"], np.int64)
        if partial.shape != self._partial.shape:
            raise ValueError("looks of other streams")
        self._partial, self._held, self._start_us = partial, state["held"], state["start_us"]

    def adopt(self, other: "Looks") -> None:
        """The first streams go on from `other`, which has fewer; the new ones missed what came so far."""
        self._partial[:, -1] = other._held
        self._partial[: len(other._partial)] = other._partial
        self._held, self._start_us = other._held, other._start_us


@lru_cache(maxsize=8)
def _places(streams: int, width: int, held: int, n: int) -> Ints:
    """Of each row of each stream, the first cell of its look, integers (streams, n).

    Batches tend to have one size, so this is worked out once for all of them; small integers add fastest.
    """
    looks = (held + n) // LOOK + 1
    of_row = (np.arange(held, held + n) // LOOK) * width
    places: Ints = of_row + np.arange(0, streams * looks * width, looks * width)[:, None]
    if streams * looks * width <= np.iinfo(np.int16).max:
        places = places.astype(np.int16)
    places.flags.writeable = False
    return places
