"""`QualityBank`: values of another type than the baseline's, unknown features, identities that come again."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from streamgauge.detectors.baseline import rate_profile
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.rare import RareEvidence
from streamgauge.schemas.batch import Bools, Categories, Column, Floats, Ints
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.profile import BaselineProfile, NumericProfile, RateProfile
from streamgauge.streams.core.names import present

MONITOR = "data_quality"
#: Features of which values of another type, or any at all, are watched at a time.
_MOST = 32
#: What an alarm about events that come again names.
IDENTITY = "prediction_id"
_Aspect = Literal["wrong_type", "appeared"]


class QualityBank:
    """Streams of evidence that open when something is wrong, so that the hot path pays for none of them.

    Together they weigh as one stream in the budget, open or not: so they are paid from their first event on.
    `mixed` is how often a feature's value had another type than the rest of the baseline; without
    `complete` the baseline had more features than are watched, and new ones are not told.
    """

    def __init__(self, definition: MonitorDefinition, streams: int, alpha: float) -> None:
        self.definition = definition
        self._fleet = streams, alpha
        self.mixed: dict[str, RateProfile] = {}
        self.complete = True
        self._open: dict[tuple[_Aspect, str], RareEvidence] = {}
        #: Of the first events, as many as a baseline has: how many they were, how many of them came again.
        self._seen = self._again = 0
        self._repeats: RareEvidence | None = None
        #: Whether the version's streams are paid. Until they are, nothing is due.
        self._paid = False

    @property
    def weight(self) -> float:
        return self.definition.rule(MONITOR).stake

    @property
    def evidence(self) -> "tuple[QualityBank]":
        """What shares the budget: whatever may open."""
        return (self,)

    def join(self, paid: float) -> None:
        """What opens from now on is paid."""
        if not self._paid:
            self.leave()
            self._paid = True

    def leave(self) -> None:
        """What is open is closed, and what opens is not paid until it can `join`."""
        self._open, self._repeats, self._paid = {}, None, False

    def redefine(self, definition: MonitorDefinition) -> None:
        """The monitor may be on or off now, or weigh more or less: then evidence starts anew."""
        before, self.definition = self.definition, definition
        if before.rule(MONITOR).stake != definition.rule(MONITOR).stake:
            self.leave()

    @property
    def open(self) -> list[tuple[_Aspect, str]]:
        """What is watched because it was seen: (aspect, feature)."""
        return list(self._open)

    def explains(self, name: str, alarm: Alarm) -> bool:
        """Whether an alarm about missing values says no more than that they have another type."""
        return alarm.aspect == "missing" and ("wrong_type", name) in self._open

    def start(self, mixed: Mapping[str, Floats], complete: bool) -> None:
        """There is another baseline."""
        self.mixed = {name: rate_profile(rows) for name, rows in mixed.items()}
        self.complete, self._open = complete, {}

    def update(
        self, features: Mapping[str, Column], profile: BaselineProfile, time_us: Ints, paid: Floats
    ) -> Iterator[tuple[str, Alarm]]:
        """A batch in order: features that alarm."""
        if not self.definition.rule(MONITOR).enabled:
            self._open = {}
            return
        wrong: dict[tuple[_Aspect, str], Column] = {}
        for name, column in features.items():
            known = profile.features.get(name)
            if known is None:
                if self.complete:
                    wrong["appeared", name] = column
            elif isinstance(column, Categories) == isinstance(known, NumericProfile):
                wrong["wrong_type", name] = column
        paid = paid if self._paid else np.zeros_like(paid)
        for key in [*self._open, *(key for key in wrong if key not in self._open)]:
            outcomes = np.zeros(len(time_us), np.int64)
            if key in wrong:
                outcomes += present(wrong[key])
            if key not in self._open and (len(self._open) >= _MOST or not outcomes.any()):
                continue
            evidence = self._open.get(key) or self._evidence(key, profile)
            evidence.update_many(outcomes, time_us, paid)
            for alarm in evidence.take_alarms():
                yield key[1], alarm
            if evidence.is_open:
                self._open[key] = evidence
            else:
                self._open.pop(key, None)

    def repeat(self, again: Bools, time_us: Ints, paid: Floats) -> list[Alarm]:
        """Whether each of these events had come before, bool (n,), in order."""
        head = min(max(self.definition.baseline.rows - self._seen, 0), len(again))
        self._seen += head
        self._again += int(np.count_nonzero(again[:head]))
        if not self.definition.rule(MONITOR).enabled:
            self._repeats = None
            return []
        if self._repeats is None and not np.count_nonzero(again[head:]):
            return []
        evidence = self._repeats or self._repeated()
        balance = paid[head:] if self._paid else 0.0
        evidence.update_many(again[head:].astype(np.int64), time_us[head:], balance)
        self._repeats = evidence if evidence.is_open else None
        return evidence.take_alarms()

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "mixed": {name: asdict(rate) for name, rate in self.mixed.items()},
            "complete": self.complete,
            "paid": self._paid,
            "repeats": [self._seen, self._again, self._repeats and self._repeats.to_state()],
            "open": [[*key, evidence.to_state()] for key, evidence in self._open.items()],
        }

    def restore(self, state: dict[str, Any], profile: BaselineProfile | None) -> None:
        """Continue from what `to_state` gave."""
        self.mixed = {name: RateProfile(**rate) for name, rate in state["mixed"].items()}
        self.complete, self._paid = state["complete"], state["paid"]
        self._seen, self._again, repeats = state["repeats"]
        if repeats is not None:
            self._repeats = self._repeated()
            self._repeats.restore(repeats)
        for aspect, name, part in state["open"]:
            if profile is not None:
                evidence = self._open[aspect, name] = self._evidence((aspect, name), profile)
                evidence.restore(part)

    def _repeated(self) -> RareEvidence:
        # half of the weight is theirs, half that of all others
        rate = RateProfile(self._again, self._seen)
        return RareEvidence(rate, *self._fleet, "duplicate", self.weight / 2)

    def _evidence(self, key: tuple[_Aspect, str], profile: BaselineProfile) -> RareEvidence:
        aspect, name = key
        never = RateProfile(0, profile.rows)
        rate = self.mixed.get(name, never) if aspect == "wrong_type" else never
        return RareEvidence(rate, *self._fleet, aspect, self.weight / 2 / _MOST)
