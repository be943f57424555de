"""`HashIndex`: which row has an identity, for many identities at a time.

Buckets of eight places, each with one byte of its identity's hash (as in Abseil's Swiss tables), so that one
gather and one comparison settle nearly every identity of a batch. What finds a bucket full goes to the next.
"""

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Ids, Ints

_LANES = 8
#: Of the places, at most so many are taken.
_LOAD = 0.6
_NONE = -1
#: A bucket's word is at least the k-th if more than k of its places are taken: they are taken in order.
_TAKEN = np.uint64(1) << (np.arange(_LANES, dtype=np.uint64) * np.uint64(8))
_EVERY_LANE = np.uint64(0x0101010101010101)


class HashIndex:
    """The newest row of each identity, with room for at least `rows` of them. Nothing is ever removed.

    >>> ids = np.array([b"a" * 16, b"b" * 16], "S16")
    >>> index = HashIndex(2)
    >>> index.insert(ids, np.array([0, 1]), ids).tolist(), index.search(ids[::-1], ids)[0].tolist()
    ([-1, -1], [1, 0])
    """

    __slots__ = ("_buckets", "_rows", "room")

    def __init__(self, rows: int) -> None:
        buckets = 1 << max(8, int(rows / _LOAD / _LANES).bit_length())
        #: A word a bucket, whose bytes are the tags of its places from the lowest on; 0 is free.
        self._buckets: NDArray[np.uint64] = np.zeros(buckets, "<u8")
        self._rows: NDArray[np.int32] = np.full(buckets * _LANES, _NONE, np.int32)
        #: How many identities may be held.
        self.room = int(buckets * _LANES * _LOAD)

    def rows(self) -> Ints:
        """All rows that are held, int64, in no order that means anything."""
        return self._rows[self._rows >= 0].astype(np.int64)

    def search(self, ids: Ids, known: Ids) -> tuple[Ints, Ints]:
        """(row or -1, its place or else the one where it would go), int64 (n,) each.

        `known` are the identities by row.
        """
        tags = _tags(ids).astype(np.uint64) * _EVERY_LANE
        mask = len(self._buckets) - 1
        bucket = (_hashed(ids) & np.uint64(mask)).astype(np.int64)
        found, places = np.full(len(ids), _NONE), np.empty(len(ids), np.int64)
        at = np.arange(len(ids))
        while at.size:
            words = self._buckets[bucket]
            taken = np.searchsorted(_TAKEN, words, side="right")
            places[at] = bucket * _LANES + taken
            goes_on = taken == _LANES
            alike = np.flatnonzero((words ^ tags).view(np.uint8) == 0)
            if alike.size:
                which = alike // _LANES
                place = bucket[which] * _LANES + alike % _LANES
                rows = self._rows[place]
                same = known[rows] == ids[at[which]]
                which = which[same]
                found[at[which]], places[at[which]] = rows[same], place[same]
                goes_on[which] = False
            at, bucket, tags = at[goes_on], (bucket[goes_on] + 1) & mask, tags[goes_on]
        return found, places

    def insert(self, ids: Ids, rows: Ints, known: Ids, places: Ints | None = None) -> Ints:
        """Rows of identities that are distinct within the batch; the rows that they replace, or -1.

        `places` is what `search` gave for them, if nothing was inserted in between.
        """
        replaced, tags = np.full(len(rows), _NONE), _tags(ids)
        lanes = self._buckets.view(np.uint8)
        at = np.arange(len(rows))
        if places is None:
            places = self.search(ids, known)[1]
        while at.size:
            before = self._rows[places]
            # Several may want one free place: all write, the last one stays, the others take the next.
            self._rows[places] = rows[at]
            stayed = self._rows[places] == rows[at]
            settled = at[stayed]
            lanes[places[stayed]] = tags[settled]
            replaced[settled] = before[stayed]
            at, places = at[~stayed], places[~stayed] + 1
            full = places % _LANES == 0
            if full.any():
                places[full] = self.search(ids[at[full]], known)[1]
        return replaced


def _tags(ids: Ids) -> NDArray[np.uint8]:
    """A byte that tells identities of one bucket apart, from 1 on."""
    words = np.ascontiguousarray(ids).view("<u8").reshape(-1, 2)
    mixed = (words[:, 0] ^ words[:, 1] * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD6E8FEB86659FD93)
    return np.maximum((mixed >> np.uint64(56)).astype(np.uint8), 1)


def _hashed(ids: Ids) -> NDArray[np.uint64]:
    """Every bit of an identity moves every bit of its hash: numbered identities must not crowd the index.

    The finaliser is that of MurmurHash3 (Appleby 2011).
    """
    words = np.ascontiguousarray(ids).view("<u8").reshape(-1, 2)
    mixed: NDArray[np.uint64] = words[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ words[:, 1]
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(33))
