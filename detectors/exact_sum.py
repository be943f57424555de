"""`ExactSum`, `ExactSums`: float sums in which order does not matter, and that values can be taken back from.

A window that is restated when labels come late, twice or corrected must give the same bits as one that saw
the final labels in any order. Float addition does not; a fixed-point number as wide as the float64 range
does (Kulisch's long accumulator; Neal 2015, "Fast exact summation using small and large superaccumulators").
"""

import numpy as np

from streamgauge.detectors.estimate import State
from streamgauge.schemas.batch import Floats, Ints

#: Accumulators are integers in units of 2⁻¹¹²⁷, at or below the last bit of every 53-bit mantissa that
#: `frexp` gives, subnormal numbers included.
UNIT_BITS = 1127
_UNIT = 1 << UNIT_BITS
_LIMB = float(1 << 26)


class ExactSums:
    """`k` sums side by side, exact and correctly rounded when read.

    >>> sums = ExactSums(2)
    >>> sums.update_many(np.array([[1e16, 1.0, -1e16], [0.1, 0.2, 0.3]]))
    >>> sums.values()
    [1.0, 0.6]
    """

    __slots__ = ("_nonfinite", "_totals")

    def __init__(self, k: int) -> None:
        self._totals = [0] * k
        self._nonfinite = [0] * k

    def __len__(self) -> int:
        return len(self._totals)

    def update_many(self, values: Floats) -> None:
        """Add a matrix, float64 (k, n), row by row."""
        self._add(values, 1)

    def subtract_many(self, values: Floats) -> None:
        """Take back a matrix that was added before."""
        self._add(values, -1)

    def add_rows(self, rows: Ints, values: Floats, sign: int = 1) -> None:
        """Add (or with `sign` −1 take back) each of `values` (n,) to the sum that `rows` (n,) names."""
        finite = np.isfinite(values)
        if not finite.all():
            lost = np.bincount(rows[~finite], minlength=len(self._totals)).tolist()
            self._nonfinite = [a + sign * b for a, b in zip(self._nonfinite, lost, strict=True)]
            rows, values = rows[finite], values[finite]
        if len(values) == 0:
            return
        mantissas, exponents = np.frexp(values)
        mantissas = np.ldexp(mantissas, 53)
        high = np.floor(mantissas / _LIMB)
        low = mantissas - high * _LIMB
        least = int(exponents.min())
        span = int(exponents.max()) - least + 1
        cells = rows * span + (exponents - least)
        # Limbs are below 2²⁷, so float64 holds their sums exactly for up to 2²⁶ values a batch.
        size = len(self._totals) * span
        high_sums = np.bincount(cells, high, size)
        low_sums = np.bincount(cells, low, size)
        shift = least - 53 + UNIT_BITS
        for cell in np.flatnonzero((high_sums != 0) | (low_sums != 0)).tolist():
            row, exponent = divmod(cell, span)
            total = (int(high_sums[cell]) << 26) + int(low_sums[cell])
            self._totals[row] += sign * (total << (exponent + shift))

    def merge(self, other: "ExactSums") -> None:
        """As if `other`'s values had been added here too."""
        self._totals = [a + b for a, b in zip(self._totals, other._totals, strict=True)]
        self._nonfinite = [a + b for a, b in zip(self._nonfinite, other._nonfinite, strict=True)]

    def values(self) -> list[float | None]:
        """The sums, correctly rounded; None where a value wasn't finite or the sum overflows float64."""
        return [self._value(row) for row in range(len(self._totals))]

    def scaled(self, row: int) -> int | None:
        """The exact sum in units of 2⁻¹¹²⁷, for exact arithmetic; None where a value wasn't finite."""
        return None if self._nonfinite[row] else self._totals[row]

    def to_state(self) -> State:
        """The same for the same values, whatever their order and batches."""
        return {"totals": [_pack(total) for total in self._totals], "nonfinite": list(self._nonfinite)}

    @classmethod
    def from_state(cls, state: State) -> "ExactSums":
        """What `to_state` gave."""
        sums = cls(len(state["totals"]))
        sums._totals = [_unpack(packed) for packed in state["totals"]]
        sums._nonfinite = list(state["nonfinite"])
        return sums

    def _add(self, values: Floats, sign: int) -> None:
        rows = np.repeat(np.arange(len(self._totals)), values.shape[1])
        self.add_rows(rows, np.ascontiguousarray(values).ravel(), sign)

    def _value(self, row: int) -> float | None:
        if self._nonfinite[row]:
            return None
        try:
            return self._totals[row] / _UNIT
        except OverflowError:
            return None


class ExactSum:
    """One exact sum.

    >>> total = ExactSum()
    >>> total.update_many(np.array([0.1] * 10))
    >>> total.value()
    1.0
    """

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums = ExactSums(1)

    def update_many(self, values: Floats) -> None:
        """Add `values`, float64 (n,)."""
        self._sums.update_many(values[np.newaxis])

    def subtract_many(self, values: Floats) -> None:
        """Take back values that were added before."""
        self._sums.subtract_many(values[np.newaxis])

    def merge(self, other: "ExactSum") -> None:
        """As if `other`'s values had been added here too."""
        self._sums.merge(other._sums)

    def value(self) -> float | None:
        """The sum, correctly rounded; None where a value wasn't finite or the sum overflows float64."""
        return self._sums.values()[0]

    def to_state(self) -> State:
        """The same for the same values, whatever their order and batches."""
        return self._sums.to_state()

    @classmethod
    def from_state(cls, state: State) -> "ExactSum":
        """What `to_state` gave."""
        total = cls()
        total._sums = ExactSums.from_state(state)
        return total


def _pack(total: int) -> bytes:
    """Two bytes of how many zero bits end the number, then the rest: a sum of everyday numbers takes ten."""
    zeros = (total & -total).bit_length() - 1 if total else 0
    total >>= zeros
    return zeros.to_bytes(2, "big") + total.to_bytes(total.bit_length() // 8 + 1, "big", signed=True)


def _unpack(packed: bytes) -> int:
    return int.from_bytes(packed[2:], "big", signed=True) << int.from_bytes(packed[:2], "big")
