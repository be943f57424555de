"""`IdTable`: rows in order of arrival, found by their 16-byte identity, many at a time.

A hash index of row numbers is searched for a whole batch at once, so a lookup of 500 identities costs the
same few numpy calls among a thousand rows and among a million. Rows of equal identity (one per model version)
are chained from the newest back. Index and chains are rebuilt from the rows.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import ID_DTYPE, Bools, Ids, Ints
from streamgauge.streams.core.blocks import BLOCK, BlockTable
from streamgauge.streams.core.hash_index import Hashes, HashIndex, Same, hashed

_NONE = -1
_ID = "id"
#: The row that had the identity before; there is no such column as long as no two rows share one.
_OLDER = "older"
#: Rows that are hashed in one go.
AT_ONCE = 1 << 12


class Probe(NamedTuple):
    """Of identities: their newest rows, or -1, their places in the index and their hashes; (n,) each."""

    rows: Ints
    places: Ints
    hashes: Hashes

    def take(self, mask: Bools) -> "Probe":
        return Probe(self.rows[mask], self.places[mask], self.hashes[mask])


class IdTable(BlockTable):
    """A `BlockTable` with an index of its rows by identity."""

    def __init__(self, columns: Mapping[str, tuple[str, Any]], derived: tuple[str, ...] = ()) -> None:
        super().__init__({_ID: (ID_DTYPE.str, b""), **columns}, derived)
        self._index = HashIndex(0)

    @property
    def held_bytes(self) -> int:
        """What columns and index take of memory, about."""
        return super().held_bytes + self._index.nbytes

    @property
    def growth_bytes(self) -> int:
        """What it takes beside that, for a moment, when it grows."""
        return max(super().growth_bytes, 2 * self._index.nbytes)

    @property
    def ids(self) -> Ids:
        """S16, shape (rows,)."""
        return self.column(_ID)

    def find(self, ids: Ids) -> Ints:
        """The newest row of each identity, or -1; int64, shape (n,)."""
        return self.probe(ids).rows

    def probe(self, ids: Ids) -> Probe:
        """What is known of these: for `append`, if nothing is written in between."""
        hashes = hashed(ids)
        return Probe(*self._index.search(hashes, lambda rows, at: self._same(rows, ids[at])), hashes)

    def older(self, rows: Ints) -> Ints:
        """For each row the next older one of the same identity, or -1 (also for -1)."""
        if _OLDER not in self._stores:
            return np.full(len(rows), _NONE, np.int64)
        return self.gather(_OLDER, rows).astype(np.int64)

    def append(self, ids: Ids, values: Mapping[str, Any], probe: Probe | None = None) -> Ints:
        """Adds rows whose identities are distinct within the batch; returns their row numbers.

        `probe` is what was known of them just before.
        """
        hashes, places = (hashed(ids), None) if probe is None else (probe.hashes, probe.places)
        if self.size + len(ids) > self._index.room:
            self._reindex(self._index.rows(), self.size + len(ids))
            places = None
        rows = self.extend(len(ids), {_ID: ids, **values})
        self._enter(ids, rows, hashes, places)
        return rows

    def drop_before(self, keep_from: int) -> int:
        """Forgets rows below `keep_from`, a whole number of blocks, when that is worth it: how many rows."""
        gone = super().drop_before(keep_from)
        if gone:
            if _OLDER in self._stores:
                older = self.column(_OLDER)
                np.maximum(older - gone, _NONE, out=older)
            heads = self._index.rows()
            self._reindex(heads[heads >= gone] - gone, self.size)
        return gone

    def load(self, blocks: Mapping[int, dict[str, Any]]) -> None:
        """Restores what `changes` gave; `blocks` are the live ones, asked for one after the other."""
        self._index = HashIndex(len(blocks) * BLOCK)
        super().load(blocks)

    def _load(self, block: dict[str, Any]) -> Ints:
        rows = super()._load(block)
        ids = block["columns"][_ID]
        while ids.size:  # rows of one identity enter one after the other, oldest first
            first = first_of_each(ids)
            self._enter(ids[first], rows[first], hashed(ids[first]), None)
            ids, rows = ids[~first], rows[~first]
        return rows

    def _enter(self, ids: Ids, rows: Ints, hashes: Hashes, places: Ints | None) -> None:
        same: Same = lambda found, at: self._same(found, ids[at])  # noqa: E731
        older = self._index.insert(hashes, rows, same, places)
        if _OLDER not in self._stores:
            if not np.count_nonzero(older >= 0):
                return
            self.declare(_OLDER, "<i4", _NONE, derived=True)
        self.column(_OLDER)[rows] = older

    def _same(self, rows: Ints, ids: Ids) -> Bools:
        """Whether these rows have these identities."""
        same: Bools = self._stores[_ID][rows] == ids
        return same

    def _hashes(self, rows: Ints) -> Hashes:
        return hashed(self._stores[_ID][rows])

    def _reindex(self, heads: NDArray[np.int32], rows: int) -> None:
        """A new index with room for `rows`; `heads` are the newest rows of each identity."""
        self._index = HashIndex(0)  # the old one takes memory no more when the new one does
        self._index = HashIndex(rows)
        heads.sort()
        for start in range(0, len(heads), AT_ONCE):
            some = heads[start : start + AT_ONCE].astype(np.int64)
            self._index.fill(self._hashes(some), some)


def first_of_each(ids: Ids) -> Bools:
    """Which rows are the first of their identity, shape (n,)."""
    first = np.ones(len(ids), np.bool_)
    low = np.sort(np.ascontiguousarray(ids).view("<u8")[1::2])
    if (low[1:] == low[:-1]).any():  # the whole identity takes longer to sort, and is seldom needed
        first[:] = False
        first[np.unique(ids, return_index=True)[1]] = True
    return first
