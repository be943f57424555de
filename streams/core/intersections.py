"""Intersections of protected attributes: each combination of two to four is an attribute of its own.

A model can be fair to women and to the young, and not to young women (Kearns et al. 2018).
"""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.monitor_fairness import MAX_INTERSECTED
from streamgauge.streams.core.vocabulary import Vocabulary

#: Stands between the names of attributes, and between those of their values.
AND = " & "
#: More than an attribute has values.
_RADIX = 1 << 10


def intersections_of(attributes: Iterable[str]) -> list[tuple[str, ...]]:
    """Combinations of two and more of the first four attributes, names in alphabetical order.

    >>> intersections_of(["sex", "age"])
    [('age', 'sex')]
    """
    some = sorted(list(attributes)[:MAX_INTERSECTED])
    return [combined for size in range(2, len(some) + 1) for combined in combinations(some, size)]


def intersect(
    codes: Mapping[str, NDArray[Any]],
    words: Mapping[str, Vocabulary],
    known: dict[str, Vocabulary],
    most: int,
) -> dict[str, NDArray[np.int64]]:
    """Codes (n,) of every intersection of `codes`, whose values `words` name; -1 where one is missing.

    New ones enter `known` by name, and their values in the order of their rows; beyond `most` they are
    ``other``. A combination whose name an attribute has of its own is left to that.

    >>> words, known = {"age": Vocabulary(["old"]), "sex": Vocabulary(["f", "m"])}, {}
    >>> intersect({"sex": np.array([1, 0, -1]), "age": np.array([0, 0, 0])}, words, known, 50)
    {'age & sex': array([ 0,  1, -1])}
    >>> known["age & sex"].values
    ['old & m', 'old & f']
    """
    found = {}
    for attributes in intersections_of(codes):
        name = AND.join(attributes)
        if name in words:
            continue
        key = np.zeros(len(codes[attributes[0]]), np.int64)
        for attribute in attributes:
            key = np.where((key < 0) | (codes[attribute] < 0), -1, key * _RADIX + codes[attribute])
        keys, first, place = np.unique(key, return_index=True, return_inverse=True)
        vocabulary = known.setdefault(name, Vocabulary(limit=most))
        table = np.full(len(keys), -1, np.int64)
        for at in np.argsort(first, kind="stable").tolist():
            if keys[at] >= 0:
                values = [words[a].values[int(codes[a][first[at]])] for a in attributes]
                table[at] = vocabulary.code(AND.join(values))
        found[name] = table[place]
    return found
