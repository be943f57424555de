"""`ColdStore`: which of a partition's predictions may leave memory, and where they are read from then."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamgauge.schemas.errors import StateError
from streamgauge.streams.core.cold import ColdTable, ReadBlock
from streamgauge.streams.core.keys import PREDICTIONS, key_of
from streamgauge.streams.core.snapshot import decode_state

#: So many blocks of 50 kB are kept when they were read: labels mostly come in the order of their predictions.
_KEPT = 256
#: Gives a snapshot of those that are settled, by its key.
Get = Callable[[bytes], bytes | None]
#: Keys and snapshots.
Records = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class ColdStore:
    """What a partition is given to read snapshots back with; about `hot_rows` stay in memory."""

    get: Get
    hot_rows: int
    _kept: OrderedDict[tuple[object, int], dict[str, Any]] = field(default_factory=OrderedDict)

    def reader(self, model: str) -> ReadBlock:
        """For a table of a model, which asks only for blocks that do not change any more."""
        table, kept = object(), self._kept  # a model that comes again has other blocks of the same numbers

        def read(number: int) -> dict[str, Any]:
            block = kept.pop((table, number), None) or self._block(model, number)
            kept[table, number] = block
            if len(kept) > _KEPT:
                kept.popitem(last=False)
            return block

        return read

    def blocks(self, model: str, numbers: Iterable[int]) -> Mapping[int, dict[str, Any]]:
        """Those blocks, each read when it is asked for."""
        return _Blocks(frozenset(numbers), lambda number: self._block(model, number))

    def _block(self, model: str, number: int) -> dict[str, Any]:
        key = key_of(PREDICTIONS, model, number)
        found = self.get(key)
        if found is None:
            raise StateError(f"the local state lacks {key.decode()}: start the worker again")
        block: dict[str, Any] = decode_state(found)
        return block

    def cool(self, tables: Iterable[ColdTable]) -> None:
        """All that was written so far is settled; beyond `hot_rows`, the oldest rows leave memory."""
        found = list(tables)
        hot = sum(len(table) - table.cold for table in found)
        for table in found:
            if table.cold:
                table.forget()
        if hot > self.hot_rows:
            for table in found:
                table.settle()
                # some more than must: what leaves is copied, and so is what stays
                table.cool((len(table) - table.cold) * self.hot_rows * 3 // (4 * hot))


class _Blocks(Mapping[int, dict[str, Any]]):
    def __init__(self, numbers: frozenset[int], read: ReadBlock) -> None:
        self._numbers = numbers
        self._read = read

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self._read(number)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
