"""`BlockTable`: rows in order of arrival, as columns; persisted are those blocks of rows that change."""

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
        self._declared = dict(columns)
        self._derived = set(derived)
        self._stores: dict[str, NDArray[Any]] = {}
        self._room = 1
        self.base = 0
        self.size = 0
        self._dirty: set[int] = set()
        self._stored: set[int] = set()
        for name in columns:
            self._stores[name] = self._filled(name, 1)

    def __len__(self) -> int:
        return self.size

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._declared)

    def column(self, name: str) -> NDArray[Any]:
        """A writable view of one column, shape (rows,)."""
        return self._stores[name][: self.size]

    def gather(self, name: str, rows: Ints) -> NDArray[Any]:
        """One column of these rows; of -1 its fill value."""
        return self._stores[name][rows]

    def declare(self, name: str, dtype: str, fill: Any, *, derived: bool = False) -> None:
        """Adds a column, filled for the rows that are already here; a known name is left alone."""
        if name not in self._declared:
            self._declared[name] = (dtype, fill)
            self._stores[name] = self._filled(name, self._room)
            if derived:
                self._derived.add(name)

    def hold_objects(self, *names: str) -> None:
        """These columns hold bytes, or None as for all rows that are here."""
        for name in names:
            self._declared[name] = (OBJECTS, None)
            self._stores[name] = self._filled(name, self._room)
        self.touch(np.arange(self.size))

    def extend(self, n: int, values: Mapping[str, Any]) -> Ints:
        """Adds `n` rows, with the fill value where `values` lacks a column; their numbers."""
        first, last = self.size, self.size + n
        if last >= self._room:
            self._resize(0, max(last + 1, self._room + self._room // 4, BLOCK))
        self.size = last
        for name, (_, fill) in self._declared.items():
            self._stores[name][first:last] = values.get(name, fill)
        rows = np.arange(first, last, dtype=np.int64)
        self.touch(rows)
        return rows

    def touch(self, rows: Ints) -> None:
        """Marks the blocks of these rows as changed."""
        if len(rows):
            blocks = (rows + self.base) // BLOCK
            low, high = int(blocks.min()), int(blocks.max())
            self._dirty.update(range(low, high + 1) if high - low < 2 else np.unique(blocks).tolist())

    def drop_before(self, keep_from: int) -> int:
        """Forgets rows below `keep_from`, a whole number of blocks, when that is worth it: how many rows."""
        whole = (keep_from + self.base) // BLOCK * BLOCK - self.base
        if whole <= 0 or (whole * 2 < self.size and whole < 64 * BLOCK):
            return 0
        self._resize(whole, self.size - whole + 1)
        self.base += whole
        self.size -= whole
        self._dirty = {b for b in self._dirty if b * BLOCK >= self.base}
        return whole

    def changes(self) -> list[tuple[int, dict[str, Any] | None]]:
        """Blocks changed or gone since the last call: (block number, state or None)."""
        gone = [(b, None) for b in sorted(self._stored) if b * BLOCK < self.base]
        changed = [(b, self._block(b)) for b in sorted(self._dirty)]
        self._stored = {b for b in self._stored | self._dirty if b * BLOCK >= self.base}
        self._dirty = set()
        return [*gone, *changed]

    def replaces(self, other: "BlockTable") -> None:
        """This empty table takes another's place: its stored blocks are to be deleted."""
        self.base = (other.base + other.size + BLOCK - 1) // BLOCK * BLOCK
        self._stored = other._stored | other._dirty

    def load(self, blocks: Mapping[int, dict[str, Any]]) -> None:
        """Restores what `changes` gave; `blocks` are the live ones, asked for one after the other."""
        if not blocks:
            return
        self.base = min(blocks) * BLOCK
        for number in sorted(blocks):
            block = blocks[number]
            for name, (dtype, fill) in block["declared"].items():
                self.declare(name, dtype, fill)
            self.extend(block["rows"], {name: _restored(c) for name, c in block["columns"].items()})
        self._stored, self._dirty = set(blocks), set()

    def _block(self, number: int) -> dict[str, Any]:
        low = max(number * BLOCK - self.base, 0)
        high = min(number * BLOCK - self.base + BLOCK, self.size)
        kept = [name for name in self._declared if name not in self._derived]
        return {
            "rows": high - low,
            "declared": {name: list(self._declared[name]) for name in kept},
            "columns": {name: _saved(self._stores[name][low:high]) for name in kept},
        }

    def _filled(self, name: str, room: int) -> NDArray[Any]:
        dtype, fill = self._declared[name]
        return np.full(room, fill, np.object_ if dtype == OBJECTS else dtype)

    def _resize(self, gone: int, room: int) -> None:
        """Room for `room` rows, the last of which is never taken, less those below `gone`."""
        for name, store in self._stores.items():
            new = np.empty(room, store.dtype)
            new[: self.size - gone] = store[gone : self.size]
            new[-1] = self._declared[name][1]
            self._stores[name] = new
        self._room = room


def _saved(column: NDArray[Any]) -> NDArray[Any] | list[bytes | None]:
    """A column as a snapshot holds it."""
    return column.tolist() if column.dtype == np.object_ else column.copy()


def _restored(column: NDArray[Any] | list[bytes | None]) -> NDArray[Any]:
    """What `_saved` was given."""
    if isinstance(column, np.ndarray):
        return column
    objects = np.empty(len(column), np.object_)
    objects[:] = column
    return objects
