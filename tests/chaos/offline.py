"""`Offline`: what must have come out, recomputed from the raw inputs. It keeps all rows and is not clever."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from streamgauge.schemas.batch import PredictionBatch
from streamgauge.schemas.monitor import MonitorDefinition
from tests.acceptance.feature_oracle import feature_differences, feature_metrics
from tests.chaos.raw import Place, RawRecord
from tests.chaos.scale import Scale
from tests.core.naive import Key, Naive, Number, differences, prediction_rows


class Offline:
    """It shares nothing with `streams/core`: see `tests/core/naive.py`. Definitions are those of the start.

    What was redefined meanwhile must leave numbers alone.
    """

    def __init__(self, records: Sequence[RawRecord], scale: Scale) -> None:
        watched = [MonitorDefinition.model_validate(document) for document in scale.definitions()]
        self._naive = Naive(watched)
        self._first, self._window = scale.baseline, watched[0].window
        self._rows: list[Mapping[str, Any]] = []
        self.refused: dict[Place, str] = {}
        for record in records:
            if record.reason is not None:
                self.refused[record.place] = record.reason
            for batch in record.batches:
                if isinstance(batch, PredictionBatch):
                    before = self._naive.counts["late"]
                    self._naive.predict(batch)
                    if self._naive.counts["late"] == before:
                        self._rows += prediction_rows(batch)
                else:
                    self._naive.label(batch)

    @property
    def counts(self) -> Mapping[str, int]:
        """The intake ledger, without dead letters."""
        return self._naive.counts

    def count_problems(self, counts: Mapping[str, int]) -> list[str]:
        """How an intake ledger differs."""
        return [
            f"{counts.get(name, 0)} events are {name}; it is {count}"
            for name, count in self.counts.items()
            if counts.get(name, 0) != count
        ]

    @property
    def orphans(self) -> Counter[str]:
        """How many labels of each model never got a prediction."""
        return Counter(
            {
                name: sum(not waiting.taken for rows in model.waiting.values() for waiting in rows)
                for name, model in self._naive.models.items()
            }
        )

    def metric_differences(self, published: Iterable[Mapping[str, Any]]) -> list[str]:
        """How the metrics that were published differ; every number must be final."""
        numbers, features = self._expected
        published = list(published)
        return [*differences(published, numbers), *feature_differences(published, features)]

    @cached_property
    def _expected(self) -> tuple[dict[Key, Number], dict[Key, Number]]:
        """Of windows and, against the rows of baselines, of their features."""
        features = feature_metrics(self._rows, self._first, self._window)
        return self._naive.metrics(rollups=False), features
