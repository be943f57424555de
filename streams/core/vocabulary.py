"""`Vocabulary`: the strings that one column of a model has had, as stable small integers."""

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Categories, Floats

OTHER = "other"


class Vocabulary:
    """Codes are given in order of first sight; beyond `limit` everything new is ``other``.

    >>> words = Vocabulary()
    >>> words.codes(Categories.of(["b", None, "a"])).tolist(), words.values
    ([0, -1, 1], ['b', 'a'])
    """

    def __init__(self, values: "list[str] | None" = None, limit: int = 1_000) -> None:
        self.values: list[str] = []
        self.limit = limit
        self._index: dict[str, int] = {}
        for value in values or ():
            self.code(value)

    def code(self, value: str) -> int:
        known = self._index.get(value)
        if known is not None:
            return known
        if len(self.values) >= self.limit and value != OTHER:
            return self.code(OTHER)
        self._index[value] = len(self.values)
        self.values.append(value)
        return len(self.values) - 1

    def codes(self, column: Categories) -> NDArray[np.int64]:
        """int64, shape (n,); -1 where missing. Only values that occur enter the vocabulary."""
        known = [self._index.get(value) for value in column.values]
        if None in known:
            for local in np.unique(column.codes).tolist():
                if local >= 0:
                    known[local] = self.code(column.values[local])
        return np.array([*(-1 if code is None else code for code in known), -1], np.int64)[column.codes]

    def codes_of_numbers(self, numbers: Floats) -> NDArray[np.int64]:
        """Numbers that stand for classes: 1.0 is the class "1"."""
        codes = np.full(len(numbers), -1, np.int64)
        some = ~np.isnan(numbers)
        values, places = np.unique(numbers[some], return_inverse=True)
        names = [str(int(each)) if each.is_integer() else repr(each) for each in values.tolist()]
        codes[some] = np.array([self.code(name) for name in names], np.int64)[places]
        return codes
