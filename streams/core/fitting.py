"""Which predictions of a run are of the kind that their model predicts; the others are refused."""

from collections.abc import Sequence

import numpy as np

from streamgauge.schemas.batch import Ints, PredictionBatch
from streamgauge.schemas.merge import take_rows
from streamgauge.streams.core.names import Names

#: A batch, the offsets of its rows, and when those were appended, if that bounds their times.
Fit = tuple[PredictionBatch, Ints, Ints | None]


def fitting(
    names: Names, parts: Sequence[tuple[PredictionBatch, Ints]], appended_us: Sequence[Ints] | None
) -> tuple[list[Fit], Ints]:
    """The parts without what does not fit, and the offsets of that, int64 (n,); requests that failed fit."""
    found: list[Fit] = []
    unfit = [np.zeros(0, np.int64)]
    for number, (batch, offsets) in enumerate(parts):
        fits, at = names.fits(batch.prediction), None if appended_us is None else appended_us[number]
        if not fits.all():
            unfit.append(offsets[~fits])
            batch, offsets = take_rows(batch, fits), offsets[fits]
            at = None if at is None else at[fits]
        if len(batch):
            found.append((batch, offsets, at))
    return found, np.concatenate(unfit)
