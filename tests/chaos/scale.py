"""How long windows, graces and times to live of a chaos run are, and how late its events may come."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.acceptance.traffic import CREDIT, FLOWERS, PRICE, definitions

MODELS = (CREDIT, FLOWERS, PRICE)
#: The version that answers a share of credit's requests too.
SHADOW = "8"


@dataclass(frozen=True, slots=True)
class Scale:
    """All in seconds of the real clock, but `baseline`, which counts rows.

    An event is sent at most `delay_s` after its time, a pause of a topic adds at most `pause_s`, a broker
    that is killed adds the time until it is back, and a worker that until another has taken over.
    As long as all that is less than `reach_s` (*lateness* and *labels.ttl*), no order between topics changes
    what must be published: of a longer backlog, predictions may be applied before labels that came in time.
    """

    window_s: float
    grace_s: float
    reach_s: float
    delay_s: float
    pause_s: float
    baseline: int

    @property
    def most_behind_s(self) -> float:
        """How late an event may come, or how long it may lie there, before order matters."""
        return self.reach_s - 3 * self.delay_s  # of a prediction, its label, and a correction

    def definitions(self) -> list[dict[str, Any]]:
        """What is watched."""
        changed: Mapping[str, Any] = {
            "window": self.window_s,
            "grace": self.grace_s,
            "lateness": self.reach_s,
            "labels": {"ttl": self.reach_s, "min_coverage": 0.3},
            "baseline": {"first": self.baseline},
        }
        return [{**document, **changed} for document in definitions()]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


#: For minutes of chaos, with kills of the broker; and for a test of half a minute, without them.
LONG = Scale(window_s=10, grace_s=1, reach_s=110, delay_s=8, pause_s=15, baseline=500)
SHORT = Scale(window_s=2, grace_s=0.5, reach_s=16, delay_s=1.5, pause_s=2, baseline=200)
