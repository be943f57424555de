"""`HashIndex`: which row has an identity, for many identities at a time.

Buckets of eight places, each with one byte of its identity's hash (as in Abseil's Swiss tables), so that one
gather and one comparison settle nearly every identity of a batch. What finds a bucket full goes to the next.

Who sends identities chooses them, so the hash has a key that no sender knows: without one, identities made to
share a bucket would be searched one after the other. Only how long a search takes depends on the key.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Bools, Ids, Ints

_LANES = 8
#: Of the places, at most so many are taken.
_LOAD = 0.6
_NONE = -1
#: A bucket's word is at least the k-th if more than k of its places are taken: they are taken in order.
_TAKEN = np.uint64(1) << (np.arange(_LANES, dtype=np.uint64) * np.uint64(8))
_EVERY_LANE = np.uint64(0x0101010101010101)
#: From Python's own secret, another one in every process, as that of its dictionaries.
_KEY = np.array([hash(f"HashIndex {word}") & 0xFFFFFFFF for word in range(4)], "<u4")

Hashes = NDArray[np.uint64]
#: Whether rows (n,) have the identities at these places (n,) of a batch.
Same = Callable[[Ints, Ints], Bools]


class HashIndex:
    """The newest row of each identity, with room for at least `rows` of them. Nothing is ever removed.

    >>> ids = np.array([b"a" * 16, b"b" * 16], "S16")
    >>> index = HashIndex(2)
    >>> same = lambda rows, at: ids[rows] == ids[::-1][at]
    >>> index.insert(hashed(ids), np.array([0, 1]), no_two).tolist()
    [-1, -1]
    >>> index.search(hashed(ids[::-1]), same)[0].tolist()
    [1, 0]
    """

    __slots__ = ("_buckets", "_rows", "room")

    def __init__(self, rows: int) -> None:
        buckets = 1 << max(8, int(rows / _LOAD / _LANES).bit_length())
        #: A word a bucket, whose bytes are the tags of its places from the lowest on; 0 is free.
        self._buckets: NDArray[np.uint64] = np.zeros(buckets, "<u8")
        self._rows: NDArray[np.int32] = np.full(buckets * _LANES, _NONE, np.int32)
        #: How many identities may be held.
        self.room = int(buckets * _LANES * _LOAD)

    @property
    def nbytes(self) -> int:
        """What it takes of memory."""
        return self._buckets.nbytes + self._rows.nbytes

    def rows(self) -> NDArray[np.int32]:
        """All rows that are held, in no order that means anything."""
        return self._rows[self._rows >= 0]

    def search(self, hashes: Hashes, same: Same) -> tuple[Ints, Ints]:
        """(row or -1, its place or else the one where it would go) of each identity, int64 (n,) each."""
        tags = _tags(hashes) * _EVERY_LANE
        mask = len(self._buckets) - 1
        bucket = (hashes & np.uint64(mask)).astype(np.int64)
        found, places = np.full(len(hashes), _NONE), np.empty(len(hashes), np.int64)
        at = np.arange(len(hashes))
        while True:
            words = self._buckets[bucket]
            taken = np.searchsorted(_TAKEN, words, side="right")
            places[at] = bucket * _LANES + taken
            goes_on = taken == _LANES
            alike = np.flatnonzero((words ^ tags).view(np.uint8) == 0)
            if alike.size:
                which = alike // _LANES
                place = bucket[which] * _LANES + alike % _LANES
                rows = self._rows[place]
                right = same(rows, at[which])
                which = which[right]
                found[at[which]], places[at[which]] = rows[right], place[right]
                goes_on[which] = False
            if not np.count_nonzero(goes_on):
                return found, places
            at, bucket, tags = at[goes_on], (bucket[goes_on] + 1) & mask, tags[goes_on]

    def insert(self, hashes: Hashes, rows: Ints, same: Same, places: Ints | None = None) -> Ints:
        """Rows of identities that are distinct within the batch; the rows that they replace, or -1.

        `places` is what `search` gave for them, if nothing was inserted in between.
        """
        replaced, tags = np.full(len(rows), _NONE), _tags(hashes)
        lanes = self._buckets.view(np.uint8)
        at = np.arange(len(rows))
        if places is None:
            places = self.search(hashes, same)[1]
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
            if np.count_nonzero(full):
                places[full] = self.search(hashes[at[full]], no_two)[1]
        return replaced

    def fill(self, hashes: Hashes, rows: Ints) -> None:
        """Rows of identities that are all distinct and none of which is here: bucket by bucket, so that
        memory is written in order."""
        order = np.argsort(hashes & np.uint64(len(self._buckets) - 1))
        bucket = (hashes[order] & np.uint64(len(self._buckets) - 1)).astype(np.int64)
        number = np.arange(len(order))
        begins = np.concatenate([[True], bucket[1:] > bucket[:-1]])[: len(order)]
        lane = number - np.maximum.accumulate(np.where(begins, number, 0))
        lane += np.searchsorted(_TAKEN, self._buckets[bucket], side="right")
        fits = lane < _LANES
        places, here = (bucket * _LANES + lane)[fits], order[fits]
        self._rows[places] = rows[here]
        self._buckets.view(np.uint8)[places] = _tags(hashes[here])
        beyond = order[~fits]
        self.insert(hashes[beyond], rows[beyond], no_two)


def hashed(ids: Ids) -> Hashes:
    """NH of the four words of an identity, whose collisions depend on the key (Black et al. 1999, UMAC).

    The finaliser of MurmurHash3 (Appleby 2011) lets every bit of it move every bit of the hash: numbered
    identities must not crowd the index.
    """
    words = np.ascontiguousarray(ids).view("<u4").reshape(-1, 4) + _KEY
    products = np.multiply(words[:, ::2], words[:, 1::2], dtype=np.uint64)
    mixed: Hashes = products[:, 0] + products[:, 1]
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(33))


def no_two(rows: Ints, at: Ints) -> Bools:
    """The `Same` of identities of which it is known that none is in the index."""
    return np.zeros(len(rows), np.bool_)


def _tags(hashes: Hashes) -> Hashes:
    """A byte that tells identities of one bucket apart, from 1 on: of bits that no bucket's number has."""
    tags: Hashes = hashes >> np.uint64(56)
    return np.maximum(tags, 1, out=tags)
