"""`RetrainReasons`: the open alerts that ask for a new model."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from streamgauge.schemas.message import Output
from streamgauge.streams.core.alert_states import ENDED, State

#: How many a request names, the gravest first.
MAX_REASONS = 100
_PRIORITY = {"critical": "high", "warning": "normal", "info": "low"}
_SEVERITIES = tuple(_PRIORITY)


class RetrainReasons:
    """By version and fingerprint, from the alert's opening to its end; each waits, or has been asked for."""

    def __init__(self) -> None:
        self._by_version: dict[str, dict[str, dict[str, Any]]] = {}

    def note(self, alerts: Iterable[Output], on: Collection[str]) -> None:
        """Alerts that opened, moved or ended; `on` names the monitors that count."""
        for alert in alerts:
            record = alert.record
            known = self._by_version.get(record["version"], {})
            state, fingerprint = record["state"], record["fingerprint"]
            if state in ENDED:
                known.pop(fingerprint, None)
                if not known:
                    self._by_version.pop(record["version"], None)
            elif state == State.OPENED and record["monitor"] in on:
                self._by_version.setdefault(record["version"], {})[fingerprint] = _entry(record, asked=False)
            elif fingerprint in known:
                known[fingerprint] = _entry(record, asked=known[fingerprint]["asked"])

    def waiting(self, version: str) -> bool:
        """Whether there is a reason that nobody has been asked about."""
        return any(not entry["asked"] for entry in self._by_version.get(version, {}).values())

    def ask(self, version: str) -> dict[str, Any]:
        """Marks all reasons of a version as asked for; gives what a request says of them."""
        entries = sorted(
            self._by_version.get(version, {}).values(), key=lambda entry: _SEVERITIES.index(entry["severity"])
        )
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

    def answered(self, version: str) -> None:
        """What was asked for is settled; only alerts that open from now on are reasons."""
        known = self._by_version.pop(version, {})
        waiting = {fingerprint: entry for fingerprint, entry in known.items() if not entry["asked"]}
        if waiting:
            self._by_version[version] = waiting

    def put_back(self, version: str) -> None:
        """What was asked for waits again, as far as its alerts are still open."""
        for entry in self._by_version.get(version, {}).values():
            entry["asked"] = False

    def forget(self, version: str) -> None:
        """The version has a successor."""
        self._by_version.pop(version, None)

    def to_state(self) -> list[Any]:
        """Plain structures, for the snapshot."""
        return [
            [version, fingerprint, entry]
            for version, known in self._by_version.items()
            for fingerprint, entry in known.items()
        ]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> "RetrainReasons":
        """The reasons that `to_state` was called on."""
        reasons = cls()
        for version, fingerprint, entry in state:
            reasons._by_version.setdefault(version, {})[fingerprint] = dict(entry)
        return reasons


def _entry(record: Mapping[str, Any], *, asked: bool) -> dict[str, Any]:
    limit = record["limit"]
    return {
        "asked": asked,
        "severity": record["severity"],
        "features": [c["feature"] for c in record["contributors"] if c["feature"] is not None],
        "segment": dict(record["segment"]),
        "reason": {
            "monitor": record["monitor"],
            "metric": record["metric"],
            "value": record["value"],
            "baseline": record["baseline"],
            "threshold": record["evidence_threshold"] if limit is None else limit,
            "n": record["n"],
            "fingerprint": record["fingerprint"],
        },
    }
