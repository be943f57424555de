"""`Alarm`: what a stream's evidence found, in words and numbers that an alert can carry."""

from dataclasses import dataclass
from typing import Literal

Aspect = Literal["location", "spread", "category", "unseen", "missing", "out_of_range", "rate", "gap",
                 "shortfall", "wrong_type", "appeared", "duplicate", "agreement", "constant"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alarm:
    """Stream number `stream` has changed since about `onset_us`; `n` of its events since tell so.

    The change began between `onset_low_us` and `onset_high_us`, which holds in 95 % at least.

    `size` is in reference standard deviations for a location (−4 to 4), a ratio of standard deviations for a
    spread (.1 to 10), and otherwise the difference of the rates `value` and `baseline`.
    `evidence` is the mean of R when it reached 1. `category` names a category; `groups` are
    the codes of a pair, the one with the higher rate first.
    """

    stream: int
    aspect: Aspect
    direction: Literal["up", "down"]
    size: float
    evidence: float
    onset_us: int
    onset_low_us: int
    onset_high_us: int
    n: int
    value: float | None = None
    baseline: float | None = None
    category: str | None = None
    groups: tuple[int, int] | None = None
