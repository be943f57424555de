"""`Brief`: what a partition knows of a model without decoding it; a record of its own, beside the model's."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.streams.core.journal import LONG_AGO, Place
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.snapshot import read_state
from streamgauge.streams.core.spending import opened


@dataclass(frozen=True, slots=True)
class Brief:
    """When it is due and how far it has read; its two ledgers, what it was paid, its alerts by monitor."""

    due_us: int
    place: Place
    awaits_round: bool
    counts: Mapping[str, int]
    paid: float
    alerts: Mapping[str, int]

    @classmethod
    def of(cls, model: ModelState, due_us: int, place: Place) -> "Brief":
        alerts: Counter[str] = Counter()
        for (_, monitor), count in opened(model).items():
            alerts[monitor] += count
        counts = {**asdict(model.intake.counts), **model.intake.join.counts}
        return cls(due_us, place, model.awaits_round, counts, model.account.paid_in_all, alerts)

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "due_us": self.due_us,
            "orders": self.place.orders,
            "ticked_us": self.place.ticked_us,
            "awaits_round": self.awaits_round,
            "counts": dict(self.counts),
            "paid": self.paid,
            "alerts": dict(self.alerts),
        }

    @classmethod
    def read(cls, snapshot: bytes) -> "Brief":
        """What `to_state` gave, as a snapshot. Raises `StateError`."""
        found = read_state(snapshot, _Stored)
        place = Place(found.orders, found.ticked_us)
        return cls(found.due_us, place, found.awaits_round, found.counts, found.paid, found.alerts)


class _Stored(msgspec.Struct):
    counts: dict[str, int]
    due_us: int = LONG_AGO
    orders: int = 0
    ticked_us: int = LONG_AGO
    awaits_round: bool = True
    paid: float = 0.0
    alerts: dict[str, int] = msgspec.field(default_factory=dict)


@dataclass(slots=True)
class Sums:
    """Over all models, kept up as one after the other changes.

    >>> sums, place = Sums(), Place()
    >>> sums.put("m", Brief(0, place, False, {"applied": 2}, 0.5, {"drift": 1}))
    >>> sums.put("m", Brief(0, place, False, {"applied": 5}, 0.75, {"drift": 1}))
    >>> sums.counts["applied"], sums.spending[0], sums.spending[1]["drift"]
    (5, 0.75, 1)
    """

    counts: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    _briefs: dict[str, Brief] = field(default_factory=dict)

    @property
    def spending(self) -> tuple[float, Mapping[str, int]]:
        """What they were paid, and the alerts they opened at the budget's expense, by monitor."""
        paid = math.fsum(brief.paid for brief in self._briefs.values())
        return paid, {monitor: self.alerts[monitor] for monitor in EVIDENCE}

    def put(self, name: str, brief: Brief) -> None:
        """What is known of a model now."""
        self.drop(name)
        self._briefs[name] = brief
        _add(self.counts, brief.counts)
        _add(self.alerts, brief.alerts)

    def drop(self, name: str) -> None:
        """The model is no more."""
        before = self._briefs.pop(name, None)
        if before is not None:
            self.counts.subtract(before.counts)
            self.alerts.subtract(before.alerts)
        if not self._briefs:
            self.counts.clear()


def _add(sums: Counter[str], counts: Mapping[str, int]) -> None:
    """As `Counter.update`, which takes five times as long."""
    for name, count in counts.items():
        sums[name] += count
