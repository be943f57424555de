"""`Comparisons`: what versions that are compared did since both have traffic; labels may come and go."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from streamgauge.detectors.log_histogram import LogHistogram
from streamgauge.schemas.batch import Ints
from streamgauge.schemas.monitor_comparison import Comparison
from streamgauge.streams.core.bag import Bag, Labelled, Served

#: Comparisons that a retraining asked for, of a model: the latest ones.
MOST_ASKED = 4


class Arm:
    """One version's part: all of its predictions since the comparison began."""

    def __init__(self, classes: bool) -> None:
        self.bag = Bag(classes)
        #: Absolute errors of a regression, from which a mean can be cut.
        self.errors = LogHistogram()

    def label(self, pairs: Labelled, positive: int | None) -> None:
        self.bag.label(pairs, positive)
        if not self.bag.classes:
            with np.errstate(over="ignore"):  # an infinite error counts as missing
                errors = np.abs(pairs.predicted - pairs.label)
            self.errors.update_many(errors[pairs.sign > 0])
            self.errors.subtract_many(errors[pairs.sign < 0])

    def to_state(self) -> dict[str, Any]:
        return {"classes": self.bag.classes, "bag": self.bag.to_state(), "errors": self.errors.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Arm":
        arm = cls(state["classes"])
        arm.bag = Bag.from_state(state["bag"], state["classes"])
        arm.errors = LogHistogram.from_state(state["errors"])
        return arm


class Duel:
    """Two versions, from the first prediction of the one that came later: before, nothing compares.

    It begins after all that the first one had sent by then. Loggers send batches, so some of that is of the
    same moment as the other's first batch, and was not counted: 500 events more of one version than of the
    other would look like traffic that is not shared as declared.

    `told` is how often it was published, `told_us` the end of what was.
    """

    def __init__(self, terms: Comparison) -> None:
        self.terms = terms
        self.start_us: int | None = None
        self.told = 0
        self.told_us = 0
        self.arms: dict[str, Arm] = {}
        self._seen: set[str] = set()
        self._latest_us = 0

    @property
    def versions(self) -> tuple[str, str]:
        return self.terms.champion, self.terms.challenger

    def serve(self, version: str, rows: Served, time_us: Ints, classes: bool) -> None:
        self._seen.add(version)
        if self.start_us is None:
            if len(self._seen) < 2:
                self._latest_us = max(self._latest_us, int(time_us.max()))
                return
            self.start_us = max(int(time_us[0]), self._latest_us + 1)
            self.arms = {name: Arm(classes) for name in self.versions}
        counts = time_us >= self.start_us
        if counts.any():
            self.arms[version].bag.serve(rows if counts.all() else rows.take(counts), None)

    def label(self, version: str, pairs: Labelled, time_us: Ints, positive: int | None) -> None:
        if self.start_us is None:
            return
        counts = time_us >= self.start_us
        if counts.any():
            self.arms[version].label(pairs if counts.all() else pairs.take(counts), positive)

    def to_state(self) -> dict[str, Any]:
        return {
            "terms": self.terms.model_dump_json(),
            "start_us": self.start_us,
            "told": [self.told, self.told_us],
            "seen": sorted(self._seen),
            "latest_us": self._latest_us,
            "arms": {name: arm.to_state() for name, arm in self.arms.items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Duel":
        duel = cls(Comparison.model_validate_json(state["terms"]))
        duel.start_us, (duel.told, duel.told_us) = state["start_us"], state["told"]
        duel._seen, duel._latest_us = set(state["seen"]), state["latest_us"]
        duel.arms = {name: Arm.from_state(arm) for name, arm in state["arms"].items()}
        return duel


class Comparisons:
    """Those that a model's definition names, and the latest that retraining asked for."""

    def __init__(self, terms: Iterable[Comparison]) -> None:
        self._defined = [Duel(each) for each in terms]
        self._asked: list[Duel] = []

    def __iter__(self) -> Iterator[Duel]:
        yield from self._defined
        yield from self._asked

    def of(self, version: str) -> list[Duel]:
        """Those in which it takes part."""
        return [duel for duel in self if version in duel.versions]

    def ask(self, champion: str, challenger: str) -> None:
        """A successor is to be compared with what it follows, unless it is already."""
        if champion != challenger and all(duel.versions != (champion, challenger) for duel in self):
            self._asked = [*self._asked, Duel(Comparison(champion=champion, challenger=challenger))]
            self._asked = self._asked[-MOST_ASKED:]

    def redefine(self, terms: Iterable[Comparison]) -> set[str]:
        """Those of the same terms go on; other terms, or another share, are another comparison, which begins
        now. Gives the challengers of those that are over."""
        before = {duel.versions: duel for duel in reversed(list(self))}
        defined = [(before.get((each.champion, each.challenger)), each) for each in terms]
        self._defined = [
            duel if duel is not None and duel.terms == each else Duel(each) for duel, each in defined
        ]
        named = {duel.versions for duel in self._defined}
        self._asked = [duel for duel in self._asked if duel.versions not in named]
        kept = list(self)
        return {duel.terms.challenger for duel in before.values() if all(duel is not each for each in kept)}

    def to_state(self) -> list[Any]:
        return [[duel.to_state() for duel in duels] for duels in (self._defined, self._asked)]

    @classmethod
    def from_state(cls, state: Any) -> "Comparisons":
        comparisons = cls(())
        comparisons._defined, comparisons._asked = ([Duel.from_state(d) for d in duels] for duels in state)
        return comparisons
