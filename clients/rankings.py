"""What rankers log: ranked items and their relevance, as they were given, and as a column."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from streamgauge.clients.values import check_text, numbers, text_of
from streamgauge.schemas.batch import Bools
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.limits import DEFAULT as LIMITS
from streamgauge.schemas.limits import HIGHEST_GRADE


class Ranked(tuple[Any, ...]):
    """The ids of ranked items, best first."""

    __slots__ = ()


class Relevance(NamedTuple):
    """The ids of items, and how relevant each is."""

    items: tuple[Any, ...]
    grades: tuple[Any, ...]

    @classmethod
    def of(cls, given: "Mapping[Any, float] | Iterable[Any]") -> Self:
        """Of grades by item, or of items that are all of grade 1."""
        items = tuple(given)
        return cls(items, tuple(given.values()) if isinstance(given, Mapping) else (1.0,) * len(items))


def rankings(values: Sequence[Any], optional: Bools) -> ItemLists:
    """A column of rankings, or of relevance; None is allowed where `optional`, bool (n,).

    Raises `BadEvent` for what no column can hold.

    >>> rankings([Ranked(["a", 7]), None], np.array([False, True])).to_list()
    [['a', '7'], None]
    """
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1:
        raise BadEvent(Reason.WRONG_TYPE, "rankings do not go with other predictions or labels")
    if any(value is None and not may for value, may in zip(values, optional.tolist(), strict=True)):
        raise BadEvent(Reason.MISSING_FIELD, "the ranking or its relevance is missing")
    if kinds == {Ranked}:
        return ItemLists.of([None if value is None else _items(value) for value in values])
    return ItemLists.graded([None if value is None else _graded(value) for value in values])


def _items(given: tuple[Any, ...]) -> list[str]:
    items = [text_of(item) for item in given]
    if len(items) > LIMITS.items:
        raise BadEvent(Reason.OVERSIZED, f"{len(items)} items, of at most {LIMITS.items}")
    if len(set(items)) < len(items):
        raise BadEvent(Reason.INCONSISTENT, "an item is named twice")
    for item in items:
        check_text(item, LIMITS.id_length)
    return items


def _graded(given: Relevance) -> dict[str, float]:
    items, grades = _items(given.items), numbers(given.grades)
    if not np.all((grades >= 0) & (grades <= HIGHEST_GRADE)):
        raise BadEvent(Reason.OUT_OF_RANGE, f"a grade is outside 0 to {HIGHEST_GRADE:g}")
    return dict(zip(items, grades.tolist(), strict=True))
