"""The worker's own metrics, for Prometheus; a test compares them with docs/reference/worker-metrics.md."""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.message import DEAD_LETTERS, Output
from streamgauge.schemas.monitor_names import EVIDENCE
from streamgauge.streams.allocator import resident_bytes
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.metering import P, R
from streamgauge.streams.pipeline_lag import PipelineLag

_FAST = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_SLOW = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80)

#: Of a core's totals, those that say how much there is, not how much there has been.
HELD = frozenset(["models", "pending", "waiting"])


class Telemetry:
    """All metrics of one worker, in a registry of its own. Labels are bounded: no model, no version."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory
        self.registry = registry = CollectorRegistry()
        self.outcomes = Outcomes()
        self.pipeline_lag = PipelineLag()
        registry.register(self.outcomes)
        registry.register(self.pipeline_lag)
        self.partitions = Gauge(
            "streamgauge_partitions", "Partitions of this worker, by state.", ["state"], registry=registry
        )
        self.budget_paid = Gauge(
            "streamgauge_budget_paid",
            "False alarms that this worker's models were paid for so far.",
            registry=registry,
        )
        self.budget_alerts = Gauge(
            "streamgauge_budget_alerts",
            "Alerts that this worker's models have opened at the expense of the alarm budget.",
            ["monitor"],
            registry=registry,
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
        self.state_bytes = Counter(
            "streamgauge_state_bytes_total", "Bytes of state that commits have written.", registry=registry
        )
        self.mirrors_given_up = Counter(
            "streamgauge_mirrors_given_up_total",
            "Partitions whose state on the local disk could not be read or written; Kafka has it all.",
            registry=registry,
        )
        memory_bytes = Gauge(
            "streamgauge_memory_bytes",
            "Memory: what this worker's state takes, what it may take, and what the whole process has.",
            ["kind"],
            registry=registry,
        )
        memory_bytes.labels("process").set_function(resident_bytes)
        if memory is not None:
            memory_bytes.labels("state").set_function(lambda: memory.used_bytes)
            memory_bytes.labels("state_most").set(memory.most_bytes)
        self.apply_seconds = Histogram(
            "streamgauge_apply_seconds",
            "Duration of applying what was gathered.",
            buckets=_FAST,
            registry=registry,
        )
        self.detector_seconds = Counter(
            "streamgauge_detector_seconds_total",
            "Of the time that applying takes, what detectors take.",
            registry=registry,
        )
        self.schema_lookups = Counter(
            "streamgauge_schema_lookups_total",
            "Questions to the schema registry, by what came of them.",
            ["outcome"],
            registry=registry,
        )
        self.messages = Counter(
            "streamgauge_messages_total", "Input messages given to the core.", registry=registry
        )
        self.outputs = Counter(
            "streamgauge_outputs_total", "Committed output records.", ["topic"], registry=registry
        )
        self.dead_letters = Counter(
            "streamgauge_dead_letters_total", "Committed dead letters.", ["reason"], registry=registry
        )
        self.watermark_age = Gauge(
            "streamgauge_watermark_age_seconds",
            "Since the time up to which all inputs are applied, of the partition that is furthest behind.",
            registry=registry,
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
        self.fenced = Counter(
            "streamgauge_transactions_fenced_total",
            "Transactions refused because another worker has the partition, or a broker had ended them.",
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

    def detecting(self, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """A `streams.core.metering.Meter`."""
        began = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            self.detector_seconds.inc(time.perf_counter() - began)

    def applied(self, time_us: Ints) -> None:
        """A `streams.core.metering.Applied`."""
        self.pipeline_lag.observe_many(time.time() - time_us / 1e6)

    def committed(self, outputs: Iterable[Output]) -> None:
        """What one transaction told."""
        for output in outputs:
            self.outputs.labels(output.topic).inc()
            if output.topic == DEAD_LETTERS:
                self.dead_letters.labels(output.record["reason"]).inc()

    def spending(self, partitions: Iterable[tuple[float, Mapping[str, int]]]) -> None:
        """What the models of every open partition were paid, and the alerts by monitor."""
        paid, alerts = 0.0, Tally[str]()
        for of_partition, opened in partitions:
            paid += of_partition
            alerts.update(opened)
        self.budget_paid.set(paid)
        for monitor in EVIDENCE:
            self.budget_alerts.labels(monitor).set(alerts[monitor])


class Outcomes(Collector):
    """What became of events on this worker, from the totals that each partition's state carries.

    A partition that comes brings its past totals along; only what is added here counts, so that no rate
    jumps at a rebalance.

    >>> outcomes = Outcomes()
    >>> outcomes.opened(0, {"applied": 1_000, "pending": 7})
    >>> outcomes.update({0: {"applied": 1_005, "pending": 3}})
    >>> outcomes.added["applied"], outcomes.held["pending"]
    (5, 3)
    """

    def __init__(self) -> None:
        self.added: Tally[str] = Tally()
        self.held: Tally[str] = Tally()
        self._seen: dict[int, Mapping[str, int]] = {}

    def opened(self, partition: int, counts: Mapping[str, int]) -> None:
        """A partition has come, with these totals."""
        self._seen[partition] = dict(counts)

    def update(self, present: Mapping[int, Mapping[str, int]]) -> None:
        """The totals of every open partition as of now. Those of a retired model are no longer in them."""
        held: Tally[str] = Tally()
        for partition, counts in present.items():
            before = self._seen.get(partition, {})
            for name, count in counts.items():
                if name in HELD:
                    held[name] += count
                else:
                    self.added[name] += max(0, count - before.get(name, 0))
        self._seen = {partition: dict(counts) for partition, counts in present.items()}
        self.held = held

    def collect(self) -> Iterator[Metric]:
        events = CounterMetricFamily(
            "streamgauge_events", "Events by what became of them on this worker.", labels=["outcome"]
        )
        for name, count in sorted(self.added.copy().items()):
            events.add_metric([name], count)
        held = GaugeMetricFamily("streamgauge_held", "What this worker's state holds now.", labels=["kind"])
        for name, count in sorted(self.held.items()):
            held.add_metric([name], count)
        yield from (events, held)
