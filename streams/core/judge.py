"""`Judge`: what closed windows and detectors mean: metric records, and verdicts for the alert book."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from streamgauge.schemas.message import Output
from streamgauge.streams.core.alerts import AlertBook, AlertContext
from streamgauge.streams.core.expected import measure_expected
from streamgauge.streams.core.findings import Finding, OffsetRange
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.reports import (
    Measured,
    Naming,
    coverage,
    measure_labelled,
    measure_served,
    record,
)
from streamgauge.streams.core.rules import BurnRate, Threshold
from streamgauge.streams.core.segments import Segment
from streamgauge.streams.core.since import explain
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.windows import ALL, Window

_STEPS = 5


class Judge:
    """Publishes the windows of one model and judges them. Times are microseconds since the epoch."""

    def __init__(self, model: str, prefix: str, partition: int, software: str) -> None:
        self.model = model
        self.prefix = prefix
        self.partition = partition
        self.software = software
        self.judged_us = 0
        self._thresholds: dict[tuple[str, str, Segment], Threshold] = {}
        self._burns: dict[tuple[str, str], BurnRate] = {}

    def due(self, intake: Intake) -> bool:
        """Whether the watermark has reached the next fifth of a window since the last judgement."""
        step = intake.definition.window // _STEPS
        return intake.watermark_us // step > self.judged_us // step

    def alarms(self, intake: Intake, book: AlertBook) -> list[Output]:
        """What the detectors found since they were asked last."""
        outputs = []
        for version in intake.versions.values():
            for found in version.watch.take_findings(intake.names.group_words):
                rule = intake.definition.rule(found.monitor)
                if rule.enabled:
                    finding = explain(found, version, self._naming(intake, version))
                    finding = replace(finding, severity=rule.severity)
                    outputs += self._observe(intake, book, version, finding.monitor, ALL, finding)
        return outputs

    def advance(self, intake: Intake, book: AlertBook, *, drop: bool = True) -> list[Output]:
        """Publishes what the watermark has passed; with `drop`, forgets what nothing can change any more."""
        watermark = self.judged_us = intake.watermark_us
        outputs: list[Output] = []
        for version in intake.versions.values():
            naming = self._naming(intake, version)
            for window in list(version.in_order()):
                if window.end_us > watermark:
                    break
                outputs += self._judge(intake, book, version, window, naming, watermark)
                if drop and window.sealed and window.end_us + intake.definition.lateness <= watermark:
                    version.drop(window.start_us)
        outputs += self._supersede(intake, book)
        return outputs

    def _judge(
        self,
        intake: Intake,
        book: AlertBook,
        version: Version,
        window: Window,
        naming: Naming,
        watermark: int,
    ) -> Iterator[Output]:
        definition = intake.definition
        closes = window.served_revision < 0
        estimates = version.watch.estimates
        covered_now = window.bags[ALL].cells is not None and estimates.covers(window.start_us, window.classes)
        if window.served_dirty or (covered_now and not window.estimated):
            measured = list(measure_served(window, naming)) if window.served_dirty else []
            measured += measure_expected(window, naming, estimates)
            window.served_dirty, window.estimated = False, covered_now
            window.served_revision += 1
            window.touched = True
            for number in measured:
                yield record(window, naming, number, "final", window.served_revision)
            yield from self._limits(intake, book, version, window, measured)
            yield from self._objectives(intake, book, version, window)
        labels_final = window.end_us + definition.labels.ttl <= watermark
        covered = coverage(window.bags[ALL])
        enough = covered is not None and covered >= definition.labels.min_coverage
        if not window.sealed and (labels_final or (window.labels_dirty and enough)):
            window.labels_dirty, window.sealed = False, labels_final
            window.labels_revision += 1
            window.touched = True
            measured = list(measure_labelled(window, naming))
            status = "final" if labels_final else "provisional"
            for number in measured:
                yield record(window, naming, number, status, window.labels_revision)
            if enough:
                yield from self._limits(intake, book, version, window, measured)
        if closes:
            for monitor in version.watch.quiet_monitors():
                yield from self._observe(intake, book, version, monitor, ALL, None)

    def _limits(
        self,
        intake: Intake,
        book: AlertBook,
        version: Version,
        window: Window,
        measured: Iterable[Measured],
    ) -> Iterator[Output]:
        """The limits that the definition sets on metrics."""
        for number in measured:
            rule = intake.definition.monitors.get(number.metric)
            if rule is None or not rule.enabled or (rule.min is None and rule.max is None):
                continue
            if number.estimate.value is None:
                continue
            segment = tuple(
                sorted(
                    [
                        *number.segment,
                        *((k, v) for k, v in (("feature", number.feature), ("group", number.group)) if v),
                    ]
                )
            )
            key = (version.name, number.metric, segment)
            threshold = self._thresholds.get(key)
            if threshold is None:
                threshold = self._thresholds[key] = Threshold(number.metric, number.metric, segment)
            finding = threshold.update(
                window.start_us,
                number.estimate,
                rule,
                is_open=book.is_open(version.name, number.metric, segment),
            )
            yield from self._observe(intake, book, version, number.metric, segment, finding)

    def _objectives(
        self, intake: Intake, book: AlertBook, version: Version, window: Window
    ) -> Iterator[Output]:
        definition, bag = intake.definition, window.bags[ALL]
        judged = [("failure_rate", "failure_rate", definition.failure_rate.target, bag.n, bag.failed)]
        if definition.latency.objective_ms is not None:
            judged.append(
                ("latency", "latency_over_objective", definition.latency.target, bag.latency.n, bag.slow)
            )
        for monitor, metric, target, n, bad in judged:
            rule = definition.rule(monitor)
            if not rule.enabled or rule.min is not None or rule.max is not None:
                continue
            key = (version.name, monitor)
            burn = self._burns.get(key)
            if burn is None:
                burn = self._burns[key] = BurnRate(monitor, metric, definition.window)
            burn.update(window.start_us, n, bad)
            yield from self._observe(intake, book, version, monitor, ALL, burn.finding(target))

    def _observe(
        self,
        intake: Intake,
        book: AlertBook,
        version: Version,
        monitor: str,
        segment: Segment,
        finding: Finding | None,
    ) -> list[Output]:
        if finding is not None:
            if intake.superseded(version):  # labels still come, but its alerts have ended
                return []
            finding = replace(finding, offsets=self.offsets(version, finding.onset_us))
        definition = intake.definition
        context = AlertContext.of(definition, version.watch.baseline_id, self.software)
        return book.observe(
            version.name, monitor, segment, finding, intake.now_us, definition.rule(monitor), context
        )

    def offsets(self, version: Version, since_us: int | None) -> tuple[OffsetRange, ...]:
        """The input records that the windows from `since_us` on rest on."""
        return tuple(
            OffsetRange(self.prefix + topic, self.partition, first, last + 1)
            for topic, (first, last) in sorted(version.since(since_us).offsets.items())
        )

    def _supersede(self, intake: Intake, book: AlertBook) -> list[Output]:
        outputs = []
        for version in list(intake.versions.values()):
            if intake.superseded(version):
                outputs += book.superseded(version.name, intake.now_us)
                if not version.windows:
                    self._forget(version.name)
                    intake.forget(version)
        return outputs

    def restart(self, *monitors: str) -> None:
        """What is known of former windows is of no use for rules and objectives: of `monitors`, or of all."""
        if not monitors:
            self._thresholds = {}
        self._burns = {key: b for key, b in self._burns.items() if monitors and key[1] not in monitors}

    def _forget(self, version: str) -> None:
        self._thresholds = {key: rule for key, rule in self._thresholds.items() if key[0] != version}
        self._burns = {key: burn for key, burn in self._burns.items() if key[0] != version}

    def _naming(self, intake: Intake, version: Version) -> Naming:
        names = intake.names
        return Naming(
            self.model,
            version.name,
            names.classes.values,
            names.pos_label,
            names.group_words,
            intake.definition.fairness.min_n,
            intake.custom,
            intake.definition.ranking.k if names.ranks else (),
        )

    def to_state(self) -> dict[str, Any]:
        return {
            "judged": self.judged_us,
            "thresholds": [
                [version, metric, [list(pair) for pair in segment], threshold.to_state()]
                for (version, metric, segment), threshold in self._thresholds.items()
            ],
            "burns": [
                [version, monitor, burn.metric, burn.window_us, burn.to_state()]
                for (version, monitor), burn in self._burns.items()
            ],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Back to what `to_state` was called on."""
        self.judged_us = state["judged"]
        for version, metric, pairs, threshold in state["thresholds"]:
            segment = tuple((key, value) for key, value in pairs)
            self._thresholds[version, metric, segment] = Threshold.from_state(
                metric, metric, segment, threshold
            )
        for version, monitor, metric, window_us, burn in state["burns"]:
            self._burns[version, monitor] = BurnRate.from_state(monitor, metric, window_us, ALL, burn)
