"""A snapshot as one release wrote it, with what came next and what that release then told: one file each."""

import lzma
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from streamgauge.schemas.message import Message, Output
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.partition import CoreSettings, Partition
from streamgauge.streams.core.shelf import DictShelf
from tests.core.scenario import OWN_METRICS
from tests.upgrades.story import TAKEN_AFTER, follow, steps

FOLDER = Path(__file__).parent / "snapshots"
#: Nothing stays in memory that can leave it, so that it is restored too.
SETTINGS = CoreSettings(metrics=OWN_METRICS, memory=Memory(0))

#: Topic and record of an output, in its JSON form.
Told = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """The live records of a partition, the steps of the minutes after it, and what each minute told."""

    release: str
    records: dict[bytes, bytes]
    minutes: list[list[Any]]
    told: list[list[Told]]

    @classmethod
    def read(cls, path: Path) -> "StoredSnapshot":
        """What `write` wrote."""
        found = msgspec.msgpack.decode(lzma.decompress(path.read_bytes()))
        minutes = [
            [step if isinstance(step, int) else [_message(m) for m in step] for step in minute]
            for minute in found["minutes"]
        ]
        told = [[(topic, record) for topic, record in minute] for minute in found["told"]]
        return cls(path.stem, dict(found["records"]), minutes, told)

    def write(self, folder: Path = FOLDER) -> Path:
        """Under the release's name."""
        minutes = [
            [step if isinstance(step, int) else [_fields(m) for m in step] for step in minute]
            for minute in self.minutes
        ]
        content = {"records": list(self.records.items()), "minutes": minutes, "told": self.told}
        path = folder / f"{self.release}.snapshot"
        folder.mkdir(exist_ok=True)
        path.write_bytes(lzma.compress(msgspec.msgpack.encode(content), preset=9))
        return path

    def restored(self) -> "Followed":
        """A partition that goes on from it."""
        state = dict(self.records)
        return Followed(Partition.restore(0, SETTINGS, (), DictShelf(state)), state)

    def retold(self) -> "StoredSnapshot":
        """With what the present code tells."""
        followed = self.restored()
        return replace(self, told=[followed.minute(steps) for steps in self.minutes])


class Followed:
    """A partition and the live records of what it has committed."""

    def __init__(self, partition: Partition | None = None, state: dict[bytes, bytes] | None = None) -> None:
        self.state = {} if state is None else state
        self.partition = partition or Partition(0, SETTINGS, DictShelf(self.state))

    def minute(self, steps: list[Any]) -> list[Told]:
        """What the partition tells in it; then it is committed."""
        follow(self.partition, steps)
        checkpoint = self.partition.checkpoint()
        for key, value in checkpoint.changes:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.partition.settled()
        return told(checkpoint.outputs)


def written_now(release: str) -> StoredSnapshot:
    """The snapshot of the present code, by the story."""
    followed, minutes = Followed(), list(steps())
    for minute in minutes[:TAKEN_AFTER]:
        followed.minute(minute)
    records = dict(followed.state)
    rest = minutes[TAKEN_AFTER:]
    return StoredSnapshot(release, records, rest, [followed.minute(minute) for minute in rest])


def told(outputs: Iterable[Output]) -> list[Told]:
    """Without what differs from release to release by its nature: its name."""
    return [(output.topic, {**output.record, "software": None}) for output in outputs]


def _fields(message: Message) -> list[Any]:
    return [message.topic, message.offset, message.timestamp_us, message.key, message.value]


def _message(fields: list[Any]) -> Message:
    topic, offset, timestamp_us, key, value = fields
    return Message(topic, offset, timestamp_us, key, value)
