"""`Parkable`: what a window counted leaves memory when nobody uses it, and is read back when somebody asks.

Most windows of a model wait for labels that come late or never. What is asked of all of them again and again
stays: a few numbers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from streamgauge.detectors.binning import FeatureBinner
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.detectors.fairness import GroupCounts
from streamgauge.streams.core.bag import Bag
from streamgauge.streams.core.segments import Segment

#: What leaves.
_BODY = ("bags", "changes", "features", "groups", "labels", "told_classes")
#: What stays, about.
PARKED_BYTES = 1_000
#: What a window takes beside what its bags, groups and features do.
_SMALL_BYTES = 1_900


class Totals(NamedTuple):
    """What is asked of a window that is parked, as of its bag of all segments."""

    n: int
    failed: int
    labelled: int
    estimable: bool


#: Gives the binners of features and of labels by which a version's windows count now.
Binners = Callable[[], tuple[FeatureBinner | None, FeatureBinner | None]]
#: Gives the state of the window from start to end, and those binners.
Read = Callable[[int, int], tuple[dict[str, Any], FeatureBinner | None, FeatureBinner | None]]


class Parkable:
    """The part of a window that may be elsewhere."""

    __slots__ = (*_BODY, "_read", "_totals", "classes", "end_us", "held_bytes", "start_us", "used")

    bags: dict[Segment, Bag]
    groups: dict[str, GroupCounts]
    features: FeatureCounts | None
    labels: FeatureCounts | None
    changes: dict[str, int]
    told_classes: set[str]
    #: Memory, about.
    held_bytes: int
    #: Whether it changed since it was last thought of parking it.
    used: bool

    def __init__(self, start_us: int, end_us: int, classes: bool) -> None:
        self.start_us, self.end_us, self.classes = start_us, end_us, classes
        self.held_bytes, self.used = _SMALL_BYTES, True
        self._read: Read | None = None
        self._totals: Totals | None = None

    if not TYPE_CHECKING:  # to a checker, any misspelt name would be one

        def __getattr__(self, name: str) -> Any:
            if name not in _BODY or self._read is None:
                raise AttributeError(f"a window has no {name}")
            self.load()
            return getattr(self, name)

    @property
    def parked(self) -> bool:
        """Whether what it counted is not in memory."""
        return self._read is not None

    @property
    def whole(self) -> Bag | Totals:
        """The numbers of all segments together, parked or not."""
        return self.bags[()] if self._totals is None else self._totals

    def park(self, read: Read) -> None:
        """What it counted leaves memory; `read` gives back what was committed of it, which is the same."""
        bag = self.bags[()]
        self._totals = Totals(bag.n, bag.failed, bag.labelled, bag.estimable)
        self._read, self.held_bytes = read, PARKED_BYTES
        for name in _BODY:
            delattr(self, name)

    def load(self) -> None:
        """What it counted is in memory from now on."""
        if self._read is not None:
            read, self._read, self._totals = self._read, None, None
            self.fill(*read(self.start_us, self.end_us))
            self.measure()

    def fill(self, state: dict[str, Any], binner: FeatureBinner | None, labels: FeatureBinner | None) -> None:
        """With what its snapshot says that it counted."""
        self.bags = {
            tuple((k, v) for k, v in segment): Bag.from_state(bag, self.classes)
            for segment, bag in state["bags"]
        }
        self.groups = {a: GroupCounts.from_state(counts) for a, counts in state["groups"].items()}
        self.features = self.labels = None
        if state["features"] is not None and binner is not None:
            self.features = FeatureCounts.from_state(state["features"], binner)
        if state["labels"] is not None and labels is not None:
            self.labels = FeatureCounts.from_state(state["labels"], labels)
        self.changes, self.told_classes = state["changes"], set(state["told_classes"])

    def measure(self) -> None:
        """Anew, what it takes of memory."""
        counts = [each for each in (self.features, self.labels) if each is not None]
        of_features = (600 + 2 * (each.counts.nbytes + each.outside.nbytes) for each in counts)
        of_groups = (each.predicted.held_bytes + each.confusion.held_bytes for each in self.groups.values())
        of_bags = (bag.held_bytes for bag in self.bags.values())
        self.held_bytes = _SMALL_BYTES + sum(of_bags) + sum(of_groups) + sum(of_features)
