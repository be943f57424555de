"""`Digitiser`: between which edges values lie, of many rows at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Floats, Ints

#: Equal cells, but for the last one, from the first edge of a row to its last one.
_CELLS = 256
#: Of a row with more edges in one cell, values are compared with one edge after the other.
_MOST_STEPS = 2

Places = NDArray[np.uint8] | NDArray[np.uint16]


class Digitiser:
    """Rows of edges, rising, that values are held against.

    Of each cell it is known how many edges lie before it: so one comparison, as a rule, settles a value. To
    compare it with every edge takes twice as long, a binary search five times.

    >>> Digitiser([(1.0, 2.0, 4.0), (0.0,)]).places(np.array([[0.5, 2.0, 9.0], [-1.0, 0.0, 1.0]])).tolist()
    [[0, 1, 3], [0, 0, 1]]
    """

    def __init__(self, edges: Sequence[Sequence[float]]) -> None:
        most = max(map(len, edges), default=0)
        rows = np.full((len(edges), 1 + most), np.inf)  # which no value exceeds
        low, scale = np.zeros((len(edges), 1)), np.zeros((len(edges), 1))
        before, steps = np.zeros((len(edges), _CELLS), np.int64), np.zeros(len(edges), np.int64)
        for row, of_row in enumerate(edges):
            if of_row:
                rows[row, : len(of_row)] = of_row
                low[row], scale[row] = of_row[0], _scale(of_row[0], of_row[-1])
                counts = np.bincount(_cells(np.array(of_row), low[row], scale[row]), minlength=_CELLS)
                before[row], steps[row] = np.cumsum(counts) - counts, counts.max()
        self._even, self._uneven = np.flatnonzero(steps <= _MOST_STEPS), np.flatnonzero(steps > _MOST_STEPS)
        self._low, self._scale, self._edges = low[self._even], scale[self._even], rows[self._even]
        #: Where the edges and the cells of each row begin among those of all rows.
        self._first_edge = np.arange(0, self._edges.size, 1 + most)[:, None]
        self._first_cell = np.arange(0, len(self._even) * _CELLS, _CELLS)[:, None]
        #: How many edges lie before each cell, and the most that lie in one.
        self._before = before[self._even].astype(np.uint8 if most <= 255 else np.uint16)
        self._steps = int(steps[self._even].max(initial=0))
        #: Float64 (edges, rows, 1) of the others.
        self._one_by_one = np.ascontiguousarray(rows[self._uneven].T[..., None])

    def places(self, values: Floats) -> Places:
        """How many edges of its row each value exceeds, integers (rows, n); anything for NaN."""
        if not len(self._uneven):
            return self._by_cell(values)
        places = np.empty(values.shape, self._before.dtype)
        places[self._even] = self._by_cell(values[self._even])
        some = values[self._uneven]
        exceeded = np.zeros(some.shape, places.dtype)
        for edges in self._one_by_one:
            exceeded += some > edges
        places[self._uneven] = exceeded
        return places

    def _by_cell(self, values: Floats) -> Places:
        cells = _cells(values, self._low, self._scale)
        cells += self._first_cell
        places: Any = self._before.take(cells)
        for _ in range(self._steps):
            places += values > self._edges.take(places + self._first_edge)
        found: Places = places
        return found


def _scale(low: float, high: float) -> float:
    """Cells a unit; 0, so that there is one cell, where edges are too close to be told apart so."""
    span, largest = high - low, float(np.finfo(np.float64).max)
    return (_CELLS - 1) / span if (_CELLS - 1) / largest < span <= largest else 0.0


def _cells(values: Floats, low: Floats, scale: Floats) -> Ints:
    """The cell of each value. It never falls as values grow, whatever is rounded: so a value exceeds the
    edges in the cells before its own, and none in those after it."""
    with np.errstate(over="ignore", invalid="ignore"):
        cells = values - low
        cells *= scale
    np.fmax(cells, 0.0, out=cells)  # which any number wins against NaN
    np.minimum(cells, _CELLS - 1, out=cells)
    return cells.astype(np.int64)
