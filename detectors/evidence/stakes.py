"""`Bets`: what is bet on streams of one kind, as tables of log factors by bin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Floats

#: Log factors are whole multiples of this, rounded down: then float64 adds them exactly in any order, and
#: where a batch is cut changes no bit.
_GRID = 2.0**-36
#: Statistics are coarser, as they are summed for as long as a stream lives: exactly for 8 · 10⁹ events.
_MEANS_GRID = 2.0**-20
#: Of one event, at most, either way: a look then adds 600, and its factor is no subnormal number.
_MOST_LOG, _MOST_EVENTS = 12.0, 50


#: Of streams among the rows of codes.
Rows = slice | NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Bets:
    """S streams of one kind, of K bins with J bets each.

    `log_factors` float64 (S, K, J) per event; `weights` (S, J), rows sum to the stream's weight in the
    budget, 0 if it is not watched; `statistics` (S, K, M) by bin, of which bet j follows number `follows[j]`.
    """

    log_factors: Floats
    weights: Floats
    statistics: Floats
    follows: NDArray[np.intp]

    @property
    def table(self) -> Floats:
        """Float64 (S, K, J): what an event of a bin adds to the bets of its stream."""
        # Where there is no weight nothing grows, or what isn't watched would overflow one day.
        return on_grid(self.log_factors) * (self.weights[:, None] > 0)


def on_grid(log_factors: Floats, events: int = 1) -> Floats:
    """Log factors of one event, or of so many, rounded down so that sums of them are exact."""
    most = _MOST_LOG * min(events, _MOST_EVENTS)
    return np.floor(np.minimum(np.maximum(log_factors, -most), most) / _GRID) * _GRID


@dataclass(frozen=True, slots=True)
class View:
    """Where the streams of a kind stand among rows of codes that several kinds share.

    `rows` are theirs, and `bin_of` intp (W,) the bin that each code is to them, −1 for what they miss.
    """

    rows: Rows
    bin_of: NDArray[np.intp]

    def tables(self, bets: Bets) -> tuple[Floats, Floats]:
        """The tables of the bets by code, float64 (S, W, J) and (S, W, M + 1); the last statistic counts what
        is not missed."""
        present = self.bin_of >= 0
        bins, factors = self.bin_of[present], bets.table
        streams, _, count = factors.shape
        by_code = np.zeros((streams, len(present), count))
        by_code[:, present] = factors[:, bins]
        told = np.zeros((streams, len(present), bets.statistics.shape[2] + 1))
        told[:, present, :-1] = np.rint(bets.statistics[:, bins] / _MEANS_GRID) * _MEANS_GRID
        told[:, present, -1] = 1.0
        return by_code, told
