"""Snapshots as Kafka records: those too large for one are split, and put together again on restore."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from streamgauge.schemas.errors import StateError

#: Largest value of one record of the state topic, in bytes.
MAX_VALUE_BYTES = 500_000

_PARTS = "parts"
_PART_PREFIX = b"\xffpart"


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One record of the `state` topic; value None deletes the key."""

    key: bytes
    value: bytes | None
    parts: int = 1

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers: how many records the value is spread over, if more than this one."""
        return [(_PARTS, b"%d" % self.parts)] if self.parts > 1 else []


class RecordWriter:
    """Makes records of one partition's snapshots, and knows how many parts each has in the topic."""

    def __init__(self, max_value_bytes: int = MAX_VALUE_BYTES) -> None:
        self._max = max_value_bytes
        self._last_part: dict[bytes, int] = {}

    def note(self, key: bytes) -> None:
        """A record with this key is in the topic."""
        if key.startswith(_PART_PREFIX):
            owner, part = _part_of(key)
            self._last_part[owner] = max(part, self._last_part.get(owner, 0))

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Iterator[StateRecord]:
        """The records for `changes`, with deletions of the parts that a smaller snapshot leaves behind."""
        for key, value in changes:
            if key.startswith(_PART_PREFIX):
                raise StateError(f"the state key {key!r} is reserved")
            size = 0 if value is None else len(value)
            count = max(1, -(-size // self._max))
            if value is None:
                yield StateRecord(key, None)
            else:
                yield StateRecord(key, value[: self._max], count)
                for part in range(1, count):
                    yield StateRecord(part_key(key, part), value[part * self._max : (part + 1) * self._max])
            for part in range(count, self._last_part.get(key, 0) + 1):
                yield StateRecord(part_key(key, part), None)
            if count > 1:
                self._last_part[key] = count - 1
            else:
                self._last_part.pop(key, None)


class StateRecords(RecordWriter):
    """One partition's live snapshots, key by key: what is written becomes records, what is read snapshots.

    The first part of a value carries the snapshot's own key and the number of parts; the others have keys
    of their own, so that compaction keeps the latest of each.

    >>> written = StateRecords()
    >>> records = list(written.write([(b"credit", b"x" * 1_200_000)]))
    >>> [(r.key, len(r.value), r.parts) for r in records][0]
    (b'credit', 500000, 3)
    >>> read = StateRecords()
    >>> for r in records:
    ...     read.read(r.key, r.value, r.headers)
    >>> [(key, len(value)) for key, value in read.snapshots()]
    [(b'credit', 1200000)]
    """

    def __init__(self, max_value_bytes: int = MAX_VALUE_BYTES) -> None:
        super().__init__(max_value_bytes)
        self._values: dict[bytes, tuple[bytes, int]] = {}
        self._parts: dict[tuple[bytes, int], bytes] = {}

    def read(
        self, key: bytes, value: bytes | None, headers: Iterable[tuple[str, str | bytes | None]] | None
    ) -> None:
        """One record of the topic, in the order of offsets."""
        if key.startswith(_PART_PREFIX):
            owner, part = _part_of(key)
            if value is None:
                self._parts.pop((owner, part), None)
            else:
                self._parts[owner, part] = value
                self.note(key)
        elif value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = (value, parts_of(headers))

    def snapshots(self) -> Iterator[tuple[bytes, bytes]]:
        """Every live snapshot, whole, and let go of. Raises `StateError` if a part is missing."""
        values, parts = self._values, self._parts
        self._values, self._parts = {}, {}
        for key, (first, count) in values.items():
            if count == 1:
                yield key, first
                continue
            try:
                rest = [parts[key, part] for part in range(1, count)]
            except KeyError as missing:
                raise StateError(f"part {missing} of {count} of the snapshot {key!r} is not there") from None
            yield key, b"".join((first, *rest))


def parts_of(headers: Iterable[tuple[str, str | bytes | None]] | None) -> int:
    """How many records a value is spread over, by the headers of the first."""
    counts: Mapping[str, str | bytes | None] = dict(headers or ())
    return int(counts.get(_PARTS) or 1)


def owner_of(key: bytes) -> bytes:
    """The snapshot that a record belongs to, by the record's key.

    >>> owner_of(part_key(b"credit", 2)), owner_of(b"credit")
    (b'credit', b'credit')
    """
    return _part_of(key)[0] if key.startswith(_PART_PREFIX) else key


def part_key(key: bytes, part: int) -> bytes:
    """The record's key of a snapshot's part, from 1 on."""
    return _PART_PREFIX + part.to_bytes(4, "big") + key


def _part_of(key: bytes) -> tuple[bytes, int]:
    at = len(_PART_PREFIX)
    return key[at + 4 :], int.from_bytes(key[at : at + 4], "big")
