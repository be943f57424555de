"""`Vocabulary`: the strings that one column of a model has had, as stable small integers."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.batch import Categories, Floats

OTHER = "other"
#: What is predicted where another class is true, if the vocabulary has neither.
ANOTHER = "another"
#: Codes of classes beyond the vocabulary are from here on, and exact in float64.
FAR = 1 << 41


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


class Classes(Vocabulary):
    """Classes beyond the limit have codes too, by which they are told apart: from `FAR` on, of their names.

    So right predictions of them are right and wrong ones are wrong. All that counts by class gets them
    `folded`, as ``other``.

    >>> classes = Classes(limit=1)
    >>> codes = classes.codes(Categories.of(["a", "b", "c", "b"])).astype(float)
    >>> bool(codes[1] != codes[2]), bool(codes[1] == codes[3])
    (True, True)
    >>> predicted, label = classes.folded_pairs(codes, codes[[0, 1, 1, 3]])
    >>> [[classes.values[int(code)] for code in column] for column in (predicted, label)]
    [['a', 'other', 'another', 'other'], ['a', 'other', 'other', 'other']]
    """

    def code(self, value: str) -> int:
        known = self._index.get(value)
        if known is not None:
            return known
        if len(self.values) < self.limit:
            return super().code(value)
        for word in (OTHER, ANOTHER):
            if word not in self._index:
                self._index[word] = len(self.values)
                self.values.append(word)
        if value in self._index:
            return self._index[value]
        return FAR + int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=5).digest())

    def folded(self, codes: Floats) -> Floats:
        """Codes of classes or NaN, float64 (n,), without those beyond the limit."""
        if not self._may_be_far:
            return codes
        return np.where(codes >= FAR, self._index[OTHER], codes)

    def folded_pairs(self, predicted: Floats, label: Floats) -> tuple[Floats, Floats]:
        """`folded`, of which those that differ still do."""
        if not self._may_be_far:
            return predicted, label
        said, true = self.folded(predicted), self.folded(label)
        return np.where((said == true) & (predicted != label), self._index[ANOTHER], said), true

    @property
    def _may_be_far(self) -> bool:
        return len(self.values) >= self.limit and ANOTHER in self._index

    def name(self, code: int) -> str:
        """What a code stands for; ``other`` beyond the limit."""
        return self.values[code] if code < FAR else OTHER
