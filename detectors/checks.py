"""The conformance kit: what every detector and aggregate must hold, as checks that raise `AssertionError`.

A class under test is a `Case`: how to make one, restore one, feed one. States are compared bit for bit.
Detectors of your own pass it the same way as those that come with Streamgauge.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State

#: Columns of one batch, all with the same last axis.
Batch = tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One class under test. `stream(seed, n)` draws n events; `update` feeds a batch and `subtract` takes
    it back. `hostile` are batches that must be survived. `merges` says whether `a.merge(b)` is offered.
    """

    name: str
    make: Callable[[], Any]
    restore: Callable[[State], Any]
    stream: Callable[[int, int], Batch]
    update: Callable[..., object]
    subtract: Callable[..., object] | None = None
    merges: bool = False
    hostile: Sequence[Batch] = ()
    read: Callable[[Any], object] = lambda _: None


def check_a_restored_one_goes_on_as_if_never_interrupted(case: Case, seed: int, n: int = 400) -> None:
    """Snapshot, restore, go on = never interrupted, at cuts all over a stream; a snapshot changes nothing."""
    batch = case.stream(seed, n)
    straight = case.make()
    case.update(straight, *batch)
    for cut in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        interrupted = case.make()
        case.update(interrupted, *_rows(batch, 0, cut))
        state = interrupted.to_state()
        assert is_plain(state), f"{case.name}: the state holds more than plain structures"
        restored = case.restore(state)
        case.update(interrupted, *_rows(batch, cut, n))
        case.update(restored, *_rows(batch, cut, n))
        assert same(restored.to_state(), interrupted.to_state()), (
            f"{case.name}: differs when restored at {cut}"
        )
        assert same(restored.to_state(), straight.to_state()), f"{case.name}: differs when cut at {cut}"


def check_any_split_into_batches_gives_the_same(case: Case, seed: int, n: int = 400) -> None:
    """One batch, single events and random batches leave the same state."""
    batch = case.stream(seed, n)
    whole = case.make()
    case.update(whole, *batch)
    rng = np.random.default_rng(seed)
    random_cuts = np.unique(rng.integers(0, n + 1, 9)).tolist()
    for cuts in ([0, *random_cuts, n], list(range(n + 1))):
        split = case.make()
        for start, stop in pairwise(cuts):
            case.update(split, *_rows(batch, start, stop))
        assert same(split.to_state(), whole.to_state()), f"{case.name}: differs when split"


