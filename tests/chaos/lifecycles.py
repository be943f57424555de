"""Alerts and retrain requests must each tell one story without a gap: what is wrong with those of a run."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]

_ENDED = ("resolved", "superseded", "expired")


def alert_problems(alerts: Sequence[Record]) -> list[str]:
    """Of each fingerprint, in the order of its records: episodes and their steps count up by one."""
    stories: dict[str, list[Record]] = defaultdict(list)
    for alert in alerts:
        stories[alert["fingerprint"]].append(alert)
    return [problem for story in stories.values() for problem in _story_problems(story)]


def _story_problems(story: Sequence[Record]) -> Iterator[str]:
    episode, sequence, ended = 0, 0, True
    for alert in story:
        step = f"{alert['alert_id']} sequence {alert['sequence']} ({alert['state']})"
        if alert["state"] == "opened":
            if not ended:
                yield f"{step}: opened while episode {episode} was open"
            if (alert["episode"], alert["sequence"]) != (episode + 1, 1):
                yield f"{step}: opened after episode {episode}"
        else:
            if ended:
                yield f"{step}: nothing is open"
            if (alert["episode"], alert["sequence"]) != (episode, sequence + 1):
                yield f"{step}: follows episode {episode} sequence {sequence}"
        episode, sequence, ended = alert["episode"], alert["sequence"], alert["state"] in _ENDED


def lost_alerts(alerts: Iterable[Record], known: Mapping[str, tuple[int, int | None]]) -> list[str]:
    """`known` is what the state says of fingerprints: the last episode, and the last step if it is open."""
    told: dict[str, tuple[int, int | None]] = {}
    for alert in alerts:
        is_open = alert["state"] not in _ENDED
        told[alert["fingerprint"]] = alert["episode"], alert["sequence"] if is_open else None
    return [
        f"{fingerprint}: the state is at {known.get(fingerprint)}, the topic at {told.get(fingerprint)}"
        for fingerprint in sorted(told.keys() | known.keys())
        if known.get(fingerprint) != told.get(fingerprint)
    ]


def request_problems(requests: Iterable[Record]) -> list[str]:
    """Request numbers of a model count up by one, and so do the attempts of each."""
    found: list[str] = []
    last: dict[str, tuple[int, int]] = {}
    for request in requests:
        number, attempt = int(request["request_id"].rpartition(":")[2]), int(request["attempt"])
        before = last.get(request["model"], (0, 0))
        if (number, attempt) not in ((before[0] + 1, 1), (before[0], before[1] + 1)):
            found.append(f"{request['request_id']} attempt {attempt} follows {before}")
        last[request["model"]] = number, attempt
    return found
