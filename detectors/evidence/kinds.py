"""Kinds of streams: `Evidence` has a detector of its own, `JointEvidence` shares one between several."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.edetector import Crossing, EDetector
from streamgauge.detectors.evidence.looks import Taken
from streamgauge.detectors.evidence.stakes import Bets, View
from streamgauge.schemas.batch import Floats, Ints


class Evidence(ABC):
    """What is bet on streams of one kind, and how their crossings read.

    `bets` are those of streams that weigh 1; `share` is the weight of each, or of all. `paid` is the
    account's balance.
    """

    __slots__ = ("_alone", "_paid", "bets", "weight")

    def __init__(self, bets: Bets, paid: float, share: float | Floats = 1.0) -> None:
        shares = np.broadcast_to(np.asarray(share, np.float64), len(bets.weights))
        self.bets = replace(bets, weights=bets.weights * shares[:, None])
        #: Of the streams that are watched, in the budget.
        self.weight = math.fsum(shares[bets.weights.any(axis=1)].tolist())
        self._paid = paid
        self._alone: EDetector | None = None

    @abstractmethod
    def alarm(self, crossing: Crossing) -> Alarm:
        """A crossing in words and numbers."""

    @property
    def _detector(self) -> EDetector:
        """That of this kind alone, made when first asked for: a kind of a `JointEvidence` needs none."""
        if self._alone is None:
            self._alone = EDetector([self.bets], self._paid)
        return self._alone

    @property
    def evidence(self) -> Floats:
        """Float64 (S,): 1 is an alarm; streams are ranked by it."""
        return self._detector.evidence

    @property
    def is_waiting(self) -> bool:
        """As `EDetector.is_waiting`."""
        return self._detector.is_waiting

    def join(self, paid: float) -> None:
        """As `EDetector.join`."""
        self._detector.join(paid)

    def leave(self) -> None:
        """As `EDetector.leave`."""
        self._detector.leave()

    def update_codes(self, codes: NDArray[Any], time_us: Ints, paid: float | Floats) -> None:
        """Take bins (S, n) in order, negative where missing, at `time_us` int64 (n,)."""
        self._detector.update_many(codes, time_us, paid)

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call; each stream of them has started over."""
        return [self.alarm(crossing) for crossing in self._detector.take_crossings()]

    def to_state(self) -> State:
        """All but the profiles."""
        return self._detector.to_state()

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if the profiles were others."""
        self._detector.restore(state)


class JointEvidence:
    """Kinds of streams that come in the same rows: one recursion for all of them costs the least.

    They share `streams` rows of codes, of which `views` say what is whose.
    """

    __slots__ = ("_detector", "kinds", "weight")

    def __init__(self, kinds: Sequence[Evidence], views: Sequence[View], streams: int, paid: float) -> None:
        self.kinds = tuple(kinds)
        self._detector = EDetector([kind.bets for kind in kinds], paid, views, streams)
        self.weight = math.fsum(kind.weight for kind in kinds)

    @property
    def evidence(self) -> Floats:
        """Float64 (S,) of all kinds, one after the other: 1 is an alarm."""
        return self._detector.evidence

    @property
    def is_waiting(self) -> bool:
        """As `EDetector.is_waiting`."""
        return self._detector.is_waiting

    def join(self, paid: float) -> None:
        """As `EDetector.join`."""
        self._detector.join(paid)

    def leave(self) -> None:
        """As `EDetector.leave`."""
        self._detector.leave()

    def take(self, codes: NDArray[Any], time_us: Ints, paid: Floats) -> Taken:
        """At most `CHUNK` rows in order, as `EDetector.take`."""
        return self._detector.take(codes, time_us, paid)

    def take_alarms(self) -> list[tuple[int, Alarm]]:
        """(number of the kind, alarm) since the last call; each stream of them has started over."""
        return [(c.kind, self.kinds[c.kind].alarm(c)) for c in self._detector.take_crossings()]

    def to_state(self) -> State:
        """All but the profiles."""
        return self._detector.to_state()

    def restore(self, state: State) -> None:
        """Continue from what `to_state` gave. Raises ValueError if the profiles were others."""
        self._detector.restore(state)
