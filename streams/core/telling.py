"""What of a window is due to be told, as metric records: what needs no label, and what rests on labels."""

from collections.abc import Iterator
from dataclasses import dataclass

from streamgauge.detectors.estimate import Estimate
from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.estimates import EstimateBank
from streamgauge.streams.core.expected import measure_expected
from streamgauge.streams.core.reports import (
    Measured,
    Naming,
    coverage,
    measure_labelled,
    measure_served,
    records,
)
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.windows import Window

_OF_CLASSES = ("class_precision", "class_recall", "class_f1")


@dataclass(frozen=True, slots=True)
class Told:
    """The records, what they say, and whether that is enough for a verdict."""

    records: list[Output]
    measured: list[Measured]
    enough: bool = True


def has_news(window: Window, *, final: bool) -> bool:
    """Whether there may be something to tell of it. Most windows wait for labels, and have nothing."""
    if window.served_dirty or window.labels_dirty or (final and not window.sealed):
        return True
    return not window.estimated and window.whole.estimable


def tell_served(
    window: Window, naming: Naming, estimates: EstimateBank, whole: Window | None = None
) -> Told | None:
    """What needs no label, if it is new; `whole` is what to measure, the window itself if not given."""
    whole = whole or window
    covered = whole.whole.estimable and estimates.covers(whole.start_us, whole.classes)
    if not window.served_dirty and (window.estimated or not covered):
        return None
    measured = list(measure_served(whole, naming)) if window.served_dirty else []
    measured += measure_expected(whole, naming, estimates)
    window.served_dirty, window.estimated = False, covered
    window.served_revision += 1
    window.touched = True
    return Told(records(whole, naming, measured, "final", window.served_revision), measured)


def tell_labelled(
    window: Window, naming: Naming, min_coverage: float, *, final: bool, whole: Window | None = None
) -> Told | None:
    """What rests on labels, if it is new and covers enough, or `final`: no label can come any more."""
    whole = whole or window
    covered = coverage(whole.whole)
    enough = covered is not None and covered >= min_coverage
    if window.sealed or not (final or (window.labels_dirty and enough)):
        return None
    window.labels_dirty, window.sealed = False, final
    window.labels_revision += 1
    window.touched = True
    measured = list(measure_labelled(whole, naming))
    measured += _gone(window, {number.of_class for number in measured if number.of_class is not None})
    status = "final" if final else "provisional"
    return Told(records(whole, naming, measured, status, window.labels_revision), measured, enough)


def _gone(window: Window, classes: set[str]) -> list[Measured]:
    """Classes that were told, and that after a correction no pair names any more: undefined from now on."""
    gone = sorted(window.told_classes - classes)
    window.told_classes |= classes
    return [Measured(metric, Estimate.undefined(), of_class=name) for name in gone for metric in _OF_CLASSES]


def tell_rollups(
    version: Version, naming: Naming, definition: MonitorDefinition, span: tuple[int, int], drop: bool
) -> Iterator[tuple[Window, Told, bool]]:
    """What is new of the hours and days that are over; `span` is the watermark when last asked, and now.

    Each is told when it is over and when its labels are final; what changes in between is told at most once
    in its own length, for to merge and to tell it takes as long as its parts did. No rule is to judge it but
    where the flag says so: labels came after windows were folded into this hour, so it is judged in their
    place. With `drop`, what nothing can change any more is closed.
    """
    rollups = version.rollups
    before, watermark = span
    for length, rollup in rollups.in_order():
        if rollup.end_us > watermark:
            continue
        ends = not rollup.sealed and rollup.end_us + definition.labels.ttl <= watermark
        looked_at = before // length < watermark // length
        if ends or (looked_at and (rollup.served_dirty or rollup.labels_dirty)):
            late_labels = rollup.labels_dirty and rollup.end_us < rollups.folded_us
            late_labels = late_labels and rollup in rollups.standing_in()
            whole = rollups.whole(rollup, version.in_order())
            served = tell_served(rollup, naming, version.watch.estimates, whole)
            if served is not None:
                yield rollup, served, False
            labelled = tell_labelled(rollup, naming, definition.labels.min_coverage, final=ends, whole=whole)
            if labelled is not None:
                yield rollup, labelled, labelled.enough and late_labels
        if drop and rollup.sealed and rollup.end_us + definition.lateness <= watermark:
            rollups.close(rollup)
