"""The notifier's own metrics; docs/reference/notifier.md has the same table, and a test compares them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Telemetry:
    """All metrics of one notifier, in a registry of its own. Of labels there are targets and fixed words."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.transitions = Counter(
            "streamgauge_notifier_transitions_total",
            "Transitions by what became of them: delivered, refused, expired, or lost to retention.",
            ["target", "outcome"],
            registry=registry,
        )
        self.requests = Counter(
            "streamgauge_notifier_requests_total",
            "Retrain requests by what became of them: delivered, refused or expired.",
            ["target", "outcome"],
            registry=registry,
        )
        self.unreadable = Counter(
            "streamgauge_notifier_unreadable_total",
            "Records of alerts that could not be read and were passed over.",
            ["target"],
            registry=registry,
        )
        self.attempts = Counter(
            "streamgauge_notifier_attempts_total",
            "Attempts to deliver, by result: delivered, failed or refused.",
            ["target", "result"],
            registry=registry,
        )
        self.attempt_seconds = Histogram(
            "streamgauge_notifier_attempt_seconds",
            "Duration of an attempt.",
            ["target"],
            buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
            registry=registry,
        )
        self.waiting = Gauge(
            "streamgauge_notifier_waiting_transitions",
            "Transitions that were read and that the target does not have yet.",
            ["target"],
            registry=registry,
        )
        self.open_alerts = Gauge(
            "streamgauge_notifier_open_alerts",
            "Alerts that go on and that the target is told of.",
            ["target"],
            registry=registry,
        )
        self.silent_partitions = Gauge(
            "streamgauge_notifier_silent_partitions",
            "Partitions of this notifier that no worker has told of for three minutes.",
            registry=registry,
        )
        self.breaker_open = Gauge(
            "streamgauge_notifier_breaker_open",
            "1 while the target fails again and again and is left alone between attempts, else 0.",
            ["target"],
            registry=registry,
        )
