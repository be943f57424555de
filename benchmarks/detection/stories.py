"""What happens to streams: sudden changes of every kind, gradual and recurring ones; and who sees it.

Streams are calm for `CALM` events and changed from there on. False alarms are those before; the delay is the
median number of events from the change to the first alarm after it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.detection.rivals import FLEET, RIVALS, RIVER, SINGLE, WINDOWED, Rival
from benchmarks.detection.streams import (
    ANSWERS,
    AR5,
    LOGNORMAL,
    MOSTLY_ZEROS,
    NORMAL,
    STUDENT,
    Draw,
    rate,
)
from streamgauge.schemas.batch import Floats

REFERENCE, CALM, CHANGED = 5_000, 10_000, 6_000
#: KSWIN takes some 300 µs an event, so it sees fewer and shorter streams.
SLOW, SLOW_STREAMS, SLOW_CALM = "KSWIN", 1, 3_000
#: From which event on, as a number by event: how much of a change there is, from 0 to 1.
Course = Callable[[int], Floats]


@dataclass(frozen=True, slots=True)
class Story:
    """`change(values, how much of it)`; where events are drawn anew, `after` draws them instead."""

    name: str
    draw: Draw
    change: Callable[[Floats, Floats], Floats] | None = None
    after: Draw | None = None

    def values(self, rng: np.random.Generator, shape: tuple[int, int], course: Floats) -> Floats:
        """Streams on which the change acts as `course` says, float64 (streams, n)."""
        values = self.draw(rng, shape)
        if self.after is not None:
            return np.where(rng.random(shape) < course, self.after(rng, shape), values)
        return values if self.change is None else self.change(values, course)


STORIES = (
    Story("Bernoulli .1 → .2", rate(0.1), after=rate(0.2)),
    Story("Bernoulli .01 → .05", rate(0.01), after=rate(0.05)),
    Story("normal, .5 σ", NORMAL.draw, lambda x, c: x + 0.5 * c),
    Story("lognormal, × 1.65", LOGNORMAL.draw, lambda x, c: x * np.exp(0.5 * c)),
    Story("Student's t(3), .5", STUDENT.draw, lambda x, c: x + 0.5 * c),
    Story("AR(.5), .5 σ", AR5.draw, lambda x, c: x + 0.5 * c),
    Story("7 integers, .5 up", ANSWERS.draw, lambda x, c: np.minimum(x + (x % 2) * c, 7)),
    Story("95 % zeros → 90 %", MOSTLY_ZEROS.draw, after=lambda rng, shape: np.where(
        rng.random(shape) < 0.9, 0.0, rng.lognormal(size=shape))),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """By a detector: false alarms in 10,000 events of a stream, share of streams seen, median delay."""

    false: float
    share: float
    delay: float


def seen(rival: Rival, reference: Floats, values: Floats, change: int) -> Seen:
    """What a detector made of streams that change at event number `change`."""
    alarms = rival(reference, values)
    false = sum(int((row < change).sum()) for row in alarms) / (len(values) * change) * 10_000
    late = [row[row >= change] for row in alarms]
    delays = [float(row[0] + 1 - change) if len(row) else np.inf for row in late]
    return Seen(false, float(np.isfinite(delays).mean()), float(np.median(delays)))


def compare(story: Story, streams: int, rivals: Mapping[str, Rival] = RIVALS) -> dict[str, Seen]:
    """A sudden change, and what every detector makes of it."""
    found = {}
    for name, rival in rivals.items():
        slow = name == SLOW
        calm, rows = (SLOW_CALM, min(SLOW_STREAMS, streams)) if slow else (CALM, streams)
        changed = 1_000 if slow else CHANGED
        rng = np.random.default_rng([5, *story.name.encode()])
        reference = story.draw(rng, (rows, REFERENCE))
        course = (np.arange(calm + changed) >= calm).astype(np.float64)
        found[name] = seen(rival, reference, story.values(rng, (rows, calm + changed), course), calm)
    return found


#: Those that are drawn against the size of a shift.
CURVES: Mapping[str, Rival] = {
    "ours, single": SINGLE,
    "ours, fleet": FLEET,
    "ADWIN": RIVER["ADWIN"],
    "KS, Bonferroni": WINDOWED["KS, Bonferroni"],
}
SHIFTS = (0.15, 0.2, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5)


def delays_by_shift(streams: int, shifts: Sequence[float] = SHIFTS) -> dict[str, list[float]]:
    """Median delays of normal streams that move by so many standard deviations."""
    found: dict[str, list[float]] = {name: [] for name in CURVES}
    calm, n = 2_000, 10_000
    for shift in shifts:
        rng = np.random.default_rng([6, int(shift * 100)])
        reference, values = rng.normal(size=(streams, REFERENCE)), rng.normal(size=(streams, n))
        values[:, calm:] += shift
        for name, rival in CURVES.items():
            found[name].append(seen(rival, reference, values, calm).delay)
    return found


def gradual(n: int) -> Floats:
    """From nothing to all of it within 10,000 events, after 5,000 calm ones."""
    return np.clip((np.arange(n) - 5_000) / 10_000, 0.0, 1.0)


def recurring(n: int) -> Floats:
    """There for 1,000 events of every 5,000, from event 5,000 on."""
    at = np.arange(n)
    return ((at >= 5_000) & (at % 5_000 < 1_000)).astype(np.float64)


COURSES: Mapping[str, Course] = {"gradual, to 1 σ": gradual, "recurring, 1 σ": recurring}
LENGTH = 20_000


def follow(course: Course, streams: int, rivals: Mapping[str, Rival] = CURVES) -> dict[str, Seen]:
    """Of a recurring change, `share` is that of the recurrences in which a stream alarms."""
    rng = np.random.default_rng(7)
    reference, values = rng.normal(size=(streams, REFERENCE)), rng.normal(size=(streams, LENGTH))
    acting = course(LENGTH)
    values += acting
    found = {}
    starts = np.flatnonzero(np.diff(acting, prepend=0.0) == 1.0)
    for name, rival in rivals.items():
        whole = seen(rival, reference, values, 5_000)
        if len(starts) > 1:
            alarms = rival(reference, values)
            hit = [((row >= s) & (row < s + 1_500)).any() for row in alarms for s in starts]
            whole = Seen(whole.false, float(np.mean(hit)), whole.delay)
        found[name] = whole
    return found
