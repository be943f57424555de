"""`Pulse`: a dead-man's switch: alerts about a partition that no worker may be left to give.

What must outlive the notifier is a text that goes with an offset kept by Kafka.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.heartbeat import EVERY_US, SILENT_US
from streamgauge.schemas.registry import schema
from streamgauge.schemas.times import format_time

#: So long after the last refusal the alert about refused models ends.
CALM_US = 15 * EVERY_US
#: Whether the alert is open × whether something is wrong → the step to tell.
STEPS: Mapping[tuple[bool, bool], str | None] = {
    (False, False): None,
    (False, True): "opened",
    (True, True): None,
    (True, False): "resolved",
}


@dataclass(slots=True)
class Episode:
    """The latest of one monitor; `told`: whether its last step is in the topic."""

    number: int = 0
    is_open: bool = False
    told: bool = True
    onset_us: int = 0
    opened_us: int = 0
    time_us: int = 0
    value: float = 0.0

    def judge(self, wrong: bool, onset_us: int, now_us: int, value: float) -> None:
        """Take a step, if one is due and the one before is told."""
        step = STEPS[self.is_open, wrong]
        if step is None or not self.told:
            return
        if step == "opened":
            self.number, self.onset_us, self.opened_us, self.value = self.number + 1, onset_us, now_us, value
        self.is_open, self.told, self.time_us = step == "opened", False, now_us


@dataclass(slots=True)
class _Memory:
    #: Up to when the last heartbeat says that all is applied; None: there never was one.
    until_us: int | None = None
    #: Up to when the last one that told of refused messages does, and how many those were.
    refused_us: int | None = None
    refused: float = 0.0
    heartbeat: Episode = field(default_factory=Episode)
    max_models: Episode = field(default_factory=Episode)


_TEXT = TypeAdapter(_Memory)
#: All that alerts of models may say more than these.
_DEFAULTS = {field["name"]: field.get("default") for field in schema("alert").document["fields"]}


class Pulse:
    """Of one partition. Times are microseconds since the epoch, and are given.

    What was not read is not missing: the alert about heartbeats opens once the partition has been read to
    where it ended when that was asked last.

    >>> pulse = Pulse(3)
    >>> pulse.beat(1_795_255_200_000_000)
    >>> pulse.asks(1_795_255_380_000_000), pulse.asks(1_795_255_381_000_000)
    (False, True)
    >>> pulse.ended(at=41, now_us=1_795_255_381_000_000)
    >>> pulse.due(1_795_255_381_000_000)
    []
    >>> pulse.read(41)
    >>> [alert] = pulse.due(1_795_255_382_000_000)
    >>> print(alert["state"], "-", alert["summary"])
    opened - no heartbeat of partition 3 since 10:00 UTC: its worker is gone, stands, or is far behind
    """

    def __init__(self, partition: int, memory: str | None = None) -> None:
        self._partition = partition
        self._memory = _remembered(memory)
        #: The offset that is read next; where the partition ended when that was asked, and when it was.
        self._next = 0
        self._end: tuple[int, int] | None = None

    @property
    def memory(self) -> str:
        """What another notifier goes on from."""
        return _TEXT.dump_json(self._memory).decode()

    @property
    def is_silent(self) -> bool:
        """Whether the alert about missing heartbeats is open."""
        return self._memory.heartbeat.is_open

    def back_to(self, memory: str) -> None:
        """What was due is not: nobody could be told of it, and what was heard since may say otherwise."""
        self._memory = _remembered(memory)

    def read(self, next_offset: int) -> None:
        """All before `next_offset` has been read, and heard."""
        self._next = max(self._next, next_offset)

    def asks(self, now_us: int) -> bool:
        """Whether the partition's end must be known to say if heartbeats are missing. It is asked for again
        if it was not reached for a while: a topic may have been cut off."""
        until_us, episode = self._memory.until_us, self._memory.heartbeat
        if until_us is None or now_us - until_us <= SILENT_US or episode.is_open or not episode.told:
            return False
        return self._end is None or now_us - self._end[1] > EVERY_US

    def ended(self, at: int, now_us: int) -> None:
        """The partition ends at the offset `at`, as Kafka says to one who asked at `now_us`, or later."""
        self._end = at, now_us

    def beat(self, until_us: int) -> None:
        """A heartbeat was read: all is applied up to `until_us`."""
        self._memory.until_us = max(until_us, self._memory.until_us or 0)

    def refused(self, until_us: int, messages: float) -> None:
        """A worker has told that it refused so many messages of new models before `until_us`."""
        self._memory.refused_us, self._memory.refused = max(until_us, self._memory.refused_us or 0), messages

    def due(self, now_us: int) -> list[dict[str, Any]]:
        """The alert records that must be written now; the same again, until `wrote` is called."""
        memory = self._memory
        if memory.until_us is not None:
            silent_us = self._silent_us(memory.until_us, now_us)
            memory.heartbeat.judge(silent_us > SILENT_US, memory.until_us, now_us, silent_us / 1e6)
            if memory.refused_us is not None:
                refusing = memory.until_us - memory.refused_us < CALM_US
                memory.max_models.judge(refusing, memory.refused_us, now_us, memory.refused)
        records = []
        if not memory.heartbeat.told:
            records.append(_heartbeat(self._partition, memory.heartbeat))
        if not memory.max_models.told:
            records.append(_max_models(self._partition, memory.max_models))
        return records

    def wrote(self) -> None:
        """What was due is in the topic."""
        self._memory.heartbeat.told = self._memory.max_models.told = True

    def _silent_us(self, until_us: int, now_us: int) -> int:
        """For how long there is known to have been no heartbeat."""
        if self._memory.heartbeat.is_open:
            return now_us - until_us
        if self._end is None or self._next < self._end[0]:
            return 0
        (_, asked_us), self._end = self._end, None
        return asked_us - until_us


def _remembered(text: str | None) -> _Memory:
    try:
        return _TEXT.validate_json(text) if text else _Memory()
    except ValidationError:  # somebody else's text is as good as none
        return _Memory()


def _heartbeat(partition: int, episode: Episode) -> dict[str, Any]:
    since = _clock(episode.onset_us)
    summary = (
        f"no heartbeat of partition {partition} since {since} UTC: "
        "its worker is gone, stands, or is far behind"
        if episode.is_open
        else f"heartbeats of partition {partition} are back; there were none from {since} "
        f"to {_clock(episode.time_us)} UTC"
    )
    limit = SILENT_US / 1e6
    return _record(partition, episode, "heartbeat", "heartbeat_age_s", "critical", limit, 0, summary)


def _max_models(partition: int, episode: Episode) -> dict[str, Any]:
    count = round(episode.value)
    summary = (
        f"partition {partition} watches max_models already, and refuses new ones ({count} messages in a "
        "minute): does a model's name hold something that changes with each request?"
        if episode.is_open
        else f"partition {partition} has refused no new model for {CALM_US // EVERY_US} minutes"
    )
    return _record(partition, episode, "max_models", "refused_models", "warning", None, count, summary)


def _record(
    partition: int,
    episode: Episode,
    monitor: str,
    metric: str,
    severity: str,
    limit: float | None,
    n: int,
    summary: str,
) -> dict[str, Any]:
    identity = fingerprint("", "", monitor, (("partition", str(partition)),))
    return _DEFAULTS | {
        "alert_id": f"{identity}-{episode.number}",
        "fingerprint": identity,
        "episode": episode.number,
        "sequence": 1 if episode.is_open else 2,
        "state": "opened" if episode.is_open else "resolved",
        "severity": severity,
        "model": "",
        "monitor": monitor,
        "metric": metric,
        "segment": {"partition": str(partition)},
        "value": episode.value,
        "limit": limit,
        "n": n,
        "onset": format_time(episode.onset_us),
        "opened_at": format_time(episode.opened_us),
        "time": format_time(episode.time_us),
        "summary": summary,
    }


def _clock(time_us: int) -> str:
    return format_time(time_us)[11:16]
