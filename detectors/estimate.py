"""A number and how sure it is: what every statistic gives back."""

from dataclasses import dataclass
from typing import Any

#: What `to_state` gives and `from_state` takes: None, bool, int64, float, str, bytes, numpy arrays, and
#: lists and str-keyed dicts of these.
State = Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval and the count of events it rests on.

    `value` is None when the statistic is undefined. `low` or `high` is None where no bound is known.

    >>> Estimate(0.9, 0.86, 0.93, 250).value
    0.9
    """

    value: float | None
    low: float | None
    high: float | None
    n: int

    @classmethod
    def undefined(cls, n: int = 0) -> "Estimate":
        """The estimate of something that `n` events don't define."""
        return cls(None, None, None, n)
