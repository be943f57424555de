"""What a shell may want to know of the core's work: how long detectors take, and what was just applied."""

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

from streamgauge.schemas.batch import Ints

P = ParamSpec("P")
R = TypeVar("R")
#: Is told the times of predictions that have just been applied, µs since the epoch, int64 (n,).
Applied = Callable[[Ints], None]


class Meter(Protocol):
    """Calls `work` once and gives back what that does; the core has no clock to look at meanwhile."""

    def __call__(self, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...


def unmetered(work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Only calls it.

    >>> unmetered(max, 3, 5)
    5
    """
    return work(*args, **kwargs)


def untold(time_us: Ints) -> None:
    """Nobody asks."""
