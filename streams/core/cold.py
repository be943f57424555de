"""`ColdTable`: the oldest rows of an `IdTable` leave memory, and are read back when they are asked for.

What is left of a row in memory is its identity's hash, its place in the index, and derived columns. Rows do
not change once their block is written, so nothing but where they are differs: the same calls give the same
answers, to the bit. Who keeps the blocks is told by `read_from`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Bools, Ids, Ints
from streamgauge.streams.core import blocks
from streamgauge.streams.core.blocks import OBJECTS, bytes_of, restored
from streamgauge.streams.core.hash_index import hashed
from streamgauge.streams.core.table import AT_ONCE, IdTable

_HASH = "hash"
#: Beyond so many, what was read of rows is forgotten at once.
_ROWS_KEPT = 16_384

#: The state of a block by its number, as `changes` gave it.
ReadBlock = Callable[[int], dict[str, Any]]


class ColdTable(IdTable):
    """An `IdTable` whose column ``time`` says which blocks a stretch of time is in."""

    _read: ReadBlock | None = None

    @property
    def hot_bytes(self) -> int:
        """What leaves memory if all rows do, about."""
        hot = [each for name, each in self._stores.items() if name not in self._derived]
        return sum(map(bytes_of, hot)) * (self.size - self.cold) // max(len(hot[0]), 1)

    def read_from(self, read: ReadBlock, keep: int) -> None:
        """Blocks that were settled can be had from here; of those that are loaded about `keep` rows stay."""
        self._read, self._keep = read, keep
        self.forget()
        #: Of each cold block the first and last time, shape (blocks, 2).
        self._spans = np.empty((0, 2), np.int64)
        self._settled: set[int] = set()

    def forget(self) -> None:
        """What was read is read again, if it is asked for again."""
        #: In order, and their columns.
        self._rows = np.empty(0, np.int64)
        self._columns: dict[str, NDArray[Any]] = {}

    def declare(self, name: str, dtype: str, fill: Any, *, derived: bool = False) -> None:
        """Adds a column, filled for the rows that are already here; a known name is left alone."""
        if self.cold and name not in self._declared:
            self.forget()
        super().declare(name, dtype, fill, derived=derived)

    def hold_objects(self, *names: str) -> None:
        """These columns hold bytes, or None as for all rows that are here."""
        super().hold_objects(*names)
        if self.cold:
            self.forget()

    def settle(self) -> None:
        """What `changes` gave so far can be read, unless it has changed again."""
        self._settled = self._stored - self._dirty

    def cool(self, keep: int) -> None:
        """All but about the last `keep` rows leave memory, as far as whole blocks are settled."""
        first = (self.base + self.cold) // blocks.BLOCK
        last, settled = first, self._settled - self._dirty
        while last in settled and (last + 1) * blocks.BLOCK - self.base <= self.size - keep:
            last += 1
        gone = (last - first) * blocks.BLOCK
        if gone <= 0:
            return
        self.declare(_HASH, "<u8", 0, derived=True)
        hashes = self.column(_HASH)[self.cold : self.cold + gone]
        for start in range(0, gone, AT_ONCE):  # to hash takes several times what is hashed
            some = slice(start, min(start + AT_ONCE, gone))
            hashes[some] = hashed(self.ids[some])
        time = self.column("time")[:gone].reshape(-1, blocks.BLOCK)
        self._spans = np.concatenate([self._spans, np.stack([time.min(axis=1), time.max(axis=1)], axis=1)])
        for name in self._declared:
            if name not in self._derived:
                self._resize(name, gone, self.size - self.cold - gone + 1)
        self.cold += gone

    def load(self, blocks: Mapping[int, dict[str, Any]]) -> None:
        """Restores what `changes` gave; `blocks` are the live ones, asked for one after the other."""
        if self._read is not None:
            self._settled = set(blocks)
        super().load(blocks)

    def _load(self, block: dict[str, Any]) -> Ints:
        rows = super()._load(block)
        if self._read is not None and self.size - self.cold > 2 * self._keep:
            self._dirty.clear()
            self.cool(self._keep)
        return rows

    def gather(self, name: str, rows: Ints) -> NDArray[Any]:
        """One column of these rows; of -1 its fill value."""
        if not self.cold or name in self._derived:
            return super().gather(name, rows)
        found = self._stores[name][np.where(rows >= self.cold, rows - self.cold, -1)]
        cold = np.flatnonzero((rows >= 0) & (rows < self.cold))
        if cold.size:
            found[cold] = self._fetched(name, rows[cold])
        return found

    def between(self, low_us: int, high_us: int) -> Ints:
        """The rows whose time is in [low, high), in order."""
        time = self.column("time")
        hot = np.flatnonzero((time >= low_us) & (time < high_us)) + self.cold
        if not self.cold:
            return hot
        some = np.flatnonzero((self._spans[:, 1] >= low_us) & (self._spans[:, 0] < high_us))
        rows = (some[:, None] * blocks.BLOCK + np.arange(blocks.BLOCK)).ravel()
        if rows.size:
            time = self._fetched("time", rows)
            rows = rows[(time >= low_us) & (time < high_us)]
        return np.concatenate([rows, hot])

    def first_from(self, low_us: int) -> int:
        """A row in the block of the first whose time is not before `low_us`; or else how many there are."""
        if self.cold:
            late = self._spans[:, 1] >= low_us
            if late.any():
                return int(late.argmax()) * blocks.BLOCK
        late = self.column("time") >= low_us
        return self.cold + (int(late.argmax()) if late.any() else len(late))

    def drop_before(self, keep_from: int) -> int:
        """Forgets rows below `keep_from`, a whole number of blocks, when that is worth it: how many rows."""
        gone = super().drop_before(keep_from)
        if gone and self._read is not None:
            self.forget()
            self._spans = self._spans[gone // blocks.BLOCK :]
            self._settled = {b for b in self._settled if b * blocks.BLOCK >= self.base}
        return gone

    def _same(self, rows: Ints, ids: Ids) -> Bools:
        if not self.cold:
            return super()._same(rows, ids)
        same: Bools = self.gather(_HASH, rows) == hashed(ids)
        some = np.flatnonzero(same | (rows >= self.cold))
        same[some] = self.gather("id", rows[some]) == ids[some]
        return same

    def _hashes(self, rows: Ints) -> NDArray[np.uint64]:
        if not self.cold:
            return super()._hashes(rows)
        found = self.gather(_HASH, rows)
        hot = np.flatnonzero(rows >= self.cold)
        found[hot] = hashed(self._stores["id"][rows[hot] - self.cold])
        return found

    def _fetched(self, name: str, rows: Ints) -> NDArray[Any]:
        """A column of cold rows. What was read of a row is kept until `forget`: all columns are asked for."""
        lacking = np.setdiff1d(rows, self._rows)
        if lacking.size:
            if len(self._rows) > _ROWS_KEPT:
                self.forget()
                lacking = np.unique(rows)
            order = np.argsort(np.concatenate([self._rows, lacking]))
            read = self._read_rows(lacking)
            self._columns = {
                column: np.concatenate([self._columns[column], part])[order] if self._rows.size else part
                for column, part in read.items()
            }
            self._rows = np.union1d(self._rows, lacking)
        return self._columns[name][np.searchsorted(self._rows, rows)]

    def _read_rows(self, rows: Ints) -> dict[str, NDArray[Any]]:
        """All columns of cold rows, block by block."""
        assert self._read is not None
        found = {
            name: np.full(len(rows), fill, np.object_ if dtype == OBJECTS else dtype)
            for name, (dtype, fill) in self._declared.items()
            if name not in self._derived
        }
        numbers, at = (rows + self.base) // blocks.BLOCK, (rows + self.base) % blocks.BLOCK
        for number in np.unique(numbers).tolist():
            here = np.flatnonzero(numbers == number)
            for name, column in self._read(number)["columns"].items():
                if isinstance(column, list) == (found[name].dtype == np.object_):
                    found[name][here] = restored(column)[at[here]]
        return found
