"""What a demo proves: which alert caught each fault, how long after, what was missed, what had no cause."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamgauge.demo.faults import MINUTE_US, Fault
from streamgauge.schemas.durations import SECOND_US
from streamgauge.schemas.times import parse_time

Alert = Mapping[str, Any]

#: A fault is felt this long after its end: its labels come for 20 minutes more, and burn rates look back 30.
SLACK_US = 45 * MINUTE_US
#: The states in which an episode is over.
ENDED = frozenset({"resolved", "superseded", "expired"})


@dataclass(frozen=True, slots=True)
class Caught:
    """A fault, the alert of its own monitor that came first (if any), and the other alerts it caused.

    `told` is what that alert told of other monitors, by their names.
    """

    fault: Fault
    alert: Alert | None
    consequences: tuple[Alert, ...]
    told: tuple[str, ...] = ()

    @property
    def delay_us(self) -> int | None:
        """From the fault's start to its alert, in event time; None if it was missed."""
        return None if self.alert is None else parse_time(self.alert["opened_at"]) - self.fault.start_us


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every fault with what came of it, alerts that nothing caused, and how many alerts opened and ended."""

    faults: tuple[Caught, ...]
    causeless: tuple[Alert, ...]
    opened: int
    ended: int

    @property
    def missed(self) -> tuple[Fault, ...]:
        """Faults whose own monitor opened no alert."""
        return tuple(caught.fault for caught in self.faults if caught.alert is None)

    def passed(self) -> bool:
        """Whether every fault was noticed; without faults, whether nothing was."""
        return not self.missed and (bool(self.faults) or not self.opened)

    def to_json(self) -> dict[str, Any]:
        """For programs: the summary that ``streamgauge demo --json`` prints."""
        return {
            "passed": self.passed(),
            "faults": [
                {
                    "kind": caught.fault.kind,
                    "model": caught.fault.model,
                    "story": caught.fault.story,
                    "monitor": caught.fault.monitor,
                    "caught": caught.alert is not None,
                    "alert_id": caught.alert and caught.alert["alert_id"],
                    "delay_s": None if caught.delay_us is None else caught.delay_us / SECOND_US,
                    "told": list(caught.told),
                    "consequences": [alert["alert_id"] for alert in caught.consequences],
                }
                for caught in self.faults
            ],
            "causeless": [dict(alert) for alert in self.causeless],
            "alerts_opened": self.opened,
            "alerts_ended": self.ended,
        }


def judge(faults: Sequence[Fault], alert_events: Iterable[Alert]) -> Verdict:
    """The verdict over the events of the alerts topic, in their order.

    A fault is caught by the first alert of its monitor and model that opens while it lasts or within
    `SLACK_US` after. Another alert of a model that had a fault which reaches its monitor at that time is a
    consequence of it; if there were two, of the one that began last. What remains had no cause.

    >>> judge((), []).passed()
    True
    """
    episodes: dict[str, Alert] = {}
    ended = set()
    told: dict[str, dict[str, None]] = {}
    for event in alert_events:
        episodes.setdefault(event["alert_id"], event)
        told.setdefault(event["alert_id"], {}).update(dict.fromkeys(r["monitor"] for r in event["related"]))
        if event["state"] in ENDED:
            ended.add(event["alert_id"])

    catches: dict[Fault, Alert] = {}
    consequences: dict[Fault, list[Alert]] = {fault: [] for fault in faults}
    causeless = []
    for alert in sorted(episodes.values(), key=_opened_us):
        causes = [
            fault
            for fault in faults
            if fault.model == alert["model"]
            and fault.reaches(alert["monitor"])
            and fault.active(_opened_us(alert), SLACK_US)
        ]
        awaiting = [f for f in causes if f.monitor == alert["monitor"] and f not in catches]
        if awaiting:
            catches[awaiting[0]] = alert
        elif causes:
            consequences[max(causes, key=lambda fault: fault.start_us)].append(alert)
        else:
            causeless.append(alert)
    caught = tuple(
        Caught(
            f,
            catches.get(f),
            tuple(consequences[f]),
            tuple(told[catches[f]["alert_id"]] if f in catches else ()),
        )
        for f in faults
    )
    return Verdict(caught, tuple(causeless), len(episodes), len(ended))


def _opened_us(alert: Alert) -> int:
    return parse_time(alert["opened_at"])
