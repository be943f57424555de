"""`DisparityEvidence`: are groups treated more differently than is tolerated?"""

import math
from itertools import combinations

import numpy as np

from streamgauge.detectors.estimate import State
from streamgauge.detectors.evidence.account import UNPAID
from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.detectors.evidence.edetector import Bets, EDetector
from streamgauge.schemas.batch import Floats, Ints

#: Groups beyond these (in the order of their codes) are not compared: pairs grow with the square.
MAX_GROUPS = 16
_SIZES = (0.1, 0.2, 0.4, 0.8)
#: Rows of the more frequent group that wait for a partner; older ones are let go.
_WAITING = 256
#: Events that are paired at a time, counted from the first, so that where a batch is cut doesn't matter.
_BLOCK = 128


class DisparityEvidence:
    """Over ordered pairs of groups, rows paired in order: factors 1 + λ(x_i − x_j − tolerance).

    There is no reference: equal up to `tolerance` is what is held against the stream. The whole attribute
    weighs `weight` in the budget, shared by its pairs; `paid` is the account's balance.

    >>> rng = np.random.default_rng(1)
    >>> group, evidence = rng.integers(0, 2, 2000), DisparityEvidence(tolerance=0.1)
    >>> selected = (rng.random(2000) < np.where(group == 0, 0.3, 0.8)).astype(np.int64)
    >>> evidence.update_many(group, selected, np.arange(2000), paid=5e-6)
    >>> [(alarm.groups, alarm.size > 0.4) for alarm in evidence.take_alarms()]
    [((1, 0), True)]
    """

    __slots__ = ("_block", "_detector", "_groups", "_paid", "_share", "_waiting", "tolerance", "weight")

    def __init__(self, tolerance: float, paid: float = 0.0, weight: float = 1.0) -> None:
        self.tolerance = tolerance
        self.weight = weight
        self._groups = 0
        self._paid = paid
        #: What each pair has been paid.
        self._share = 0.0
        self._detector = self._detectors(0)
        #: The block that is being filled: groups, outcomes and times, int64 (3, ≤ 128).
        self._block: Ints = np.zeros((3, 0), np.int64)
        #: By pair (i, j), rows that wait for a partner: int64 (2, k) outcomes and times, and whose they are.
        self._waiting: dict[tuple[int, int], tuple[int, Ints]] = {}

    @property
    def evidence(self) -> Floats:
        """Float64 (pairs,), in the order (0, 1), (0, 2), (1, 2), (0, 3), …; 1 is an alarm."""
        return self._detector.evidence

    def join(self, paid: float) -> None:
        """If it waits to be paid, it is from this balance on."""
        if math.isinf(self._paid):
            self._paid = paid

    def leave(self) -> None:
        """It forfeits what comes in until it joins again."""
        self._paid = UNPAID

    def update_many(self, group_codes: Ints, outcomes: Ints, time_us: Ints, paid: float | Floats) -> None:
        """Take rows in order, int64 (n,) each: group (negative: missing), 0 or 1, and time."""
        known = np.flatnonzero((group_codes >= 0) & (group_codes < MAX_GROUPS) & (outcomes >= 0))
        balance = np.broadcast_to(np.asarray(paid, np.float64), group_codes.shape)[known]
        rows = np.stack([group_codes, outcomes, time_us]).astype(np.int64)[:, known]
        held = self._block.shape[1]
        rows = np.concatenate([self._block, rows], axis=1)
        whole = rows.shape[1] - rows.shape[1] % _BLOCK
        for start in range(0, whole, _BLOCK):
            self._pair(rows[:, start : start + _BLOCK], float(balance[start + _BLOCK - 1 - held]))
        self._block = rows[:, whole:]

    def take_alarms(self) -> list[Alarm]:
        """Alarms since the last call; each pair of them has started over."""
        pairs, alarms = _pairs(self._groups), []
        for crossing in self._detector.take_crossings():
            i, j = pairs[crossing.stream]
            higher, gap = (
                ((i, j), crossing.statistic) if crossing.bet < len(_SIZES) else ((j, i), -crossing.statistic)
            )
            alarms.append(
                Alarm(
                    stream=crossing.stream,
                    aspect="gap",
                    direction="up",
                    size=gap,
                    evidence=crossing.evidence,
                    onset_us=crossing.onset_us,
                    onset_low_us=crossing.onset_low_us,
                    onset_high_us=crossing.onset_high_us,
                    n=crossing.n,
                    groups=higher,
                )
            )
        return alarms

    def to_state(self) -> State:
        """All but the tolerance."""
        return {
            "groups": self._groups,
            "paid": self._paid,
            "share": self._share,
            "detector": self._detector.to_state(),
            "block": self._block.copy(),
            "waiting": [[i, j, side, rows.copy()] for (i, j), (side, rows) in self._waiting.items()],
        }

    @classmethod
    def from_state(cls, state: State, tolerance: float, weight: float = 1.0) -> "DisparityEvidence":
        """What `to_state` gave, with the tolerance and weight in force now."""
        evidence = cls(tolerance, state["paid"], weight)
        evidence._groups, evidence._share = state["groups"], state["share"]
        evidence._detector = evidence._detectors(state["groups"])
        evidence._detector.restore(state["detector"])
        evidence._block = np.array(state["block"], np.int64)
        evidence._waiting = {
            (i, j): (side, np.array(rows, np.int64)) for i, j, side, rows in state["waiting"]
        }
        return evidence

    def _pair(self, block: Ints, paid: float) -> None:
        """Pairs the rows of a block with each other and with those that wait, and looks at the pairs."""
        groups = block[0]
        self._grow(int(groups.max()) + 1)
        pairs = _pairs(self._groups)
        if not pairs:
            return
        if paid > self._paid:
            self._share += (paid - self._paid) / len(pairs)
            self._paid = paid
        of_group = {g: block[1:, groups == g] for g in np.unique(groups).tolist()}
        none = np.zeros((2, 0), np.int64)
        found = []
        for i, j in pairs:
            side, waiting = self._waiting.get((i, j), (i, none))
            first, second = of_group.get(i, none), of_group.get(j, none)
            if side == i:
                first = np.concatenate([waiting, first], axis=1)
            else:
                second = np.concatenate([waiting, second], axis=1)
            n, m = first.shape[1], second.shape[1]
            paired = min(n, m)
            found.append(
                (
                    first[0, :paired] - second[0, :paired] + 1,
                    np.maximum(first[1, :paired], second[1, :paired]),
                )
            )
            rest = first[:, paired:] if n > m else second[:, paired:]
            self._waiting[(i, j)] = (i if n > m else j, rest[:, -_WAITING:])
        longest = max(len(codes) for codes, _ in found)
        codes, times = np.full((2, len(pairs), longest), -1, np.int64)
        for row, (differences, when) in enumerate(found):
            codes[row, : len(differences)] = differences
            times[row, : len(when)] = when
        self._detector.update_many([codes], times, self._share)

    def _grow(self, groups: int) -> None:
        if groups <= self._groups:
            return
        grown = self._detectors(groups)
        grown.adopt(self._detector)
        self._groups, self._detector = groups, grown

    def _detectors(self, groups: int) -> EDetector:
        """One stream a pair: bins are differences −1, 0, 1; bets four sizes for i over j, then j over i."""
        difference = np.array([-1.0, 0.0, 1.0])
        gains = [sign * difference - self.tolerance for sign in (1, -1)]
        # No factor is below .1, so that one look cannot wipe out what a bet has won.
        sizes = [min(size, 0.9 / (1 + self.tolerance)) for size in _SIZES]
        factors = np.stack([np.log1p(size * gain) for gain in gains for size in sizes], axis=1)
        pairs, bets = len(_pairs(groups)), factors.shape[1]
        of_pairs = Bets(
            np.broadcast_to(factors, (pairs, 3, bets)),
            np.full((pairs, bets), self.weight / bets),
            np.broadcast_to(difference[:, None], (pairs, 3, 1)),
            np.zeros(bets, np.intp),
        )
        return EDetector([of_pairs], self._share)


def _pairs(groups: int) -> list[tuple[int, int]]:
    """Unordered pairs; those of a new group come after all that were there.

    >>> _pairs(3)
    [(0, 1), (0, 2), (1, 2)]
    """
    return sorted(combinations(range(groups), 2), key=lambda pair: pair[::-1])
