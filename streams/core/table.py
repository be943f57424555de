"""`IdTable`: rows in order of arrival, found by their 16-byte identity, many at a time.

Columns grow by a quarter; a hash index of row numbers is searched for a whole batch at once, so a lookup of
500 identities costs the same few numpy calls among a thousand rows and among a million. Rows of
equal identity (one per model version) are chained from the newest back. What is persisted are blocks of
rows; the index is rebuilt from them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import ID_DTYPE, Bools, Ids, Ints
from streamgauge.streams.core.hash_index import HashIndex

BLOCK = 1_024
_NONE = -1
#: The dtype of columns that hold bytes of any length, or None.
OBJECTS = "|O"


class IdTable:
    """Rows numbered from `base`; `columns[name]` has shape (rows,) and may be written in place.

    A column is declared by its dtype and fill value; the identity column is ``id``. Call `touch` after
    writing into columns, so that the next checkpoint carries the blocks that changed.
    """

    def __init__(self, columns: Mapping[str, tuple[str, Any]]) -> None:
        self._declared = dict(columns)
        self._stores: dict[str, NDArray[Any]] = {n: np.empty(0, d) for n, (d, _) in columns.items()}
        self._ids: Ids = np.empty(0, ID_DTYPE)
        #: By row; none at all as long as no two rows share an identity.
        self._older: NDArray[np.int32] = np.empty(0, np.int32)
        self._index = HashIndex(0)
        self.base = 0
        self.size = 0
        self._dirty: set[int] = set()
        self._stored: set[int] = set()

    def __len__(self) -> int:
        return self.size

    @property
    def ids(self) -> Ids:
        """S16, shape (rows,)."""
        return self._ids[: self.size]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._declared)

    def column(self, name: str) -> NDArray[Any]:
        """A writable view of one column, shape (rows,)."""
        return self._stores[name][: self.size]

    def declare(self, name: str, dtype: str, fill: Any) -> None:
        """Adds a column, filled for the rows that are already here; a known name is left alone."""
        if name not in self._declared:
            self._declared[name] = (dtype, fill)
            self._stores[name] = np.full(len(self._ids), fill, dtype)

    def hold_objects(self, *names: str) -> None:
        """These columns hold bytes, or None as for all rows that are here."""
        for name in names:
            self._declared[name] = (OBJECTS, None)
            self._stores[name] = np.full(len(self._ids), None, np.object_)
        self.touch(np.arange(self.size))

    def find(self, ids: Ids) -> Ints:
        """The newest row of each identity, or -1; int64, shape (n,)."""
        return self.probe(ids)[0]

    def probe(self, ids: Ids) -> tuple[Ints, Ints]:
        """As `find`, and the places in the index: for `append`, if nothing is written in between."""
        return self._index.search(ids, self._ids)

    def older(self, rows: Ints) -> Ints:
        """For each row the next older one of the same identity, or -1 (also for -1)."""
        result = np.full(len(rows), _NONE, np.int64)
        if len(self._older):
            some = rows >= 0
            result[some] = self._older[rows[some]]
        return result

    def append(self, ids: Ids, values: Mapping[str, Any], places: Ints | None = None) -> Ints:
        """Adds rows whose identities are distinct within the batch; returns their row numbers.

        `places` is what `probe` gave for them, if it was called just before.
        """
        first, n = self.size, len(ids)
        index = self._index
        self._reserve(first + n)
        if self._index is not index:
            places = None
        rows = np.arange(first, first + n, dtype=np.int64)
        self._ids[first : first + n] = ids
        self.size = first + n
        for name, (_, fill) in self._declared.items():
            self._stores[name][first : first + n] = values.get(name, fill)
        self._chain(rows, self._index.insert(ids, rows, self._ids, places))
        self.touch(rows)
        return rows

    def touch(self, rows: Ints) -> None:
        """Marks the blocks of these rows as changed."""
        if len(rows):
            blocks = (rows + self.base) // BLOCK
            low, high = int(blocks.min()), int(blocks.max())
            self._dirty.update(range(low, high + 1) if high - low < 2 else np.unique(blocks).tolist())

    def drop_before(self, keep_from: int) -> None:
        """Forgets the rows below `keep_from`, a whole number of blocks at a time."""
        whole = (keep_from + self.base) // BLOCK * BLOCK - self.base
        if whole <= 0 or (whole * 2 < self.size and whole < 64 * BLOCK):
            return
        for name, store in self._stores.items():
            self._stores[name] = store[whole : self.size].copy()
        self._ids = self._ids[whole : self.size].copy()
        self._older = np.maximum(self._older[whole : self.size] - whole, _NONE).astype(np.int32)
        self.base += whole
        self.size -= whole
        self._dirty = {b for b in self._dirty if b * BLOCK >= self.base}
        heads = self._index.rows()
        self._reindex(heads[heads >= whole] - whole, self.size)

    def changes(self) -> list[tuple[int, dict[str, Any] | None]]:
        """Blocks changed or gone since the last call: (block number, state or None)."""
        gone = [(b, None) for b in sorted(self._stored) if b * BLOCK < self.base]
        changed = [(b, self._block(b)) for b in sorted(self._dirty)]
        self._stored = {b for b in self._stored | self._dirty if b * BLOCK >= self.base}
        self._dirty = set()
        return [*gone, *changed]

    def replaces(self, other: "IdTable") -> None:
        """This empty table takes another's place: its stored blocks are to be deleted."""
        self.base = (other.base + other.size + BLOCK - 1) // BLOCK * BLOCK
        self._stored = other._stored | other._dirty

    def load(self, blocks: Mapping[int, dict[str, Any]]) -> None:
        """Restores what `changes` gave; `blocks` are the live ones."""
        if not blocks:
            return
        numbers = sorted(blocks)
        self.base = numbers[0] * BLOCK
        for number in numbers:
            for name, (dtype, fill) in blocks[number]["declared"].items():
                self.declare(name, dtype, fill)
        parts = [blocks[b] for b in numbers]
        self._ids = np.concatenate([np.frombuffer(p["ids"], ID_DTYPE) for p in parts])
        self.size = len(self._ids)
        for name, (dtype, fill) in self._declared.items():
            columns = [p["columns"].get(name, np.full(len(p["ids"]) // 16, fill, dtype)) for p in parts]
            self._stores[name] = np.concatenate([restored(column) for column in columns]).astype(dtype)
        self._stored = set(numbers)
        self._index_all()

    def _chain(self, rows: Ints, older: Ints) -> None:
        if len(self._older) == 0:
            if (older < 0).all():
                return
            self._older = np.full(len(self._ids), _NONE, np.int32)
        self._older[rows] = older

    def _block(self, number: int) -> dict[str, Any]:
        low = number * BLOCK - self.base
        high = min(low + BLOCK, self.size)
        low = max(low, 0)
        return {
            "declared": {name: list(kind) for name, kind in self._declared.items()},
            "ids": self._ids[low:high].tobytes(),
            "columns": {name: saved(store[low:high]) for name, store in self._stores.items()},
        }

    def _reserve(self, rows: int) -> None:
        capacity = len(self._ids)
        if rows > capacity:
            grown = max(rows, capacity + capacity // 4, BLOCK)
            self._ids = np.concatenate([self._ids[: self.size], np.zeros(grown - self.size, ID_DTYPE)])
            if len(self._older):
                more = np.full(grown - len(self._older), _NONE, np.int32)
                self._older = np.concatenate([self._older, more])
            for name, store in self._stores.items():
                new = np.empty(grown, store.dtype)
                new[: self.size] = store[: self.size]
                self._stores[name] = new
        if rows > self._index.room:
            self._reindex(self._index.rows(), rows)

    def _reindex(self, heads: Ints, rows: int) -> None:
        """A new index with room for `rows`; `heads` are the newest rows of each identity."""
        self._index = HashIndex(rows)
        heads = np.sort(heads)
        self._index.insert(self._ids[heads], heads, self._ids)

    def _index_all(self) -> None:
        """From nothing. Rows of one identity must enter one after the other, oldest first."""
        self._older = np.empty(0, np.int32)
        self._index = HashIndex(self.size)
        remaining = np.arange(self.size, dtype=np.int64)
        while remaining.size:
            first = first_of_each(self._ids[remaining])
            rows = remaining[first]
            self._chain(rows, self._index.insert(self._ids[rows], rows, self._ids))
            remaining = remaining[~first]


def saved(column: NDArray[Any]) -> NDArray[Any] | list[bytes | None]:
    """A column as a snapshot holds it."""
    return column.tolist() if column.dtype == np.object_ else column.copy()


def restored(column: NDArray[Any] | list[bytes | None]) -> NDArray[Any]:
    """What `saved` was given."""
    if isinstance(column, np.ndarray):
        return column
    objects = np.empty(len(column), np.object_)
    objects[:] = column
    return objects


def first_of_each(ids: Ids) -> Bools:
    """Which rows are the first of their identity, shape (n,)."""
    first = np.ones(len(ids), np.bool_)
    low = np.sort(np.ascontiguousarray(ids).view("<u8")[1::2])
    if (low[1:] == low[:-1]).any():  # the whole identity takes longer to sort, and is seldom needed
        first[:] = False
        first[np.unique(ids, return_index=True)[1]] = True
    return first
