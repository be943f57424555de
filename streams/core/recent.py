"""`Recent`: what the monitors of a version found of late: what is told of it, and which of them are quiet."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamgauge.detectors.evidence.alarm import Alarm
from streamgauge.streams.core.causes import in_order
from streamgauge.streams.core.error_bank import ErrorBank
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.grouping import continued, finding_of


class Recent:
    """The latest alarms by monitor and by what moved; who was quiet for a window forgets its own."""

    def __init__(self) -> None:
        self._moved: dict[str, dict[str, Alarm]] = {}
        self._fired: set[str] = set()
        self._new: set[str] = set()
        self._reported: list[Finding] = []
        #: Monitors of the whole model for which this version speaks.
        self.of_model: list[str] = []

    def alarm(self, monitor: str, name: str, alarm: Alarm) -> None:
        """A monitor found that `name` has moved, or goes on moving."""
        moved = self._moved.setdefault(monitor, {})
        before = moved.get(name)
        moved[name] = alarm if before is None else continued(before, alarm)
        self._fired.add(monitor)
        self._new.add(monitor)

    def report(self, finding: Finding) -> None:
        """A monitor of the whole model found something."""
        self._reported.append(finding)
        self._fired.add(finding.monitor)

    def take_findings(self, errors: ErrorBank, groups: Mapping[str, Sequence[str]]) -> list[Finding]:
        """One for each monitor that fired since the last call, causes before their consequences; what moved
        together is in one finding.

        `groups` names the groups of each protected attribute.
        """
        new, self._new = self._new, set()
        reported, self._reported = self._reported, []
        return reported + [
            finding_of(monitor, self._moved[monitor], errors, groups)
            for monitor in sorted(sorted(new), key=in_order)
        ]

    def quiet(self, watching: Iterable[str]) -> list[str]:
        """A window has closed: those of the monitors that did not fire since the last one did."""
        fired, self._fired = self._fired, set()
        quiet = [monitor for monitor in (*watching, *self.of_model) if monitor not in fired]
        for monitor in quiet:
            self._moved.pop(monitor, None)
        return quiet

    def forget(self, monitors: Iterable[str]) -> None:
        """These start over."""
        gone = set(monitors)
        self._moved = {name: moved for name, moved in self._moved.items() if name not in gone}
        self._fired -= gone
        self._new -= gone

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot; findings have been taken."""
        return {
            "fired": sorted(self._fired),
            "of_model": self.of_model,
            "moved": [
                [monitor, name, [getattr(alarm, field) for field in Alarm.__slots__]]
                for monitor, alarms in self._moved.items()
                for name, alarm in alarms.items()
            ],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Recent":
        """What `to_state` gave."""
        recent = cls()
        recent._fired, recent.of_model = set(state["fired"]), state["of_model"]
        for monitor, name, fields in state["moved"]:
            recent._moved.setdefault(monitor, {})[name] = Alarm(*fields)
        return recent
