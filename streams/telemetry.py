"""The worker's own metrics, for Prometheus; docs/metrics.md has the same table, and a test compares them."""

from collections import Counter as Tally
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_FAST = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_SLOW = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80)


class Telemetry:
    """All metrics of one worker, in a registry of its own. Labels are bounded: no model, no version."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.outcomes = Outcomes()
        registry.register(self.outcomes)
        self.partitions = Gauge(
            "streamgauge_partitions", "Partitions of this worker, by state.", ["state"], registry=registry
        )
        self.lag = Gauge(
            "streamgauge_lag_messages",
            "Messages that wait in the inputs of this worker's partitions.",
            ["topic"],
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "streamgauge_commit_seconds",
            "Duration of a committed transaction, encoding included.",
            buckets=_FAST,
            registry=registry,
        )
        self.restore_seconds = Histogram(
            "streamgauge_restore_seconds",
            "From a partition's assignment to its first event.",
            buckets=_SLOW,
            registry=registry,
        )
        self.apply_seconds = Histogram(
            "streamgauge_apply_seconds",
            "Duration of applying what was gathered.",
            buckets=_FAST,
            registry=registry,
        )
        self.messages = Counter(
            "streamgauge_messages_total", "Input messages given to the core.", registry=registry
        )
        self.outputs = Counter(
            "streamgauge_outputs_total", "Committed output records.", ["topic"], registry=registry
        )
        self.outputs_oversized = Counter(
            "streamgauge_outputs_oversized_total",
            "Outputs left out because no broker would take them; always a defect.",
            registry=registry,
        )
        self.aborts = Counter(
            "streamgauge_transactions_aborted_total",
            "Transactions taken back, and sent again with what came since; rebalances cause some.",
            registry=registry,
        )
        self.producers_lost = Counter(
            "streamgauge_producers_lost_total",
            "Producers replaced after a fatal error; broker failures cause some.",
            registry=registry,
        )
        self.rebalances = Counter(
            "streamgauge_rebalances_total", "Assignments this worker has got.", registry=registry
        )
        self.stale = Counter(
            "streamgauge_messages_stale_total",
            "Messages of an earlier assignment, put aside; their owner reads them again.",
            registry=registry,
        )
        self.expired = Counter(
            "streamgauge_messages_expired_total",
            "Input messages that retention deleted before they were read; always a loss.",
            registry=registry,
        )
        self.uncommitted = Gauge(
            "streamgauge_uncommitted_seconds",
            "Age of the oldest change not yet committed.",
            registry=registry,
        )


class Outcomes(Collector):
    """`streamgauge_events_total` by outcome, summed over this worker's partitions, past and present.

    >>> outcomes = Outcomes()
    >>> outcomes.update({0: {"applied": 5}, 1: {"applied": 1}})
    >>> outcomes.update({1: {"applied": 2}})
    >>> outcomes.totals["applied"]
    7
    """

    def __init__(self) -> None:
        self._present: dict[int, Mapping[str, int]] = {}
        self._past: Tally[str] = Tally()

    @property
    def totals(self) -> Mapping[str, int]:
        total = Tally(self._past)
        for counts in list(self._present.values()):
            total.update(counts)
        return total

    def update(self, present: Mapping[int, Mapping[str, int]]) -> None:
        """The counts of each partition's core, which begin at zero when it is opened."""
        for number, counts in self._present.items():
            now = present.get(number)
            if now is None or any(now.get(outcome, 0) < count for outcome, count in counts.items()):
                self._past.update(counts)
        self._present = {number: dict(counts) for number, counts in present.items()}

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "streamgauge_events",
            "Events by what became of them, and the core's other totals.",
            labels=["outcome"],
        )
        for outcome, count in sorted(self.totals.items()):
            family.add_metric([outcome], count)
        yield family
