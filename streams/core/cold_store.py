"""`ColdStore`: where a partition's predictions and windows are read from when they have left memory."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamgauge.schemas.errors import StateError
from streamgauge.streams.core.cold import ReadBlock
from streamgauge.streams.core.keys import PREDICTIONS, ROLLUP, WINDOW, key_of
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.parking import Binners, Read
from streamgauge.streams.core.shelf import Shelf
from streamgauge.streams.core.snapshot import decode_state

#: So many blocks of 50 kB are kept when they were read: labels mostly come in the order of their predictions.
_KEPT, _BLOCK_BYTES = 256, 50_000
#: A window takes so many times what its snapshot does.
_UNPACKED = 6
#: Of a table that is loaded, at least so many rows are loaded before some leave again.
_LEAST_ROWS, _ROW_BYTES = 16_384, 64


@dataclass(slots=True)
class ColdStore:
    """What a partition is given to read snapshots back with."""

    shelf: Shelf
    memory: Memory
    #: What windows take, about, that were read back since it was last thought of what may leave.
    windows_bytes: int = 0
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

    def windows(self, model: str, version: str, binners: Binners) -> Read:
        """For the windows of a version that do not change; of their binners, those of the moment count."""
        place = WINDOW, model, version
        return lambda start_us, end_us: (self._window(*place, start_us), *binners())

    def rollups(self, model: str, version: str, binners: Binners) -> Read:
        """As `windows`, for what they were folded into."""
        place = ROLLUP, model, version
        return lambda start_us, end_us: (
            self._window(*place, end_us - start_us, start_us),
            *binners(),
        )

    @property
    def held_bytes(self) -> int:
        """What it keeps of what was read."""
        return len(self._kept) * _BLOCK_BYTES + self.windows_bytes

    @property
    def loaded_rows(self) -> int:
        """How many rows of a table stay in memory when it is loaded; twice as many for a moment.

        That is half of what is free, as the index is to come.
        """
        return max(_LEAST_ROWS, self.memory.room_bytes // (4 * _ROW_BYTES))

    def forget(self) -> None:
        """What was read is read again, if it is asked for again."""
        self._kept.clear()
        self.windows_bytes = 0

    def _block(self, model: str, number: int) -> dict[str, Any]:
        return self._state(key_of(PREDICTIONS, model, number))

    def _window(self, *place: object) -> dict[str, Any]:
        snapshot = self._found(key_of(*place))
        self.windows_bytes += len(snapshot) * _UNPACKED
        state: dict[str, Any] = decode_state(snapshot)
        return state

    def _state(self, key: bytes) -> dict[str, Any]:
        state: dict[str, Any] = decode_state(self._found(key))
        return state

    def _found(self, key: bytes) -> bytes:
        found = self.shelf.get(key)
        if found is None:
            raise StateError(f"the local state lacks {key.decode()}: start the worker again")
        return found


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
