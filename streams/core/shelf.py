"""`Shelf`: what was committed, where it can be read back a record at a time."""

import bisect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from streamgauge.schemas.errors import StateError

_DECODER = msgspec.json.Decoder(list[Any])
#: Keys of live snapshots, in order, and what gives each one's bytes until the next is asked for.
Found = Iterator[tuple[bytes, Callable[[], bytes]]]


class Shelf(Protocol):
    """The live snapshots of a partition."""

    def get(self, key: bytes) -> bytes | None:
        """One of them."""
        ...

    def scan(self, prefix: bytes) -> Found:
        """Those whose keys begin so."""
        ...

    def first_from(self, key: bytes) -> bytes | None:
        """The first key that is not before this one."""
        ...


class DictShelf:
    """A shelf in memory: for tests, and to measure with.

    >>> shelf = DictShelf({b'["model","a"]': b"1", b'["window","a",5]': b"2"})
    >>> [key for key, _ in shelf.scan(beginning("window", "a"))], list(kinds(shelf))
    ([b'["window","a",5]'], ['model', 'window'])
    """

    def __init__(self, records: Mapping[bytes, bytes]) -> None:
        self.records = records

    def get(self, key: bytes) -> bytes | None:
        return self.records.get(key)

    def scan(self, prefix: bytes) -> Found:
        for key in sorted(key for key in self.records if key.startswith(prefix)):
            yield key, lambda key=key: self.records[key]  # type: ignore[misc]

    def first_from(self, key: bytes) -> bytes | None:
        keys = sorted(self.records)
        at = bisect.bisect_left(keys, key)
        return keys[at] if at < len(keys) else None


def beginning(*parts: object) -> bytes:
    """What the keys begin with whose first parts are these; the last of them is a string.

    >>> beginning("window", "a")
    b'["window","a"'
    """
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()[:-1]


def kinds(shelf: Shelf) -> Iterator[str]:
    """The kinds of records that there are, without a look at each of them."""
    key = shelf.first_from(b"")
    while key is not None:
        kind = kind_of(key)
        yield kind
        key = shelf.first_from(beginning(kind)[:-1] + b"#")  # the byte after that of the closing quote


def kind_of(key: bytes) -> str:
    """Raises `StateError` if this is no key of ours."""
    kind: str = parts_in(key)[0]
    return kind


def parts_in(key: bytes) -> list[Any]:
    """The parts of a key: its kind, then mostly a model. Raises `StateError` if this is no key of ours."""
    try:
        parts = _DECODER.decode(key)
    except (ValueError, TypeError) as error:
        raise StateError(f"a record of the state topic has the key {key[:80]!r}: {error}") from error
    if not parts:
        raise StateError("a record of the state topic has an empty key")
    return parts