def check_merging_is_having_seen_both(case: Case, seed: int, n: int = 400) -> None:
    """a.merge(b) = both seen, and b is left alone."""
    batch = case.stream(seed, n)
    whole, a, b = case.make(), case.make(), case.make()
    case.update(whole, *batch)
    case.update(a, *_rows(batch, 0, n // 3))
    case.update(b, *_rows(batch, n // 3, n))
    before = b.to_state()
    a.merge(b)
    assert same(a.to_state(), whole.to_state()), f"{case.name}: merged differs from both seen"
    assert same(b.to_state(), before), f"{case.name}: merging changed the other"


def check_what_is_subtracted_leaves_no_trace(case: Case, seed: int, n: int = 400) -> None:
    """Update then subtract = never seen, whatever came between."""
    assert case.subtract is not None
    kept, passing = case.stream(seed, n), case.stream(seed + 1, n // 2)
    straight, wandering = case.make(), case.make()
    case.update(straight, *kept)
    case.update(wandering, *passing)
    case.update(wandering, *kept)
    case.subtract(wandering, *passing)
    assert same(wandering.to_state(), straight.to_state()), f"{case.name}: subtracting left a trace"


def check_hostile_values_poison_nothing(case: Case, seed: int) -> None:
    """NaN, infinities, extremes and empty batches: no error, a plain finite state, and it goes on working."""
    survivor = case.make()
    case.update(survivor, *case.stream(seed, 60))
    for hostile in (_rows(case.stream(seed, 5), 0, 0), *case.hostile):
        case.update(survivor, *hostile)
        case.read(survivor)
        state = survivor.to_state()
        assert is_plain(state), f"{case.name}: a hostile batch left a state that isn't plain"
        assert not has_nan(state), f"{case.name}: a hostile batch left NaN in the state"
        assert same(case.restore(state).to_state(), state), f"{case.name}: that state doesn't come back"
    before = survivor.to_state()
    case.update(survivor, *case.stream(seed + 1, 200))
    case.read(survivor)
    assert not same(survivor.to_state(), before), f"{case.name}: hostile values have silenced it"


def check_its_size_is_bounded(case: Case, seed: int, n: int = 10_000, times: int = 10) -> None:
    """The state after `times` · n events is at most twice that after n, and a kilobyte."""
    one = case.make()
    case.update(one, *case.stream(seed, n))
    early = size_of(one.to_state())
    for i in range(1, times):
        case.update(one, *case.stream(seed + i, n))
    late = size_of(one.to_state())
    assert late <= 2 * early + 1024, f"{case.name}: grew from {early} to {late} bytes"


@dataclass(frozen=True, slots=True)
class Trial:
    """A drift detector on streams that are known to change after `steady` events, for the worse.

    `watch(seed)` gives where it fired in a stream of `steady` + `changed` events, ascending integers (k,).
    `most_false` bounds its false alarms in 10,000 steady events, `most_delay` the median delay in events.
    """

    name: str
    watch: Callable[[int], NDArray[np.intp]]
    steady: int
    changed: int
    most_false: float
    most_delay: float


@dataclass(frozen=True, slots=True)
class Detection:
    """Of some streams: false alarms in 10,000 steady events, the median delay in events, infinite if most
    changes were not found, and the share that was.
    """

    false_alarms: float
    delay: float
    found: float


def measure_detection(trial: Trial, seeds: Sequence[int]) -> Detection:
    """What a detector does on the streams of `seeds`; an alarm after the change counts, whatever was before.

    >>> trial = Trial("tenth", lambda seed: np.array([seed, 100 + seed]), 100, 50, 0.0, 5.0)
    >>> measure_detection(trial, [1, 2, 60])
    Detection(false_alarms=100.0, delay=2.0, found=0.6666666666666666)
    """
    false, delays = 0, []
    for seed in seeds:
        fired = trial.watch(seed)
        within = fired[(fired >= trial.steady) & (fired < trial.steady + trial.changed)]
        false += int((fired < trial.steady).sum())
        delays.append(float(within[0]) - trial.steady if len(within) else math.inf)
    found = sum(map(math.isfinite, delays)) / len(seeds)
    return Detection(1e4 * false / (len(seeds) * trial.steady), float(np.median(delays)), found)


def check_false_alarms_and_delay(trial: Trial, seeds: Sequence[int]) -> Detection:
    """Both are within the bounds that are stated for this detector."""
    told = measure_detection(trial, seeds)
    assert told.false_alarms <= trial.most_false, f"{trial.name}: {told.false_alarms} false alarms in 10,000"
    assert told.delay <= trial.most_delay, f"{trial.name}: tells a change after {told.delay} events"
    return told


def same(a: State, b: State) -> bool:
    """Whether two states are equal bit for bit; NaN equals NaN, 1 does not equal 1.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, float):
        return bool(a.hex() == b.hex())
    return bool(a == b)


def is_plain(state: State) -> bool:
    """Whether a snapshot can hold it: None, bool, int64, float, str, bytes, array, list, str-keyed dict."""
    if isinstance(state, dict):
        return all(isinstance(key, str) and is_plain(value) for key, value in state.items())
    if isinstance(state, list):
        return all(map(is_plain, state))
    if isinstance(state, np.ndarray):
        return state.dtype.kind in "biufS"
    if type(state) is int:
        return -(1 << 63) <= state < 1 << 63
    return state is None or type(state) in (bool, float, str, bytes)


def has_nan(state: State) -> bool:
    """Whether a NaN is anywhere in a state."""
    if isinstance(state, dict):
        return any(map(has_nan, state.values()))
    if isinstance(state, list):
        return any(map(has_nan, state))
    if isinstance(state, np.ndarray):
        return bool(state.dtype.kind == "f" and np.isnan(state).any())
    return isinstance(state, float) and math.isnan(state)


def size_of(state: State) -> int:
    """Bytes of what a state holds, near enough for a bound."""
    if isinstance(state, dict):
        return sum(len(key) + size_of(value) for key, value in state.items())
    if isinstance(state, list):
        return sum(map(size_of, state)) + 8 * len(state)
    if isinstance(state, np.ndarray):
        return state.nbytes
    return len(state) if isinstance(state, str | bytes) else 8


def _rows(batch: Batch, start: int, stop: int) -> Batch:
    return tuple(column[..., start:stop] for column in batch)
