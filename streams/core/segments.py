"""`LiveSegments`: which segments of a model version are counted on their own, and which under ``other``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from streamgauge.schemas.batch import Categories, Ints
from streamgauge.streams.core.vocabulary import OTHER

#: Sorted (key, value) pairs; the empty segment is all traffic.
Segment = tuple[tuple[str, str], ...]
#: The keys of a segment: one, or a pair that the definition asks for.
Keys = tuple[str, ...]
#: What an event without the segment's keys has in place of a slot.
NONE = -1


class LiveSegments:
    """Segments by slot: small integers, given in the order of the rows in which segments are first seen.

    The first `most` segments are live for as long as the version is; those that come later share one slot
    for each set of keys, the segment whose values are ``other``. Row by row this is decided the same way
    wherever batches are cut.

    >>> live = LiveSegments([("country", "plan")], most=2)
    >>> batch = {"country": Categories.of(["NO", "SE", None]), "plan": Categories.of(["a", "a", "b"])}
    >>> {keys: slots.tolist() for keys, slots in live.slots(batch).items()}
    {('country',): [0, 3, -1], ('plan',): [1, 1, 4], ('country', 'plan'): [2, 2, -1]}
    >>> live.names[:3]
    [(('country', 'NO'),), (('plan', 'a'),), (('country', 'other'), ('plan', 'other'))]
    >>> live.beyond(live.slots(batch).values(), 3)
    3
    """

    def __init__(self, pairs: Sequence[tuple[str, str]] = (), most: int = 100) -> None:
        self.names: list[Segment] = []
        self._pairs = pairs
        self._most = most
        self._own: dict[Segment, int] = {}
        self._other: dict[Keys, int] = {}

    def slots(self, columns: Mapping[str, Categories]) -> dict[Keys, Ints]:
        """The slot of each row's segment by its keys; int64, shape (n,), `NONE` where a key is missing."""
        cells = {keys: _cells([columns[key] for key in keys]) for keys in self._keys(columns)}
        distinct = {keys: np.unique(codes) for keys, codes in cells.items()}
        segments = {
            keys: [_segment(keys, columns, code) for code in codes.tolist()]
            for keys, codes in distinct.items()
        }
        self._admit(cells, segments)
        return {
            keys: np.array([self._slot(keys, segment) for segment in segments[keys]], np.int64)[
                np.searchsorted(distinct[keys], codes)
            ]
            for keys, codes in cells.items()
        }

    def beyond(self, slots: Iterable[Ints], n: int) -> int:
        """How many of `n` rows have a segment that is counted under ``other``; `slots` as given before."""
        if not self._other:
            return 0
        is_other = np.zeros(len(self.names) + 1, np.bool_)  # the last entry serves NONE
        is_other[list(self._other.values())] = True
        found = np.zeros(n, np.bool_)
        for column in slots:
            found |= is_other[column]
        return int(found.sum())

    def _keys(self, columns: Mapping[str, Categories]) -> Iterator[Keys]:
        yield from ((key,) for key in sorted(columns))
        yield from (pair for pair in self._pairs if pair[0] in columns and pair[1] in columns)

    def _slot(self, keys: Keys, segment: Segment | None) -> int:
        if segment is None:
            return NONE
        own = self._own.get(segment)
        return self._other[keys] if own is None else own

    def _admit(self, cells: Mapping[Keys, Ints], segments: Mapping[Keys, Sequence[Segment | None]]) -> None:
        """Slots for what has none yet, in the order of rows."""
        wanted: list[tuple[int, int, Keys, Segment]] = []
        for rank, (keys, named) in enumerate(segments.items()):
            settled = len(self._own) >= self._most and keys in self._other
            if settled or all(segment is None or segment in self._own for segment in named):
                continue
            first = np.unique(cells[keys], return_index=True)[1].tolist()
            wanted += (
                (row, rank, keys, segment)
                for row, segment in zip(first, named, strict=True)
                if segment is not None and segment not in self._own
            )
        for _, _, keys, segment in sorted(wanted):
            if len(self._own) < self._most:
                self._own[segment] = len(self.names)
                self.names.append(segment)
            elif keys not in self._other:
                self._other[keys] = len(self.names)
                self.names.append(tuple((key, OTHER) for key in keys))

    def to_state(self) -> list[Any]:
        """[keys, values, whether it is beyond] by slot."""
        others = set(self._other.values())
        return [
            [[key for key, _ in segment], [value for _, value in segment], slot in others]
            for slot, segment in enumerate(self.names)
        ]

    def load(self, state: Sequence[Any]) -> None:
        """Back to what `to_state` was called on."""
        for keys, values, is_other in state:
            segment = tuple(zip(keys, values, strict=True))
            if is_other:
                self._other[tuple(keys)] = len(self.names)
            else:
                self._own[segment] = len(self.names)
            self.names.append(segment)


def _cells(columns: Sequence[Categories]) -> Ints:
    """One integer for the values of all columns, `NONE` where one is missing; shape (n,)."""
    if len(columns) == 1:
        return columns[0].codes.astype(np.int64)
    first, second = columns
    cells = first.codes.astype(np.int64) * len(second.values) + second.codes
    cells[(first.codes < 0) | (second.codes < 0)] = NONE
    return cells


def _segment(keys: Keys, columns: Mapping[str, Categories], cell: int) -> Segment | None:
    if cell < 0:
        return None
    if len(keys) == 1:
        return ((keys[0], columns[keys[0]].values[cell]),)
    first, second = keys
    a, b = divmod(cell, len(columns[second].values))
    return ((first, columns[first].values[a]), (second, columns[second].values[b]))
