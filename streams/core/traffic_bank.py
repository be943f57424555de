"""`TrafficBank`: has a model's traffic stopped or jumped? Its requests, of all versions, by the minute.

A new version that takes over from an old one is no stop, so this is about the model.
"""

from typing import Any

import numpy as np

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.evidence.traffic import TrafficAlarm, TrafficEvidence
from streamgauge.detectors.intervals import poisson_rate
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.findings import Finding

MONITOR = "traffic"
_METRIC = "throughput_per_s"
_MINUTE_US = 60_000_000
_MINUTE_S = 60
#: Minutes in a row without a request of which each is looked at; longer silences are not watched on.
_LONGEST_SILENCE = 2 * 24 * 60
#: Minutes between an alarm's end and the next one's onset from which they are two changes.
_APART = 60


class TrafficBank:
    """Minutes of event time, which the watermark ends; those without a request count as zeros.

    A request that comes when its minute is over is late, and left out.
    """

    def __init__(self, definition: MonitorDefinition) -> None:
        self.definition = definition
        self.evidence: TrafficEvidence | None = None
        #: Requests of the minutes that are under way, by their number since the epoch.
        self._open: dict[int, int] = {}
        self._silent = 0
        self._latest: TrafficAlarm | None = None
        #: (watermark, balance) where minutes of the latest run ended.
        self._passed: list[tuple[int, float]] = []

    @property
    def weight(self) -> float:
        """In the budget, from the first request on, although there is no verdict in the first day."""
        return 0.0 if self.evidence is None else self.definition.rule(MONITOR).weight

    @property
    def watched_until_us(self) -> int:
        """The end of the minute that is under way; far away, if none is watched until a request comes."""
        if self.evidence is None or (self._silent >= _LONGEST_SILENCE and not self._open):
            return 2**62
        return (self.evidence.minute + 1) * _MINUTE_US

    def join(self) -> None:
        """It is paid by its weight from now on."""
        if self.evidence is not None:
            self.evidence.share = self.weight

    def monitors(self) -> list[str]:
        """The monitors that have something to say by now."""
        return [MONITOR] if self.evidence is not None and self.evidence.has_band else []

    def count(self, time_us: Ints, watermark_us: Ints) -> None:
        """Requests at these times, and the watermark before each, which never falls; int64 (n,)."""
        if not self.definition.rule(MONITOR).enabled:
            return
        if len(time_us) == 0:
            return
        first = int(time_us.min()) // _MINUTE_US
        end_us = (first + 1) * _MINUTE_US
        if time_us.max() < end_us and watermark_us[-1] < end_us:
            self._count(first, first, len(time_us))
            return
        minutes = time_us // _MINUTE_US
        on_time = minutes[(minutes + 1) * _MINUTE_US > watermark_us]
        numbers, counts = np.unique(on_time, return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            self._count(number, int(on_time[0]), count)

    def pass_minutes(self, watermark_us: Ints, paid: Floats) -> None:
        """The watermark before the events of a run and after each, (n + 1,); the account's balance, (n,)."""
        if watermark_us[0] // _MINUTE_US < watermark_us[-1] // _MINUTE_US:
            after = np.flatnonzero(np.diff(watermark_us // _MINUTE_US))
            self._passed += zip(watermark_us[after + 1].tolist(), paid[after].tolist(), strict=True)

    def advance(self, watermark_us: int, paid: float) -> list[Finding]:
        """Minutes before the watermark are over; `paid` is the account's balance.

        Each minute is paid up to the event that ended it, wherever runs of events were cut.
        """
        passed, self._passed = [*self._passed, (watermark_us, paid)], []
        found = [self._advance(passed_us, balance) for passed_us, balance in passed]
        return [finding for finding in found if finding is not None]

    def _advance(self, watermark_us: int, paid: float) -> Finding | None:
        evidence, end = self.evidence, watermark_us // _MINUTE_US
        if evidence is None or evidence.minute >= end:
            return None
        for number in sorted(number for number in self._open if number < end):
            count = self._open.pop(number)
            if number >= evidence.minute:
                self._silence(number, paid)
                evidence.update_many(np.array([count]), paid)
                self._silent = 0
        self._silence(end, paid)
        alarms = evidence.take_alarms()
        if not alarms:
            return None
        self._latest = _continued(self._latest, alarms)
        return _finding(self._latest)

    def _count(self, number: int, first: int, count: int) -> None:
        self._open[number] = self._open.get(number, 0) + count
        if self.evidence is None:
            # its first minute is not a whole one
            self.evidence = TrafficEvidence(first + 1, self.definition.rule(MONITOR).weight)

    def redefine(self, definition: MonitorDefinition) -> None:
        """The monitor may be on or off now; what is normal is learned anew where it was off."""
        self.definition = definition
        if not definition.rule(MONITOR).enabled:
            self.evidence, self._open, self._silent, self._latest = None, {}, 0, None

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        latest = self._latest
        return {
            "evidence": None if self.evidence is None else self.evidence.to_state(),
            "open": sorted(map(list, self._open.items())),
            "silent": self._silent,
            "latest": latest and [getattr(latest, name) for name in TrafficAlarm.__slots__],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], definition: MonitorDefinition) -> "TrafficBank":
        """What `to_state` gave."""
        bank = cls(definition)
        if state["evidence"] is not None:
            bank.evidence = TrafficEvidence.from_state(state["evidence"])
        bank._open = dict(state["open"])
        bank._silent = state["silent"]
        bank._latest = state["latest"] and TrafficAlarm(*state["latest"])
        return bank

    def _silence(self, end: int, paid: float) -> None:
        """Up to minute `end` nothing came."""
        assert self.evidence is not None
        silence = end - self.evidence.minute
        watched = min(silence, max(_LONGEST_SILENCE - self._silent, 0))
        self.evidence.update_many(np.zeros(watched, np.int64), paid)
        self.evidence.skip(silence - watched)
        self._silent += silence


def _continued(latest: TrafficAlarm | None, alarms: list[TrafficAlarm]) -> TrafficAlarm:
    """One change, although it alarms again and again while it lasts."""
    for alarm in alarms:
        if latest is None or alarm.direction != latest.direction or alarm.onset > _end(latest) + _APART:
            latest = alarm
        else:
            minutes, n = _end(alarm) - latest.onset, latest.n + alarm.n
            evidence = max(latest.evidence, alarm.evidence)
            latest = TrafficAlarm(alarm.direction, latest.onset, minutes, n, latest.normal, evidence)
    assert latest is not None
    return latest


def _end(alarm: TrafficAlarm) -> int:
    return alarm.onset + alarm.minutes


def _finding(alarm: TrafficAlarm) -> Finding:
    rate: Estimate = poisson_rate(alarm.n, alarm.minutes * _MINUTE_S)
    return Finding(
        MONITOR,
        _METRIC,
        "warning",
        value=rate.value,
        low=rate.low,
        high=rate.high,
        baseline=alarm.normal / _MINUTE_S,
        evidence=alarm.evidence,
        evidence_threshold=1.0,
        n=alarm.n,
        onset_us=alarm.onset * _MINUTE_US,
    )
