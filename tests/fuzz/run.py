"""Runs one fuzz target so many times, and says what that took; the first finding ends it, with its bytes."""

import faulthandler
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.fuzz.codecs import CODECS, Target, shown
from tests.fuzz.mutations import Mutator
from tests.fuzz.neighbours import Neighbours

#: One message that takes so long is a hang, whatever it would come to.
HANG_S = 30
TARGETS: dict[str, Callable[[], Target]] = {
    **{name: (lambda target=target: target) for name, target in CODECS.items()},
    "core": lambda: Neighbours().target(),
}


class Fuzzed(NamedTuple):
    """What a target was given: how many inputs, in which time, and how long the slowest took."""

    target: str
    inputs: int
    seconds: float
    slowest_ms: float


class FindingError(AssertionError):
    """A target did something else than take or refuse its input."""


def fuzz(name: str, inputs: int, seed: int) -> Fuzzed:
    """The same inputs for the same seed. Raises `FindingError`; a hang ends the process with a traceback."""
    target, mutator = TARGETS[name](), Mutator(seed)
    slowest, began, armed = 0.0, time.perf_counter(), 0.0
    for number in range(inputs):
        sent = mutator.mutate(target.corpus)
        at = time.perf_counter()
        if at > armed + 1:
            armed = at
            faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            target.run(sent)
        except Exception as error:
            raise FindingError(
                f"{name}, input {number} of seed {seed}: {error!r} after {shown(sent)}"
            ) from error
        slowest = max(slowest, time.perf_counter() - at)
    faulthandler.cancel_dump_traceback_later()
    return Fuzzed(name, inputs, time.perf_counter() - began, slowest * 1_000)
