"""`RiverDrift`: River's own drift detectors on an error stream, guarded and with plain snapshots."""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import river
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.detectors.river_parts import DriftDetector, drift
from streamgauge.schemas.batch import Floats

#: By the name that a definition uses; only ADWIN runs without being named. The catches of the others:
#: `page_hinkley` isn't scale-free; `eddm` gave 29 false alarms in 20,000 events; `ddm` expects errors that
#: fall while a model learns; `fhddm` fires when the mean falls, so it is fed 1 − error; `hddm_a` is slow;
#: `kswin` gave 28 false alarms in 20,000 events, costs 900 µs for each, and draws at random, from a seed.
DETECTORS: dict[str, Callable[[], DriftDetector]] = {
    "adwin": lambda: drift.ADWIN(delta=0.002),
    "hddm_w": drift.binary.HDDMW,
    "hddm_a": drift.binary.HDDMA,
    "ddm": drift.binary.DDM,
    "eddm": drift.binary.EDDM,
    "fhddm": drift.binary.FHDDM,
    "page_hinkley": lambda: drift.PageHinkley(mode="up"),
    "kswin": lambda: drift.KSWIN(seed=1),
}
#: Those that need errors of 0 and 1.
BINARY = frozenset({"hddm_w", "hddm_a", "ddm", "eddm", "fhddm"})


class RiverDrift:
    """One of River's detectors, by name, over errors in their order.

    Non-finite values never reach it, for one NaN silences ADWIN and PageHinkley for good; nor do values other
    than 0 and 1 reach a binary detector. `ignored` counts them.

    >>> detector = RiverDrift("adwin")
    >>> errors = np.repeat([0.0, 1.0], 500)
    >>> detector.update_many(errors).tolist()
    [511]
    """

    __slots__ = ("_detector", "ignored", "n", "name")

    def __init__(self, name: str) -> None:
        """Raises ValueError for a name that isn't in `DETECTORS`."""
        if name not in DETECTORS:
            raise ValueError(f"no drift detector {name!r}; there are {', '.join(DETECTORS)}")
        self.name = name
        self.n = 0
        self.ignored = 0
        self._detector: Any = DETECTORS[name]()

    def update_many(self, errors: Floats) -> NDArray[np.intp]:
        """Take float64 (n,); the indices into it at which errors were found to have grown, intp (k,).

        ADWIN and KSWIN find changes both ways; that errors became fewer is no reason to alert.
        """
        usable = np.isfinite(errors)
        if self.name in BINARY:
            usable &= (errors == 0) | (errors == 1)
        indices = np.flatnonzero(usable)
        self.n += len(indices)
        self.ignored += len(errors) - len(indices)
        values = 1 - errors[usable] if self.name == "fhddm" else errors[usable]
        if self.name == "adwin" and self._takes_at_once(values.tolist()):
            return np.zeros(0, np.intp)
        fired = []
        detector = self._detector
        level = _LEVELS.get(self.name)
        for index, value in zip(indices.tolist(), values.tolist(), strict=True):
            before = level(detector) if level else 0.0
            detector.update(value)
            if detector.drift_detected and (level is None or level(detector) > before):
                fired.append(index)
        return np.array(fired, np.intp)

    def _takes_at_once(self, values: list[float]) -> bool:
        """Gives values to what ADWIN keeps in Rust, in one go: whether it finds no change in them. If it
        does, it is as it was, so that they can be looked at one by one."""
        detector = self._detector
        if detector.drift_detected:  # it starts over with the next value
            return False
        before = _encode(detector._helper)
        if not any(list(map(detector._helper.update, values))):
            return True
        detector._helper = _decode(detector._helper, before)
        return False

    def to_state(self) -> State:
        """Attributes of River's objects as plain values; what it keeps in Rust as the bytes it gives."""
        return {
            "name": self.name,
            "river": river.__version__,
            "n": self.n,
            "ignored": self.ignored,
            "detector": _encode(self._detector),
        }

    @classmethod
    def from_state(cls, state: State) -> "RiverDrift":
        """What `to_state` gave; of another version of River, whose insides differ, the counts alone."""
        detector = cls(state["name"])
        detector.n, detector.ignored = state["n"], state["ignored"]
        if state["river"] == river.__version__:
            detector._detector = _decode(detector._detector, state["detector"])
        return detector


#: Of those that find changes both ways, the mean error that they go by: of what they keep.
_LEVELS: dict[str, Callable[[Any], float]] = {
    "adwin": lambda detector: detector.estimation,
    "kswin": lambda detector: sum(detector.window) / max(len(detector.window), 1),
}


def _encode(value: Any) -> State:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value)  # SciPy's p-values are numpy's floats
    if hasattr(value, "getstate"):  # a generator of random numbers, from a seed
        _, words, _ = value.getstate()
        return list(words)
    if isinstance(value, deque):
        return [_encode(item) for item in value]
    if hasattr(value, "__getnewargs__"):
        return value.__getstate__()
    return {name: _encode(part) for name, part in vars(value).items() if not callable(part)}


def _decode(fresh: Any, state: State) -> Any:
    """`fresh` is the same part of a new detector: it alone says which classes there are, never the state."""
    if isinstance(fresh, deque):
        return deque(state, fresh.maxlen)
    if hasattr(fresh, "getstate"):
        fresh.setstate((fresh.VERSION, tuple(state), None))
        return fresh
    if hasattr(fresh, "__getnewargs__") and isinstance(state, bytes):
        part = type(fresh)(*fresh.__getnewargs__())
        part.__setstate__(state)
        return part
    if isinstance(state, dict):
        for name, value in state.items():
            setattr(fresh, name, _decode(getattr(fresh, name), value))
        return fresh
    return state
