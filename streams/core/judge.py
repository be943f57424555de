"""`Judge`: what closed windows and detectors mean: metric records, and verdicts for the alert book."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor_names import EVIDENCE, FAIRNESS, rests_on_labels
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.attributing import attribute
from streamgauge.streams.core.findings import Finding, OffsetRange
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.label_watch import LabelWatch
from streamgauge.streams.core.limits import Limits, Verdict
from streamgauge.streams.core.reports import Naming
from streamgauge.streams.core.rollups import FOLD_AFTER_US
from streamgauge.streams.core.segments import Segment
from streamgauge.streams.core.since import explain
from streamgauge.streams.core.telling import has_news, tell_labelled, tell_rollups, tell_served
from streamgauge.streams.core.versions import Range, Version
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
        self.limits = Limits()
        self.labels = LabelWatch()

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
            folded_us = version.rollups.folded_us
            final_us, over_us = watermark - definition.labels.ttl, watermark - definition.lateness
            for window in list(version.in_order()):
                end_us = window.end_us
                if end_us > watermark:
                    break
                final = end_us <= final_us or end_us < folded_us
                if has_news(window, final=final):  # a day of windows is looked at: few have any
                    outputs += self._judge(intake, book, version, window, naming, final)
                if drop and (end_us < folded_us or (end_us <= over_us and window.sealed)):
                    version.fold(window)
            span = (before, watermark) if not ends else (-_FOREVER, _FOREVER)
            for rollup, told, late_labels in tell_rollups(version, naming, definition, span, drop):
                outputs += told.records
                if late_labels:
                    if rollup.labels_revision == 0:
                        self.labels.covered(watermark - rollup.end_us, watermark, definition.window)
                    limits = self.limits.crossed(version.name, rollup, told.measured, definition, book)
                    outputs += self._verdicts(intake, book, version, limits)
        outputs += self._supersede(intake, book)
        return outputs

    def _judge(
        self,
        intake: Intake,
        book: AlertBook,
        version: Version,
        window: Window,
        naming: Naming,
        final: bool,
    ) -> Iterator[Output]:
        definition, watermark = intake.definition, intake.watermark_us
        closes = window.served_revision < 0
        served = tell_served(window, naming, version.watch.estimates)
        if served is not None:
            yield from served.records
            limits = self.limits.crossed(version.name, window, served.measured, definition, book)
            yield from self._verdicts(intake, book, version, limits)
            burned = self.limits.burned(version.name, window, definition)
            yield from self._verdicts(intake, book, version, burned)
        labelled = tell_labelled(window, naming, definition.labels.min_coverage, final=final)
        if labelled is not None:
            yield from labelled.records
            if labelled.enough:
                if window.labels_revision == 0:
                    self.labels.covered(watermark - window.end_us, watermark, definition.window)
                limits = self.limits.crossed(version.name, window, labelled.measured, definition, book)
                yield from self._verdicts(intake, book, version, limits)
        if closes:
            for monitor in version.watch.quiet_monitors():
                yield from self._observe(intake, book, version, monitor, ALL, None)

    def _verdicts(
        self, intake: Intake, book: AlertBook, version: Version, verdicts: Iterable[Verdict]
    ) -> Iterator[Output]:
        for monitor, segment, finding in verdicts:
            yield from self._observe(intake, book, version, monitor, segment, finding)

    def _observe(
        self,
        intake: Intake,
        book: AlertBook,
        version: Version,
        monitor: str,
        segment: Segment,
        finding: Finding | None,
    ) -> list[Output]:
        if version.name in self.labels.missing and rests_on_labels(monitor, segment):
            return []
        since = Range()
        if finding is not None:
            if intake.superseded(version):  # labels still come, but its alerts have ended
                return []
            since = version.since(finding.onset_us)
            finding = replace(finding, offsets=self.offsets(since))
        rule, why = intake.definition.rule(monitor), partial(attribute, version=version, intake=intake)
        context = AlertContext.of(intake.definition, version.watch.baseline_id, self.software, why)
        if monitor in EVIDENCE:
            context = _counted(context, version, since, monitor)
        return book.observe(version.name, monitor, segment, finding, intake.now_us, rule, context)

    def offsets(self, since: Range) -> tuple[OffsetRange, ...]:
        """The input records that these windows rest on."""
        return tuple(
            OffsetRange(self.prefix + topic, self.partition, first, last + 1)
            for topic, (first, last) in sorted(since.offsets.items())
        )

    def _supersede(self, intake: Intake, book: AlertBook) -> list[Output]:
        outputs = []
        for version in list(intake.versions.values()):
            if intake.superseded(version):
                outputs += book.superseded(version.name, intake.now_us)
                if not version.windows and not version.rollups.held:
                    self.limits.forget(version.name)
                    self.labels.forget(version.name)
                    intake.forget(version)
        return outputs

    def restart(self) -> None:
        """What is known of former windows is of no use."""
        self.limits.restart()
        self.labels.missing.clear()

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
        return {"judged": self.judged_us, "labels": self.labels.to_state(), **self.limits.to_state()}

    def load(self, state: dict[str, Any]) -> None:
        """Back to what `to_state` was called on."""
        self.judged_us = state["judged"]
        self.labels.load(state["labels"])
        self.limits.load(state)


def _counted(context: AlertContext, version: Version, since: Range, monitor: str) -> AlertContext:
    """With how many events the monitor has judged, and how many since what it found began."""
    if rests_on_labels(monitor) or (monitor == FAIRNESS and version.watch.groups.rests_on_labels):
        return replace(context, judged=version.labelled_rows, since_onset=since.labelled)
    return replace(context, judged=version.served_rows, since_onset=since.answered)
