"""What keeps a request back although there is a reason for it: the first guard that holds, in words."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from streamgauge.schemas.monitor_names import MISSING_LABELS
from streamgauge.schemas.monitor_retrain import Retrain
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.findings import OffsetRange

_DAY_MIN = 1_440
_MINUTE_US = 60_000_000
NEVER = 2**62
_BROKEN = "broken data teach nothing"
_BECAUSE = {MISSING_LABELS: "nobody could tell whether a new model is better"}


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a new model can learn from: an event-time range in microseconds (end exclusive), where it lies in
    the input topics, how many of its predictions have a label, and their share of all (0..1)."""

    start_us: int | None
    end_us: int | None
    labels: int
    coverage: float | None = None
    offsets: tuple[OffsetRange, ...] = ()

    def record(self) -> dict[str, Any]:
        """What a request says of it."""
        start, end = (None if us is None else format_time(us) for us in (self.start_us, self.end_us))
        offsets = [each.record() for each in self.offsets]
        return {
            "data": {"start": start, "end": end, "offsets": offsets},
            "label_coverage": self.coverage,
            "labels": self.labels,
        }


@dataclass(frozen=True, slots=True)
class Held:
    """`guard` is the field of `retrain` that holds a request back, `why` says so to people.

    Of ``blocked_by``, `monitors` are those that are open.
    """

    guard: str
    why: str
    monitors: tuple[str, ...] = ()

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return [self.guard, self.why, list(self.monitors)]

    @classmethod
    def from_state(cls, state: Any) -> "Held | None":
        """What `to_state` gave, or None for None."""
        return None if state is None else cls(state[0], state[1], tuple(state[2]))


def held_by(terms: Retrain, data: TrainingData, now_us: int, open_monitors: Collection[str]) -> Held | None:
    """The first guard of the definition's that holds; `open_monitors` have an open alert on the version.

    >>> held_by(Retrain(min_labels=100), TrainingData(0, 1, labels=99), 0, ()).why
    '99 of 100 labels'
    >>> held_by(Retrain(), TrainingData(0, 1, labels=5_000), 0, {"data_quality"}).why
    'an alert of data_quality is open: broken data teach nothing'
    >>> held_by(Retrain(), TrainingData(0, 1, labels=5_000), 0, {"missing_labels"}).why
    'an alert of missing_labels is open: nobody could tell whether a new model is better'
    """
    bad = tuple(monitor for monitor in terms.blocked_by if monitor in open_monitors)
    if bad:
        return Held("blocked_by", f"an alert of {bad[0]} is open: {_BECAUSE.get(bad[0], _BROKEN)}", bad)
    if data.labels < terms.min_labels:
        return Held("min_labels", f"{data.labels:,} of {terms.min_labels:,} labels")
    covered = data.coverage or 0.0
    if covered < terms.min_coverage:
        return Held("min_coverage", f"labels of {covered:.0%}, {terms.min_coverage:.0%} are needed")
    minute = now_us // _MINUTE_US % _DAY_MIN
    for hours in terms.blackout:
        start, end = minutes_of(hours)
        if (start <= minute < end) if start < end else (minute >= start or minute < end):
            return Held("blackout", f"no request is made from {hours.replace('-', ' to ')} UTC")
    return None


def next_change_us(terms: Retrain, now_us: int) -> int:
    """When time alone may next change which guard holds: where a blackout begins or ends after `now_us`.

    >>> next_change_us(Retrain(blackout=["22:00-06:00"]), 23 * 3_600_000_000) // 3_600_000_000
    30
    """
    day_us = _DAY_MIN * _MINUTE_US
    edges = (minute * _MINUTE_US for hours in terms.blackout for minute in minutes_of(hours))
    return min((now_us + ((edge_us - now_us - 1) % day_us) + 1 for edge_us in edges), default=NEVER)


def minutes_of(hours: str) -> tuple[int, int]:
    """Start and end of ``22:00-06:00`` in minutes of the day.

    >>> minutes_of("22:00-06:30")
    (1320, 390)
    """
    start, end = ([int(part) for part in side.split(":")] for side in hours.split("-"))
    return start[0] * 60 + start[1], end[0] * 60 + end[1]
