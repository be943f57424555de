"""One alert says that labels are missing; meanwhile no alert opens or ends that rests on labels."""

from collections.abc import Iterator
from dataclasses import replace

from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_names import COMPARISON, MISSING_LABELS, rests_on_labels
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.following import follow
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.judge import Judge
from streamgauge.streams.core.monitors import monitors_of


def tell(intake: Intake, judge: Judge, book: AlertBook) -> list[Output]:
    """Opens the alerts about labels, goes on with them, or ends them; once a window.

    To be called when predictions and labels have been read up to the same time.
    """
    definition, watch = intake.definition, judge.labels
    # in whole windows, so that it does not show at which tick this was called
    watermark_us = intake.watermark_us - intake.watermark_us % definition.window
    if watermark_us <= watch.looked_us:
        return []
    outputs: list[Output] = []
    for version in intake.versions.values():
        finding = None
        if definition.rule(MISSING_LABELS).enabled and not intake.superseded(version):
            windows = [window for window in version.labels_may_reach() if window.end_us <= watermark_us]
            finding = watch.look(version.name, windows, watermark_us, definition.labels)
        else:
            watch.forget(version.name)
        if finding is not None:
            held = tuple(held_back(definition, bool(intake.comparisons.of(version.name))))
            offsets = judge.offsets(version.since(finding.onset_us))
            finding = replace(finding, holds_back=held, offsets=offsets)
        terms = intake.now_us, definition, judge.software
        outputs += follow(book, version.name, MISSING_LABELS, finding, *terms)
    watch.looked_us = watermark_us
    return outputs


def held_back(definition: MonitorDefinition, compared: bool) -> Iterator[str]:
    """The monitors that are on and rest on labels.

    >>> list(held_back(MonitorDefinition(model="m", monitors={"accuracy": {"min": 0.8}}), compared=False))
    ['concept_drift', 'estimate_gap', 'label_drift', 'accuracy']
    """
    for monitor in monitors_of(definition):
        if definition.rule(monitor).enabled and rests_on_labels(monitor):
            yield monitor
    if compared and definition.rule(COMPARISON).enabled:
        yield COMPARISON
