"""`BlockTable`: rows in order of arrival, as columns; persisted are those blocks of rows that change."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Ints

BLOCK = 1_024
#: The dtype of columns that hold bytes of any length, or None.
OBJECTS = "|O"


class BlockTable:
    """Rows numbered from `base`; `column(name)` has shape (rows,) and may be written in place.

    A column is declared by its dtype and fill value, and grows by a quarter. Row -1 of every column is its
    fill value. Call `touch` after writing into columns, so that the next checkpoint carries the blocks that
    changed. Derived columns are not persisted: whoever declares them fills them after a `load`.

    >>> table = BlockTable({"n": ("<i8", 0)})
    >>> table.extend(2, {"n": np.array([7, 8])}).tolist(), table.gather("n", np.array([1, -1])).tolist()
    ([0, 1], [8, 0])
    """

    def __init__(self, columns: Mapping[str, tuple[str, Any]], derived: tuple[str, ...] = ()) -> None:
        self._declared: dict[str, tuple[str, Any]] = {}
        self._derived: set[str] = set()
        self._stores: dict[str, NDArray[Any]] = {}
        self.base = 0
        self.size = 0
        #: Rows below it are not in memory, but for their derived columns: see `ColdTable`.
        self.cold = 0
        self._dirty: set[int] = set()
        self._stored: set[int] = set()
        #: Blocks that are still in the topic, of rows that are forgotten.
        self._gone: set[int] = set()
        for name, (dtype, fill) in columns.items():
            self.declare(name, dtype, fill, derived=name in derived)

    def __len__(self) -> int:
        return self.size

    @property
    def held_bytes(self) -> int:
        """What the columns take of memory, about."""
        return sum(map(bytes_of, self._stores.values()))

    @property
    def growth_bytes(self) -> int:
        """What it takes beside that, for a moment, when it grows."""
        return max(map(bytes_of, self._stores.values()), default=0) * 5 // 4

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._declared)

    def column(self, name: str) -> NDArray[Any]:
        """A writable view of one column, shape (rows,); without the rows that are not in memory."""
        return self._stores[name][: self.size - self._first(name)]

    def gather(self, name: str, rows: Ints) -> NDArray[Any]:
        """One column of these rows; of -1 its fill value."""
        return self._stores[name][rows]

    def declare(self, name: str, dtype: str, fill: Any, *, derived: bool = False) -> None:
        """Adds a column, filled for the rows that are already here; a known name is left alone."""
        if name not in self._declared:
            self._declared[name] = (dtype, fill)
            if derived:
                self._derived.add(name)
            self._stores[name] = self._filled(name)

    def hold_objects(self, *names: str) -> None:
        """These columns hold bytes, or None as for all rows that are here."""
        for name in names:
            self._declared[name] = (OBJECTS, None)
            self._stores[name] = self._filled(name)
        self.touch(np.arange(self.cold, self.size))

    def write(self, name: str, rows: Ints, values: NDArray[Any]) -> None:
        """Into one column of rows that are in memory."""
        self._stores[name][rows - self._first(name)] = values
        self.touch(rows)

    def extend(self, n: int, values: Mapping[str, Any]) -> Ints:
        """Adds `n` rows, with the fill value where `values` lacks a column; their numbers."""
        first, last = self.size, self.size + n
        for name, (_, fill) in self._declared.items():
            start, store = self._first(name), self._stores[name]
            if last - start >= len(store):
                self._resize(name, 0, max(last - start + 1, len(store) + len(store) // 4, BLOCK))
            self._stores[name][first - start : last - start] = values.get(name, fill)
        self.size = last
        if n:
            self._dirty.update(range((first + self.base) // BLOCK, (last - 1 + self.base) // BLOCK + 1))
        return np.arange(first, last, dtype=np.int64)

    def touch(self, rows: Ints) -> None:
        """Marks the blocks of these rows as changed."""
        if len(rows):
            blocks = (rows + self.base) // BLOCK
            low, high = int(blocks.min()), int(blocks.max())
            self._dirty.update(range(low, high + 1) if high - low < 2 else np.unique(blocks).tolist())

    def drop_before(self, keep_from: int) -> int:
        """Forgets rows below `keep_from`, a whole number of blocks, when that is worth it: how many rows."""
        whole = (keep_from + self.base) // BLOCK * BLOCK - self.base
        if whole <= 0 or (whole * 2 < self.size and (whole < 64 * BLOCK or whole * 8 < self.size)):
            return 0
        for name in self._declared:
            gone = max(0, whole - self._first(name))
            self._resize(name, gone, self.size - self._first(name) - gone + 1)
        self.base += whole
        self.size -= whole
        self.cold = max(0, self.cold - whole)
        self._gone |= {b for b in self._stored if b * BLOCK < self.base}
        self._stored -= self._gone
        self._dirty = {b for b in self._dirty if b * BLOCK >= self.base}
        return whole

    def changes(self) -> list[tuple[int, dict[str, Any] | None]]:
        """Blocks changed or gone since the last call: (block number, state or None)."""
        gone = [(b, None) for b in sorted(self._gone)]
        changed = [(b, self._block(b)) for b in sorted(self._dirty)]
        self._stored |= self._dirty
        self._dirty, self._gone = set(), set()
        return [*gone, *changed]

    def replaces(self, other: "BlockTable") -> None:
        """This empty table takes another's place: its stored blocks are to be deleted."""
        self.base = (other.base + other.size + BLOCK - 1) // BLOCK * BLOCK
        self._gone = other._gone | other._stored | other._dirty

    def load(self, blocks: Mapping[int, dict[str, Any]]) -> None:
        """Restores what `changes` gave; `blocks` are the live ones, asked for one after the other."""
        if not blocks:
            return
        self.base = min(blocks) * BLOCK
        self._stored = set(blocks)
        for number in sorted(blocks):
            self._load(blocks[number])
            self._dirty.clear()

    def _load(self, block: dict[str, Any]) -> Ints:
        values = {}
        for name, (dtype, fill) in block["declared"].items():
            self.declare(name, dtype, fill)
            if dtype == OBJECTS and self._declared[name][0] != OBJECTS:
                self.hold_objects(name)
            if dtype == self._declared[name][0]:  # else it was written before the column held objects
                values[name] = restored(block["columns"][name])
        return self.extend(block["rows"], values)

    def _block(self, number: int) -> dict[str, Any]:
        low = max(number * BLOCK - self.base, 0)
        high = min(number * BLOCK - self.base + BLOCK, self.size)
        kept = [name for name in self._declared if name not in self._derived]
        rows = slice(low - self.cold, high - self.cold)
        return {
            "rows": high - low,
            "declared": {name: list(self._declared[name]) for name in kept},
            "columns": {name: _saved(self._stores[name][rows]) for name in kept},
        }

    def _first(self, name: str) -> int:
        """The first row of which this column is in memory."""
        return 0 if name in self._derived else self.cold

    def _filled(self, name: str) -> NDArray[Any]:
        dtype, fill = self._declared[name]
        rows = self.size - self._first(name)
        return np.full(rows + 1, fill, np.object_ if dtype == OBJECTS else dtype)

    def _resize(self, name: str, gone: int, room: int) -> None:
        """Room for `room` rows, the last never taken, less the first `gone` of those in memory."""
        store, rows = self._stores[name], self.size - self._first(name)
        new = np.empty(room, store.dtype)
        new[: rows - gone] = store[gone:rows]
        new[-1] = self._declared[name][1]
        self._stores[name] = new


def bytes_of(store: NDArray[Any]) -> int:
    """With its objects, of which some are looked at."""
    some = store[:64].tolist() if store.dtype == np.object_ else []
    return store.nbytes + sum(map(sys.getsizeof, some)) * len(store) // max(len(some), 1)


def _saved(column: NDArray[Any]) -> NDArray[Any] | list[bytes | None]:
    """A column as a snapshot holds it."""
    return column.tolist() if column.dtype == np.object_ else column.copy()


def restored(column: NDArray[Any] | list[bytes | None]) -> NDArray[Any]:
    """What `_saved` was given."""
    if isinstance(column, np.ndarray):
        return column
    objects = np.empty(len(column), np.object_)
    objects[:] = column
    return objects
