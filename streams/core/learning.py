"""`Learning`: the first rows of a version, kept only until its baseline can be built from them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from streamgauge.schemas.batch import Categories, Column, Floats
from streamgauge.schemas.limits import DEFAULT
from streamgauge.streams.core.names import present

#: A single event has as many at most.
MAX_FEATURES = DEFAULT.features


class Learning:
    """Chunks of columns, persisted one by one so that a checkpoint carries only the new ones.

    >>> learning = Learning()
    >>> learning.add({"age": np.array([41.0])}, np.array([0.5]), np.array([np.nan]))
    >>> learning.rows, [number for number, _ in learning.changes()]
    (1, [0])
    """

    def __init__(self) -> None:
        self.rows = 0
        self._chunks: list[dict[str, Any]] = []
        self._first = 0
        self._stored: set[int] = set()

    @property
    def held_bytes(self) -> int:
        """What the rows take of memory, about."""
        return sum((len(chunk["score"]) * 8 + 200) * (len(chunk["features"]) + 2) for chunk in self._chunks)

    def add(self, features: Mapping[str, Column], prediction: Column, score: Floats) -> None:
        """Columns of shape (n,)."""
        self._chunks.append({"features": dict(features), "prediction": prediction, "score": score})
        self.rows += len(score)

    def columns(self) -> tuple[dict[str, Column], Column, Floats]:
        """All rows: features, prediction, score. What a chunk lacks is missing there.

        Of more than `MAX_FEATURES` different features the first are watched. One that was a number here and a
        string there takes the kind of its first value.
        """
        different = dict.fromkeys(name for chunk in self._chunks for name in chunk["features"])
        names = list(different)[:MAX_FEATURES]
        lengths = [len(chunk["score"]) for chunk in self._chunks]
        features = {
            name: _joined([chunk["features"].get(name) for chunk in self._chunks], lengths) for name in names
        }
        prediction = _joined([chunk["prediction"] for chunk in self._chunks], lengths)
        return features, prediction, np.concatenate([chunk["score"] for chunk in self._chunks])

    def mixed(self, features: Mapping[str, Column]) -> dict[str, Floats]:
        """Which rows have a value of another type than in `columns`, 0 or 1 (n,), of features with some."""
        found = {}
        for name, kind in features.items():
            rows = np.zeros(self.rows)
            at = 0
            for chunk in self._chunks:
                column, n = chunk["features"].get(name), len(chunk["score"])
                if column is not None and isinstance(column, Categories) != isinstance(kind, Categories):
                    rows[at : at + n] = present(column)
                at += n
            if rows.any():
                found[name] = rows
        return found

    def holds_all(self, features: Mapping[str, Column]) -> bool:
        """Whether `columns` left no feature out."""
        return {name for chunk in self._chunks for name in chunk["features"]} <= features.keys()

    def changes(self) -> list[tuple[int, dict[str, Any] | None]]:
        """(number, state) of chunks since the last call, (number, None) of those that were dropped."""
        live = range(self._first, self._first + len(self._chunks))
        gone: list[tuple[int, dict[str, Any] | None]] = [(n, None) for n in sorted(self._stored - set(live))]
        new = [(n, _chunk_state(self._chunks[n - self._first])) for n in live if n not in self._stored]
        self._stored = set(live)
        return gone + new

    def replaces(self, other: "Learning") -> None:
        """This empty one takes another's place: its stored chunks are to be deleted."""
        self._first = other._first + len(other._chunks)
        self._stored = other._stored

    def drop(self) -> None:
        """The baseline is built; the rows go."""
        self._first += len(self._chunks)
        self._chunks = []
        self.rows = 0

    def load(self, states: Mapping[int, dict[str, Any]]) -> None:
        """Back to what `changes` gave; `states` are the live ones by number."""
        self._chunks = [
            {
                "features": {name: _column(state) for name, state in chunk["features"].items()},
                "prediction": _column(chunk["prediction"]),
                "score": chunk["score"],
            }
            for _, chunk in sorted(states.items())
        ]
        self.rows = sum(len(chunk["score"]) for chunk in self._chunks)
        self._first = min(states, default=0)
        self._stored = set(states)


def _joined(columns: "list[Column | None]", lengths: list[int]) -> Column:
    known = [column for column in columns if column is not None]
    first = next((column for column in known if present(column).any()), known[0])
    if isinstance(first, Categories):
        strings: list[str | None] = []
        for column, n in zip(columns, lengths, strict=True):
            strings += column.to_list() if isinstance(column, Categories) else [None] * n
        return Categories.of(strings)
    return np.concatenate(
        [
            np.full(n, np.nan) if column is None or isinstance(column, Categories) else column
            for column, n in zip(columns, lengths, strict=True)
        ]
    )


def _chunk_state(chunk: dict[str, Any]) -> dict[str, Any]:
    return {
        "features": {name: _state(column) for name, column in chunk["features"].items()},
        "prediction": _state(chunk["prediction"]),
        "score": chunk["score"],
    }


def _state(column: Column) -> Any:
    return (
        {"codes": column.codes, "values": list(column.values)} if isinstance(column, Categories) else column
    )


def _column(state: Any) -> Column:
    if isinstance(state, dict):
        return Categories(state["codes"], tuple(state["values"]))
    column: Floats = state
    return column
