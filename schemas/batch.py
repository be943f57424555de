"""`PredictionBatch` and `GroundTruthBatch`: the only in-memory form of events, columns of one model.

A single JSON event is a batch of one, a columnar message a batch of 500. Nothing downstream of decoding
sees rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamgauge.schemas.item_lists import ItemLists

#: Identities are held as 16 raw bytes. numpy compares and sorts `S16` as bytes, exactly; only reading one
#: element into Python strips trailing NULs, so use `tobytes()` for that.
ID_DTYPE = np.dtype("S16")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Bools = NDArray[np.bool_]
Ids = NDArray[np.bytes_]


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """A column of strings: `codes` (int32, shape (n,)) into `values`; -1 is missing.

    >>> Categories.of(["a", None, "b", "a"]).codes.tolist()
    [0, -1, 1, 0]
    """

    codes: Codes
    values: tuple[str, ...]

    @classmethod
    def of(cls, strings: "list[str | None]") -> "Categories":
        index: dict[str, int] = {}
        codes = [-1 if s is None else index.setdefault(s, len(index)) for s in strings]
        return cls(np.array(codes, dtype=np.int32), tuple(index))

    def __len__(self) -> int:
        return len(self.codes)

    def to_list(self) -> "list[str | None]":
        return [None if c < 0 else self.values[c] for c in self.codes.tolist()]


#: float64 with NaN for missing, or strings.
Column = Floats | Categories
#: What is predicted and what is true: numbers, classes, or of rankers lists of items.
Outcome = Floats | Categories | ItemLists


@dataclass(frozen=True, slots=True, eq=False)
class PredictionBatch:
    """Predictions of one version of one model; every column has shape (n,).

    `time_us` is int64, microseconds since the epoch, UTC. `latency_ms`, `score` and numeric columns are
    float64 with NaN for "not given", never ±inf. `prediction` is `Categories` for classes and float64 for
    numbers, `ItemLists` for rankings; it is missing where `failed`. `scores` are the probabilities of
    classes. `dropped` counts events that the producer's own queue lost before this batch; each event stands
    for `1 / sample_rate`.
    """

    model: str
    version: str
    ids: Ids
    time_us: Ints
    prediction: Outcome
    latency_ms: Floats
    score: Floats
    failed: Bools
    features: Mapping[str, Column] = field(default_factory=dict)
    groups: Mapping[str, Categories] = field(default_factory=dict)
    segments: Mapping[str, Categories] = field(default_factory=dict)
    scores: Mapping[str, Floats] = field(default_factory=dict)
    dropped: int = 0
    sample_rate: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruthBatch:
    """Labels of one model, of whichever versions predicted these ids; every column has shape (n,).

    `label` is missing (-1 or NaN) only where `retracted`.
    """

    model: str
    ids: Ids
    time_us: Ints
    label: Outcome
    revision: Codes
    retracted: Bools

    def __len__(self) -> int:
        return len(self.ids)


AnyColumn = TypeVar("AnyColumn", bound=Outcome)


def take_column(column: AnyColumn, rows: NDArray[np.intp] | Bools | slice) -> AnyColumn:
    """The same column with only `rows`."""
    taken: Any
    if isinstance(column, ItemLists):
        taken = column.take(rows)
    elif isinstance(column, Categories):
        taken = Categories(column.codes[rows], column.values)
    else:
        taken = column[rows]
    result: AnyColumn = taken
    return result
