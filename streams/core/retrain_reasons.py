"""`RetrainReasons`: the open alerts that ask for a new model."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.message import Output
from streamgauge.streams.core.alert_states import ENDED, State

#: How many a request names, the gravest first.
MAX_REASONS = 100
_PRIORITY = {"critical": "high", "warning": "normal", "info": "low"}
_SEVERITIES = tuple(_PRIORITY)


class RetrainReasons:
    """By version and fingerprint, from the alert's opening to its end; each waits, or has been asked for.

    What an alert tells of another monitor is a reason as that monitor's own alert would be.
    """

    def __init__(self) -> None:
        self._by_version: dict[str, dict[str, dict[str, Any]]] = {}

    def note(self, alerts: Iterable[Output], on: Collection[str]) -> None:
        """Alerts that opened, moved or ended; `on` names the monitors that count."""
        for alert in alerts:
            record = alert.record
            known = self._by_version.get(record["version"], {})
            for told in (record, *record["related"]):
                place = record["fingerprint"] if told is record else _of_related(record, told)
                opens = told is record and record["state"] == State.OPENED
                if record["state"] in ENDED:
                    if record["because"] is None:  # else another alert goes on with it
                        known.pop(place, None)
                elif place in known and not opens:
                    known[place] |= _told(record, told)
                elif told["monitor"] in on and (opens or told is not record):
                    known[place] = {"asked": False, "settled": False} | _told(record, told)
                    self._by_version[record["version"]] = known
            if not known:
                self._by_version.pop(record["version"], None)

    def waiting(self, version: str) -> bool:
        """Whether there is a reason that nobody has been asked about."""
        return any(not entry["asked"] for entry in self._by_version.get(version, {}).values())

    def ask(self, version: str) -> dict[str, Any]:
        """Marks all reasons of a version as asked for; gives what a request says of them."""
        entries = [entry for entry in self._by_version.get(version, {}).values() if not entry["settled"]]
        entries.sort(key=lambda entry: _SEVERITIES.index(entry["severity"]))
        for entry in entries:
            entry["asked"] = True
        features = dict.fromkeys(feature for entry in entries for feature in entry["features"])
        segments = dict.fromkeys(tuple(entry["segment"].items()) for entry in entries if entry["segment"])
        return {
            "reasons": [dict(entry["reason"]) for entry in entries[:MAX_REASONS]],
            "features": list(features),
            "segments": [dict(pairs) for pairs in segments],
            "priority": _PRIORITY[entries[0]["severity"]] if entries else "normal",
        }

    def prompt(
        self, version: str, name: str, n: int, severity: str = "info", *, again: bool = True, **numbers: Any
    ) -> None:
        """A reason that no alert gives, such as a schedule, unless it is there already.

        With `again` it is one anew after it was settled; without, only after it was withdrawn.
        """
        known = self._by_version.setdefault(version, {})
        if name not in known or (again and known[name]["settled"]):
            none = dict.fromkeys(("value", "baseline", "threshold"))
            reason = {"monitor": name, "metric": name, **none, "n": n, "fingerprint": name} | numbers
            entry = {"asked": False, "settled": False, "severity": severity, "features": [], "segment": {}}
            known[name] = entry | {"reason": reason}

    def withdraw(self, version: str, name: str) -> None:
        """What `prompt` said holds no more."""
        known = self._by_version.get(version, {})
        known.pop(name, None)
        if not known:
            self._by_version.pop(version, None)

    def answered(self, version: str) -> None:
        """What was asked for is settled; only alerts that open from now on are reasons."""
        for entry in self._by_version.get(version, {}).values():
            entry["settled"] = entry["asked"]

    def put_back(self, version: str) -> None:
        """What was asked for waits again, as far as its alerts are still open."""
        for entry in self._by_version.get(version, {}).values():
            entry["asked"] = entry["settled"]

    def forget(self, version: str) -> None:
        """The version has a successor."""
        self._by_version.pop(version, None)

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return [
            [version, place, entry]
            for version, known in self._by_version.items()
            for place, entry in known.items()
        ]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> "RetrainReasons":
        """The reasons that `to_state` was called on."""
        reasons = cls()
        for version, place, entry in state:
            reasons._by_version.setdefault(version, {})[place] = dict(entry)
        return reasons


def _of_related(record: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    segment = tuple(sorted(record["segment"].items()))
    return fingerprint(record["model"], record["version"], told["monitor"], segment)


def _told(record: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """What an alert says of its own monitor, or of another one."""
    limit = record["limit"] if told is record else None
    return {
        "severity": record["severity"],
        "features": [c["feature"] for c in record["contributors"] if c["feature"] is not None],
        "segment": dict(record["segment"]),
        "reason": {
            "monitor": told["monitor"],
            "metric": told["metric"],
            "value": told["value"],
            "baseline": told["baseline"],
            "threshold": told["evidence_threshold"] if limit is None else limit,
            "n": told["n"],
            "fingerprint": record["fingerprint"],
        },
    }
