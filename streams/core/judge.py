"""`Judge`: what closed windows and detectors mean: metric records, and verdicts for the alert book."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor_names import AGAINST_BASELINE
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.attributing import attribute
from streamgauge.streams.core.findings import Finding, OffsetRange
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.reports import Measured, Naming
from streamgauge.streams.core.rollups import FOLD_AFTER_US
from streamgauge.streams.core.rules import BurnRate, Threshold
from streamgauge.streams.core.segments import Segment
from streamgauge.streams.core.since import explain
from streamgauge.streams.core.telling import has_news, tell_labelled, tell_rollups, tell_served
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.windows import ALL, Window

STEPS = 5
_FOREVER = 2**62


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
        step = intake.definition.window // STEPS
        return intake.watermark_us // step > self.judged_us // step

    def alarms(self, intake: Intake, book: AlertBook) -> list[Output]:
        """What the detectors found since they were asked last."""
        outputs = []
        for version in intake.versions.values():
            for found in version.watch.take_findings(intake.names.group_words):
                rule = intake.definition.rule(found.monitor)
                if rule.enabled:
                    finding = explain(found, version, self.naming(intake, version.name))
                    finding = replace(finding, severity=rule.severity)
                    outputs += self._observe(intake, book, version, finding.monitor, ALL, finding)
        return outputs

    def advance(
        self, intake: Intake, book: AlertBook, *, ends: bool = False, drop: bool = True
    ) -> list[Output]:
        """Publishes what the watermark has passed; with `drop`, forgets what nothing can change any more.

        `ends`: no more input will come, so every hour and day that has begun is over.
        """
        definition, before, watermark = intake.definition, self.judged_us, intake.watermark_us
        self.judged_us = watermark
        # in whole steps, so that it does not show at which event of a step this was called
        looked_us = watermark - watermark % (definition.window // STEPS)
        keeps = max(definition.lateness, FOLD_AFTER_US)
        outputs: list[Output] = []
        for version in intake.versions.values():
            naming = self.naming(intake, version.name)
            if definition.labels.ttl > keeps:
                version.rollups.fold_before(looked_us - keeps)
            for window in list(version.in_order()):
                if window.end_us > watermark:
                    break
                outputs += self._judge(intake, book, version, window, naming, watermark)
                over = window.sealed and window.end_us + definition.lateness <= watermark
                if drop and (over or window.end_us < version.rollups.folded_us):
                    version.fold(window)
            span = (before, watermark) if not ends else (-_FOREVER, _FOREVER)
            for rollup, told, late_labels in tell_rollups(version, naming, definition, span, drop):
                outputs += told.records
                if late_labels:
                    outputs += self._limits(intake, book, version, rollup, told.measured)
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
        folds = window.end_us < version.rollups.folded_us
        final = folds or window.end_us + definition.labels.ttl <= watermark
        if not has_news(window, final=final):
            return
        closes = window.served_revision < 0
        served = tell_served(window, naming, version.watch.estimates)
        if served is not None:
            yield from served.records
            yield from self._limits(intake, book, version, window, served.measured)
            yield from self._objectives(intake, book, version, window)
        labelled = tell_labelled(window, naming, definition.labels.min_coverage, final=final)
        if labelled is not None:
            yield from labelled.records
            if labelled.enough:
                yield from self._limits(intake, book, version, window, labelled.measured)
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
            about = (("feature", number.feature), ("group", number.group), ("class", number.of_class))
            segment = tuple(sorted([*number.segment, *((key, value) for key, value in about if value)]))
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
        rule, why = intake.definition.rule(monitor), partial(attribute, version=version, intake=intake)
        context = AlertContext.of(intake.definition, version.watch.baseline_id, self.software, why)
        return book.observe(version.name, monitor, segment, finding, intake.now_us, rule, context)

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
                if not version.windows and not version.rollups.held:
                    self._forget(version.name)
                    intake.forget(version)
        return outputs

    def restart(self, *monitors: str) -> None:
        """What is known of former windows is of no use for rules and objectives: of `monitors`, or of all."""
        if not monitors:
            self._thresholds = {}
        self._burns = {key: b for key, b in self._burns.items() if monitors and key[1] not in monitors}

    def rebased(self, version: str) -> None:
        """A version has another baseline: windows against the old one count towards no limit any more."""
        for key in [k for k in self._thresholds if k[0] == version and k[1] in AGAINST_BASELINE]:
            del self._thresholds[key]

    def _forget(self, version: str) -> None:
        self._thresholds = {key: rule for key, rule in self._thresholds.items() if key[0] != version}
        self._burns = {key: burn for key, burn in self._burns.items() if key[0] != version}

    def naming(self, intake: Intake, version: str = "") -> Naming:
        """What the integers of a version stand for."""
        names = intake.names
        return Naming(
            self.model,
            version,
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
        for version, metric, pairs, kept in state["thresholds"]:
            segment = tuple((key, value) for key, value in pairs)
            self._thresholds[version, metric, segment] = Threshold.from_state(metric, metric, segment, kept)
        for version, monitor, metric, window_us, burn in state["burns"]:
            self._burns[version, monitor] = BurnRate.from_state(monitor, metric, window_us, ALL, burn)
