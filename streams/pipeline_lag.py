"""`PipelineLag`: how long after they were made predictions are applied, as a histogram for Prometheus."""

from collections.abc import Iterator

import numpy as np
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamgauge.schemas.batch import Floats, Ints

#: Upper edges, in seconds.
EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0)
_EDGES = np.array(EDGES)


class PipelineLag(Collector):
    """Counts of lags, a batch at a time; a prediction from the future has none.

    >>> lag = PipelineLag()
    >>> lag.observe_many(np.array([0.004, 0.3, -2.0]))
    >>> [family] = lag.collect()
    >>> [sample.value for sample in family.samples][:6]
    [2, 2, 2, 2, 2, 3]
    """

    def __init__(self) -> None:
        self._counts: Ints = np.zeros(len(EDGES) + 1, np.int64)
        self._sum = 0.0

    def observe_many(self, lag_s: Floats) -> None:
        """Lags in seconds, float64 (n,)."""
        lag_s = np.maximum(lag_s, 0.0)
        self._counts += np.bincount(np.searchsorted(_EDGES, lag_s), minlength=len(self._counts))
        self._sum += float(lag_s.sum())

    def collect(self) -> Iterator[Metric]:
        """Called by Prometheus' client, from a thread of its own."""
        edges = [*map(str, EDGES), "+Inf"]
        yield HistogramMetricFamily(
            "streamgauge_pipeline_lag_seconds",
            "From the time of a prediction to when it was applied.",
            buckets=list(zip(edges, np.cumsum(self._counts).tolist(), strict=True)),
            sum_value=self._sum,
        )
