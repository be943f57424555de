"""What the label join gives: pairs that start or stop counting, and labels whose prediction never came."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Bools, Floats, Ids, Ints


@dataclass(slots=True)
class Pairs:
    """Rows of `LabelJoin.predictions` whose label came or went, in order; all arrays have shape (k,).

    `sign` is +1 where `label` now counts for `rows` and -1 where it no longer does; `fresh` marks the first
    label that a prediction ever got, and `lag_us` how long after the prediction's time the label's is.
    """

    rows: Ints
    label: Floats
    sign: NDArray[np.int8]
    fresh: Bools
    lag_us: Ints

    def take(self, rows: Bools | NDArray[np.intp]) -> "Pairs":
        """Those of a mask, or by number in this order."""
        return Pairs(*(getattr(self, name)[rows] for name in self.__slots__))

    def in_order_of(self, rows: Ints) -> "tuple[Pairs, NDArray[np.intp]]":
        """In the order of these `rows`, which have all of theirs, and the place of each pair's among them."""
        place = np.argsort(rows)[np.searchsorted(np.sort(rows), self.rows)]
        order = np.argsort(place, kind="stable")
        return self.take(order), place[order]

    @classmethod
    def concatenate(cls, parts: "list[Pairs]") -> "Pairs":
        if not parts:
            return _NO_PAIRS
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in cls.__slots__))


_NO_PAIRS = Pairs(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int8), np.empty(0, np.bool_),
                  np.empty(0, np.int64))  # fmt: skip


@dataclass(slots=True)
class Orphans:
    """Labels whose prediction never came; all arrays have shape (k,)."""

    ids: Ids
    time_us: Ints
    label: Floats
    revision: NDArray[np.int32]
    offset: Ints
