"""`Attribution`: what explains an evidence alert besides its number, for people and programs to read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from streamgauge.schemas.times import format_time
from streamgauge.streams.core.findings import Segment

#: Features with bins, bins of a feature, segments, and coincidences: at most.
MOST_FEATURES, MOST_BINS, MOST_SEGMENTS, MOST_COINCIDENCES = 5, 3, 3, 5
Kind = Literal["version_started", "version_stopped", "traffic", "missing", "wrong_type", "appeared"]


@dataclass(frozen=True, slots=True)
class Bin:
    """A range of a number, or a category: its share of the values in the baseline, and since the onset."""

    bin: str
    baseline: float
    value: float


@dataclass(frozen=True, slots=True)
class Carrier:
    """A segment without which the change is gone; `share` of it is gone, from 0 to 1."""

    segment: Segment
    share: float


@dataclass(frozen=True, slots=True)
class Shift:
    """Whether the prediction or its score moved since the onset: where to, and how far.

    In reference standard deviations, as a ratio of them (wider, narrower), or the difference of a rate.
    """

    feature: str
    moved: bool
    direction: str | None = None
    size: float | None = None


@dataclass(frozen=True, slots=True)
class Coincidence:
    """Something else that changed at the same time."""

    kind: Kind
    name: str
    time_us: int | None = None
    value: float | None = None
    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """`carried_by` is None where segments cannot tell, and empty where all are alike."""

    bins: Mapping[str, tuple[Bin, ...]]
    carried_by: tuple[Carrier, ...] | None = None
    prediction: Shift | None = None
    coincidences: tuple[Coincidence, ...] = ()

    def bins_of(self, feature: str | None) -> list[dict[str, Any]]:
        """The contract's JSON form of what a contributor's bins did."""
        return [asdict(each) for each in self.bins.get(feature or "", ())]

    def record(self) -> dict[str, Any]:
        """The contract's JSON form of all but the bins."""
        carried = self.carried_by
        return {
            "carried_by": None
            if carried is None
            else [{"segment": dict(each.segment), "share": each.share} for each in carried],
            "prediction_shift": None if self.prediction is None else asdict(self.prediction),
            "coincidences": [
                {
                    "kind": each.kind,
                    "name": each.name,
                    "time": None if each.time_us is None else format_time(each.time_us),
                    "value": each.value,
                    "baseline": each.baseline,
                }
                for each in self.coincidences
            ],
        }

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        carried = self.carried_by
        return [
            [[feature, [[b.bin, b.baseline, b.value] for b in bins]] for feature, bins in self.bins.items()],
            None if carried is None else [[[list(pair) for pair in c.segment], c.share] for c in carried],
            None if self.prediction is None else list(asdict(self.prediction).values()),
            [list(asdict(each).values()) for each in self.coincidences],
        ]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Attribution":
        """What `to_state` gave."""
        bins, carried, prediction, coincidences = state
        return cls(
            {feature: tuple(Bin(*row) for row in rows) for feature, rows in bins},
            None
            if carried is None
            else tuple(Carrier(tuple((k, v) for k, v in pairs), share) for pairs, share in carried),
            None if prediction is None else Shift(*prediction),
            tuple(Coincidence(*row) for row in coincidences),
        )


NOTHING_KNOWN = Attribution({})
