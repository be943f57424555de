"""Rows of batches: some of them, their order, and neighbouring batches as one."""

from collections.abc import Iterator

import numpy as np

from streamgauge.schemas.batch import (
    Bools,
    Ids,
    Ints,
)
from streamgauge.schemas.decode import Batch
from streamgauge.schemas.merge import merge_batches, mergeable
from streamgauge.streams.core.table import first_of_each

#: Events of neighbouring batches that are applied as one.
_MOST_MERGED = 8_000


def neighbours_merged(batches: list[tuple[Batch, Ints]]) -> Iterator[tuple[Batch, Ints]]:
    """Neighbours of one model and version as one batch: a busy worker pays for columns, not for messages."""
    run: list[tuple[Batch, Ints]] = []
    size = 0
    for batch, offsets in batches:
        if run and (size + len(batch) > _MOST_MERGED or not mergeable(run[0][0], batch)):
            yield _one(run)
            run, size = [], 0
        run.append((batch, offsets))
        size += len(batch)
    if run:
        yield _one(run)


def _one(run: list[tuple[Batch, Ints]]) -> tuple[Batch, Ints]:
    if len(run) == 1:
        return run[0]
    return merge_batches([batch for batch, _ in run]), np.concatenate([offsets for _, offsets in run])


def in_rounds(ids: Ids) -> Iterator[Ints]:
    """Row numbers in rounds of distinct identities: a repeated one comes a round after the one before it.

    There is always a first round, if only an empty one.

    >>> [rows.tolist() for rows in in_rounds(np.array([b"a", b"a", b"b", b"a"], "S16"))]
    [[0, 2], [1], [3]]
    """
    remaining = np.arange(len(ids))
    first = first_of_each(ids)
    yield remaining[first]
    while not first.all():
        remaining = remaining[~first]
        first = first_of_each(ids[remaining])
        yield remaining[first]


def nested_mask(outer: Bools | None, inner: Bools | None) -> Bools | None:
    """The mask of `inner`, given among the rows of `outer`, over all rows."""
    if outer is None or inner is None:
        return outer if inner is None else inner
    mask = outer.copy()
    mask[outer] = inner
    return mask
