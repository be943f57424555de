"""`ItemLists`: a column of lists of items, as rankers predict them and as labels grade them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.limits import HIGHEST_GRADE

Item = str | int


@dataclass(frozen=True, slots=True, eq=False)
class ItemLists:
    """n lists: row i holds `values[codes[j]]` for j from `offsets[i]` to `offsets[i + 1]`.

    `offsets` is int64 (n + 1,), `codes` int32 (m,). `grades`, float64 (m,), says how relevant each item is;
    it is None for what was predicted. `given`, bool (n,), is False where a row has no list at all.

    >>> lists = ItemLists.of([["a", "b"], None, ["b"]])
    >>> lists.offsets.tolist(), lists.codes.tolist(), lists.values, lists.given.tolist()
    ([0, 2, 2, 3], [0, 1, 1], ('a', 'b'), [True, False, True])
    """

    offsets: NDArray[np.int64]
    codes: NDArray[np.int32]
    values: tuple[str, ...]
    given: NDArray[np.bool_]
    grades: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, rows: "Sequence[Sequence[Item] | None]") -> "ItemLists":
        """Of ranked lists, best first."""
        index: dict[str, int] = {}
        codes = [index.setdefault(str(item), len(index)) for row in rows for item in row or ()]
        lengths = [0 if row is None else len(row) for row in rows]
        return cls(
            np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
            np.array(codes, np.int32),
            tuple(index),
            np.array([row is not None for row in rows], np.bool_),
        )

    @classmethod
    def graded(cls, rows: "Sequence[Mapping[str, float] | Sequence[Item] | None]") -> "ItemLists":
        """Of relevance: the grade of each item, or a list of items that are all of grade 1."""
        lists = cls.of([None if row is None else list(row) for row in rows])
        grades = [
            grade
            for row in rows
            if row is not None
            for grade in (row.values() if isinstance(row, Mapping) else [1.0] * len(row))
        ]
        return cls(lists.offsets, lists.codes, lists.values, lists.given, np.array(grades, np.float64))

    def __len__(self) -> int:
        return len(self.given)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Items of each row, int64 (n,)."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each item, int64 (m,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, rows: "NDArray[np.intp] | NDArray[np.bool_] | slice") -> "ItemLists":
        """The same column with only `rows`."""
        chosen = np.arange(len(self))[rows]
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        items = np.repeat(self.offsets[chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
        grades = None if self.grades is None else self.grades[items]
        return ItemLists(offsets, self.codes[items], self.values, self.given[chosen], grades)

    def to_list(self) -> "list[list[str] | dict[str, float] | None]":
        """Each row as a list of items, or, with grades, as a mapping from them."""
        names = [self.values[code] for code in self.codes.tolist()]
        found: list[list[str] | dict[str, float] | None] = []
        bounds = self.offsets.tolist()
        for row, given in enumerate(self.given.tolist()):
            some = slice(bounds[row], bounds[row + 1])
            if not given:
                found.append(None)
            elif self.grades is None:
                found.append(names[some])
            else:
                found.append(dict(zip(names[some], self.grades[some].tolist(), strict=True)))
        return found

    @classmethod
    def concatenate(cls, columns: "Sequence[ItemLists]") -> "ItemLists":
        """One column of the rows of all, which are of one kind."""
        index: dict[str, int] = {}
        codes = []
        for column in columns:
            places = [index.setdefault(value, len(index)) for value in column.values]
            codes.append(np.array(places, np.int32)[column.codes] if places else column.codes)
        grades = [column.grades for column in columns if column.grades is not None]
        return cls(
            np.concatenate([[0], np.cumsum(np.concatenate([c.lengths for c in columns]))]).astype(np.int64),
            np.concatenate(codes),
            tuple(index),
            np.concatenate([column.given for column in columns]),
            np.concatenate(grades) if grades else None,
        )

    def misgraded(self) -> NDArray[np.bool_]:
        """Rows with a grade below 0 or above `HIGHEST_GRADE`, or that is none; bool (n,)."""
        found = np.zeros(len(self), np.bool_)
        if self.grades is not None:
            found[self.rows[~((self.grades >= 0) & (self.grades <= HIGHEST_GRADE))]] = True
        return found

    def repeats(self) -> NDArray[np.bool_]:
        """Rows that name an item twice; bool (n,)."""
        found = np.zeros(len(self), np.bool_)
        rows = self.rows
        order = np.lexsort((self.codes, rows))
        row, code = rows[order], self.codes[order]
        found[row[1:][(row[1:] == row[:-1]) & (code[1:] == code[:-1])]] = True
        return found
