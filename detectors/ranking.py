"""NDCG, reciprocal rank and hits of rankings, of one pair at a time: windows keep their sums.

A ranking waits for its label as the 8-byte hashes of its items, a label as JSON of its grades. NDCG follows
Järvelin & Kekäläinen (2002) as scikit-learn computes it, with gains equal to the grades; a label without a
relevant item makes every value 0, as there.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import mean_estimate, proportion
from streamgauge.schemas.batch import Floats, Ints
from streamgauge.schemas.item_lists import ItemLists

_Hashes = NDArray[np.uint64]
#: Makes hashes of equal items of different rows differ, so that all rows are searched at once.
_ROW_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def packed_rankings(lists: ItemLists, depth: int) -> NDArray[Any]:
    """The first `depth` items of each row as bytes, 8 an item; objects, shape (n,), None where not given.

    >>> [row and len(row) for row in packed_rankings(ItemLists.of([["a", "b", "c"], None]), 2)]
    [16, None]
    """
    hashes = _hashed(lists.values)[lists.codes] if len(lists.codes) else np.empty(0, np.uint64)
    return _objects(
        [
            hashes[start : min(end, start + depth)].tobytes() if given else None
            for start, end, given in zip(
                lists.offsets[:-1].tolist(), lists.offsets[1:].tolist(), lists.given.tolist(), strict=True
            )
        ]
    )


def packed_relevance(lists: ItemLists) -> NDArray[Any]:
    """Items with their grades as JSON; objects, shape (n,), None where not given."""
    return _objects(
        [
            None if row is None else json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
            for row in lists.to_list()
        ]
    )


def ranked_lengths(ranked: NDArray[Any]) -> Floats:
    """How many items each row ranks, NaN where the request failed: that is what may drift."""
    return np.array([np.nan if row is None else len(row) // 8 for row in ranked], np.float64)


def ranking_values(ranked: NDArray[Any], relevance: NDArray[Any], ks: Sequence[int]) -> Floats:
    """For n pairs of what `packed_rankings` and `packed_relevance` gave: float64 (2 · len(ks) + 1, n).

    The rows are NDCG at each of `ks`, the hit (0 or 1) at each, and the reciprocal rank of the first
    relevant item, 0 if there is none.

    >>> lists = packed_rankings(ItemLists.of([["a", "b", "c"]]), 100)
    >>> truth = packed_relevance(ItemLists.graded([{"b": 3.0, "d": 1.0}]))
    >>> ranking_values(lists, truth, [1, 2]).round(3).tolist()
    [[0.0], [0.521], [0.0], [1.0], [0.5]]
    """
    n = len(ranked)
    lengths = np.array([len(row) // 8 for row in ranked], np.int64)
    rows, places = np.repeat(np.arange(n), lengths), _places(lengths)
    found = np.frombuffer(b"".join(ranked), np.uint64)
    graded = [json.loads(row) for row in relevance]
    sizes = np.array([len(grades) for grades in graded], np.int64)
    label_rows = np.repeat(np.arange(n), sizes)
    names = [name for grades in graded for name in grades]
    grade = np.array([value for grades in graded for value in grades.values()], np.float64)
    gain = _looked_up(_keys(found, rows), _keys(_hashed(names), label_rows), grade)
    best = np.lexsort((-grade, label_rows))
    ideal, ideal_places = grade[best], _places(sizes)
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, rows[gain > 0], places[gain > 0])
    values = np.zeros((2 * len(ks) + 1, n))
    for row, k in enumerate(ks):
        top = _discounted(ideal, label_rows, ideal_places, n, k)
        reached = _discounted(gain, rows, places, n, k)
        values[row] = np.minimum(reached / np.where(top > 0, top, 1.0), 1.0)
        values[len(ks) + row] = first < k
    values[-1] = np.where(first < np.iinfo(np.int64).max, 1.0 / (first.astype(np.float64) + 1), 0.0)
    return values


def ranking_metrics(sums: Sequence[float | None], n: int, ks: Sequence[int]) -> dict[str, Estimate]:
    """Of the sums of `ranking_values` over n pairs, then of their squares.

    Means have Student's interval, within 0 to 1; hit rates Wilson's.

    >>> ranking_metrics([1.5, 2.0, 1.25, 1.25, 2.0, 1.1], 2, [10])["ndcg_at_10"].value
    0.75
    """
    squares = sums[len(sums) // 2 :]
    found = {}
    for row, k in enumerate(ks):
        found[f"ndcg_at_{k}"] = _share(sums[row], squares[row], n)
        hits = sums[len(ks) + row]
        found[f"hit_rate_at_{k}"] = proportion(round(hits or 0.0), n)
    found["mrr"] = _share(sums[2 * len(ks)], squares[2 * len(ks)], n)
    return found


def _share(total: float | None, squares: float | None, n: int) -> Estimate:
    mean = mean_estimate(total, squares, n)
    if mean.low is None or mean.high is None:
        return mean
    return Estimate(mean.value, max(mean.low, 0.0), min(mean.high, 1.0), n)


def _hashed(names: Sequence[str]) -> _Hashes:
    """BLAKE2b-64 of each name."""
    digests = [blake2b(name.encode(), digest_size=8).digest() for name in names]
    return np.frombuffer(b"".join(digests), np.uint64)


def _keys(hashes: _Hashes, rows: Ints) -> _Hashes:
    return hashes + rows.astype(np.uint64) * _ROW_FACTOR


def _looked_up(keys: _Hashes, known: _Hashes, values: Floats) -> Floats:
    """The value of each key, 0.0 where it is not known."""
    if len(known) == 0:
        return np.zeros(len(keys))
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], keys), len(known) - 1)
    return np.where(known[order][at] == keys, values[order][at], 0.0)


def _places(lengths: Ints) -> Ints:
    """The place of each item in its row, from 0."""
    ends = np.cumsum(lengths)
    places: Ints = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)
    return places


def _discounted(gain: Floats, rows: Ints, places: Ints, n: int, k: int) -> Floats:
    inside = places < k
    return np.bincount(rows[inside], gain[inside] / np.log2(places[inside] + 2.0), n).astype(np.float64)


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    column = np.empty(len(values), np.object_)
    column[:] = values
    return column
