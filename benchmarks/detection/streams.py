"""The kinds of simulated streams: how their values are drawn, and how likely each value is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import signal, special

from streamgauge.schemas.batch import Floats

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
#: The shares of seven answers, from 1 to 7.
_ANSWERS = np.array([0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05])
_ZEROS = 0.95


@dataclass(frozen=True, slots=True)
class Kind:
    """Streams of one kind. `cdf` is None where events depend on each other, and only whole series will do."""

    name: str
    draw: Draw
    cdf: Callable[[Floats], Floats] | None


def autoregressive(phi: float) -> Draw:
    """Series of unit variance, stationary from the first value on: float64 (streams, n)."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        noise = rng.normal(size=shape) * (1 - phi**2) ** 0.5
        noise[:, 0] /= (1 - phi**2) ** 0.5
        series: Floats = signal.lfilter([1.0], [1.0, -phi], noise, axis=1)
        return series

    return draw


def rate(p: float) -> Draw:
    """0 and 1, as float64."""
    return lambda rng, shape: (rng.random(shape) < p).astype(np.float64)


def _answers(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return 1.0 + np.searchsorted(np.cumsum(_ANSWERS)[:-1], rng.random(shape), side="right")


def _answers_cdf(x: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(_ANSWERS)])[np.clip(np.floor(x), 0, 7).astype(int)]


def _mostly_zeros(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.where(rng.random(shape) < _ZEROS, 0.0, rng.lognormal(size=shape))


def _mostly_zeros_cdf(x: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        above = special.ndtr(np.log(np.maximum(x, 0.0)))
    return np.where(x < 0, 0.0, _ZEROS + (1 - _ZEROS) * above)


NORMAL = Kind("normal", lambda rng, shape: rng.normal(size=shape), special.ndtr)
LOGNORMAL = Kind("lognormal", lambda rng, shape: rng.lognormal(size=shape), lambda x: special.ndtr(np.log(x)))
STUDENT = Kind("Student's t(3)", lambda rng, shape: rng.standard_t(3, size=shape), None)
ANSWERS = Kind("7 integers", _answers, _answers_cdf)
MOSTLY_ZEROS = Kind("95 % zeros", _mostly_zeros, _mostly_zeros_cdf)
AR5 = Kind("AR(.5)", autoregressive(0.5), None)
AR9 = Kind("AR(.9)", autoregressive(0.9), None)
