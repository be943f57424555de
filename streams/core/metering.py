"""`Meter`: what a shell may put around the work of detectors, to know how long that takes."""

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Meter(Protocol):
    """Calls `work` once and gives back what that does; the core has no clock to look at meanwhile."""

    def __call__(self, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...


def unmetered(work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Only calls it.

    >>> unmetered(max, 3, 5)
    5
    """
    return work(*args, **kwargs)
