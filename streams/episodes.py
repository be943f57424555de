"""Alert episodes out of alert records, and what differs between those of two replays."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from streamgauge.streams.core.alert_states import ENDED


@dataclass(frozen=True, slots=True)
class AlertEpisode:
    """From opened to its end; times are RFC 3339, `ended_at` is None while it is open."""

    fingerprint: str
    model: str
    version: str
    monitor: str
    segment: Mapping[str, str]
    severity: str
    opened_at: str
    ended_at: str | None

    def meets(self, other: "AlertEpisode") -> bool:
        """Whether both are about the same, at a time that they share."""
        return (
            self.fingerprint == other.fingerprint
            and (other.ended_at is None or self.opened_at <= other.ended_at)
            and (self.ended_at is None or other.opened_at <= self.ended_at)
        )

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "segment": dict(self.segment)}


class EpisodeLog:
    """The episodes that some alert records tell of, in the order in which they opened.

    >>> log = EpisodeLog()
    >>> alert = {"alert_id": "9f-1", "fingerprint": "9f", "model": "m", "version": "1", "monitor": "accuracy",
    ...          "segment": {}, "severity": "warning", "opened_at": "2026-11-21T10:00:00.000000Z"}
    >>> log.add({**alert, "state": "opened", "time": alert["opened_at"]})
    >>> log.add({**alert, "state": "resolved", "time": "2026-11-21T11:00:00.000000Z"})
    >>> [(episode.monitor, episode.ended_at) for episode in log.episodes()]
    [('accuracy', '2026-11-21T11:00:00.000000Z')]
    """

    def __init__(self) -> None:
        self._by_id: dict[str, AlertEpisode] = {}

    def add(self, record: Mapping[str, Any]) -> None:
        """One record of the topic `alerts`."""
        ended_at = record["time"] if record["state"] in ENDED else None
        known = self._by_id.get(record["alert_id"])
        if known is not None:
            self._by_id[record["alert_id"]] = replace(known, severity=record["severity"], ended_at=ended_at)
            return
        self._by_id[record["alert_id"]] = AlertEpisode(
            record["fingerprint"], record["model"], record["version"], record["monitor"],
            record["segment"], record["severity"], record["opened_at"], ended_at,
        )  # fmt: skip

    def episodes(self) -> list[AlertEpisode]:
        return sorted(self._by_id.values(), key=_order)


@dataclass(frozen=True, slots=True)
class Differences:
    """Episodes that only one of two replays had, and pairs that both had but at other times or severity."""

    same: int
    only_a: tuple[AlertEpisode, ...]
    only_b: tuple[AlertEpisode, ...]
    changed: tuple[tuple[AlertEpisode, AlertEpisode], ...]


def differences(a: Iterable[AlertEpisode], b: Iterable[AlertEpisode]) -> Differences:
    """What differs. Episodes about the same that share a moment are paired, each once at most."""
    left: dict[str, list[AlertEpisode]] = {}
    for episode in sorted(b, key=_order):
        left.setdefault(episode.fingerprint, []).append(episode)
    same, only_a, changed = 0, [], []
    for episode in sorted(a, key=_order):
        meeting = [other for other in left.get(episode.fingerprint, ()) if episode.meets(other)]
        if not meeting:
            only_a.append(episode)
            continue
        partner = episode if episode in meeting else meeting[0]
        left[episode.fingerprint].remove(partner)
        if partner == episode:
            same += 1
        else:
            changed.append((episode, partner))
    only_b = sorted((episode for rest in left.values() for episode in rest), key=_order)
    return Differences(same, tuple(only_a), tuple(only_b), tuple(changed))


def _order(episode: AlertEpisode) -> tuple[str, ...]:
    return episode.opened_at, episode.model, episode.version, episode.monitor, episode.fingerprint
