"""`RateProfile` and `PairProfile`: how often something was so in a reference, alone or together."""

import math
from dataclasses import dataclass
from typing import Any

#: Counts beyond this are not exact as float64; nobody has counted so far.
MAX_COUNT = 1 << 53


def require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"not a baseline profile: {what}")


def whole(values: tuple[Any, ...], at_least: int = 0) -> bool:
    return all(type(value) is int and at_least <= value <= MAX_COUNT for value in values)


def finite(values: tuple[Any, ...], at_least: float = -math.inf) -> bool:
    return all(type(v) is float and math.isfinite(v) and v >= at_least for v in values)


def are_effects(values: tuple[Any, ...]) -> bool:
    return finite(values, at_least=1) and all(value <= MAX_COUNT for value in values)


@dataclass(frozen=True, slots=True)
class RateProfile:
    """`k` of `n` reference events were so (failed, missing, unseen, …).

    `design_effect` is how many dependent events are worth one independent one (1 where they don't depend);
    `stationary` is False when the halves of the reference differ too much to be one thing.
    """

    k: int
    n: int
    design_effect: float = 1.0
    stationary: bool = True

    def __post_init__(self) -> None:
        require(whole((self.k, self.n)) and 0 <= self.k <= self.n, "a rate has 0 ≤ k ≤ n")
        require(are_effects((self.design_effect,)), "a design effect is at least 1")
        require(type(self.stationary) is bool, "stationary is true or false")


@dataclass(frozen=True, slots=True)
class PairProfile:
    """How often features `first` and `second` lay in the same half of their references.

    `agree` is of the rows that have both; in `upper` many of them the first, and the second, lay in its upper
    half.
    """

    first: str
    second: str
    upper: tuple[int, int]
    agree: RateProfile

    @property
    def name(self) -> str:
        """What alerts call it."""
        return f"{self.first} with {self.second}"

    def __post_init__(self) -> None:
        require(type(self.first) is type(self.second) is str, "a pair is of two features")
        require(self.agree.n > 0, "a pair was seen")
        counts = len(self.upper) == 2 and whole(self.upper) and max(self.upper) <= self.agree.n
        require(counts, "of a pair's rows some are in upper halves")
