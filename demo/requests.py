"""Requests to one service, as one version of its model answered them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamgauge.demo.services import Pool, Service
from streamgauge.schemas.batch import (
    Bools,
    Categories,
    Column,
    Floats,
    Ids,
    Ints,
    PredictionBatch,
    take_column,
)


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests to one service within one block, by time: rows of its pool as it answered them."""

    service: Service
    pool: Pool
    rows: NDArray[np.intp]
    ids: Ids
    time_us: Ints
    latency_ms: Floats
    failed: Bools

    def __len__(self) -> int:
        return len(self.rows)

    def to_batch(self) -> PredictionBatch:
        """The same as columns."""
        return PredictionBatch(
            model=self.service.name,
            version=self.service.version,
            ids=self.ids,
            time_us=self.time_us,
            prediction=_blank(take_column(self.pool.prediction, self.rows), self.failed),
            latency_ms=self.latency_ms,
            score=np.where(self.failed, np.nan, self.pool.score[self.rows]),
            failed=self.failed,
            features={name: take_column(c, self.rows) for name, c in self.pool.columns.items()},
            groups={key: Categories(c.codes[self.rows], c.values) for key, c in self.pool.groups.items()},
        )

    def take(self, chosen: Bools) -> "Requests":
        """Those of them that are chosen, bool (n,)."""
        return replace(
            self,
            rows=self.rows[chosen],
            ids=self.ids[chosen],
            time_us=self.time_us[chosen],
            latency_ms=self.latency_ms[chosen],
            failed=self.failed[chosen],
        )

    def answered_by(self, service: Service, pool: Pool) -> "Requests":
        """The same requests, with the answers of another version."""
        return replace(self, service=service, pool=pool)


def _blank(column: Column, failed: Bools) -> Column:
    if isinstance(column, Categories):
        return Categories(np.where(failed, -1, column.codes).astype(np.int32), column.values)
    return np.where(failed, np.nan, column)
