"""What a model as good as the baseline would save: errors that it would avoid, as a reason to train anew."""

from dataclasses import dataclass

from streamgauge.detectors.cell_counts import CellCounts
from streamgauge.detectors.classification import ConfusionCounts, classification_metrics
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.regression import RegressionErrors
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.judge import Judge
from streamgauge.streams.core.reports import Naming
from streamgauge.streams.core.retrain import RetrainPolicy
from streamgauge.streams.core.retrain_states import RequestState
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.windows import ALL, Window

#: Over so long, up to now, the loss and the traffic are measured.
SPAN_US = 86_400_000_000
REASON, METRIC = "gain", "avoidable_errors"


@dataclass(frozen=True, slots=True)
class Gain:
    """`errors` avoided in a time: wrong answers, or of a regression the sum of absolute errors; at least so
    many, in 97.5 %. It rests on `n` predictions; `estimated`: on what is known before labels come."""

    errors: float
    n: int
    estimated: bool


def weigh(policy: RetrainPolicy, intake: Intake, judge: Judge) -> None:
    """A gain that is worth it is a reason from then on until it has fallen below half of that."""
    terms, latest = intake.definition.retrain.gain, intake.latest
    if terms is None or latest is None or (policy.state, policy.version) == (RequestState.SUCCEEDED, latest):
        return
    gain = gain_of(intake.versions[latest], intake, judge.naming(intake, latest), terms.within)
    if gain is None:
        return
    if gain.errors >= terms.errors:
        numbers = {"metric": METRIC, "value": gain.errors, "threshold": terms.errors}
        policy.reasons.prompt(latest, REASON, gain.n, "warning", again=False, **numbers)
    elif gain.errors < terms.errors / 2:
        policy.reasons.withdraw(latest, REASON)


def gain_of(version: Version, intake: Intake, naming: Naming, within_us: int) -> Gain | None:
    """(loss now − loss of the baseline) × predictions in `within_us`, at the lower end of the loss' interval.

    The loss is that of the last day, or as long as labels may come if that is shorter: of its labelled
    predictions if they cover enough, else as estimated.
    None where there is neither, or no baseline.
    """
    watermark, baseline = intake.watermark_us, version.watch.errors.baseline
    windows = [w for w in version.in_order() if watermark - SPAN_US < w.end_us <= watermark]
    answered = sum(window.whole.n - window.whole.failed for window in windows)
    labelled = sum(window.whole.labelled for window in windows)
    if baseline is None or not answered or naming.ks:
        return None
    estimated = labelled < intake.definition.labels.min_coverage * answered or not labelled
    loss = _estimated(version, windows, naming) if estimated else _realised(windows, naming)
    if loss is None:
        return None
    per_us = answered / (watermark - windows[0].start_us)
    return Gain(
        max(0.0, loss - baseline) * per_us * within_us, answered if estimated else labelled, estimated
    )


def _realised(windows: list[Window], naming: Naming) -> float | None:
    confusion, errors = ConfusionCounts(), RegressionErrors()
    for window in windows:
        confusion.merge(window.bags[ALL].confusion)
        errors.merge(window.bags[ALL].errors)
    if windows[-1].classes:
        metrics = classification_metrics(*confusion.named(naming.classes), naming.pos_label)
        return _rest(metrics["accuracy"])
    return errors.metrics()["mean_absolute_error"].low


def _estimated(version: Version, windows: list[Window], naming: Naming) -> float | None:
    bank, cells = version.watch.estimates, CellCounts()
    for window in windows:
        counted = window.bags[ALL].cells
        if counted is not None and bank.covers(window.start_us, window.classes):
            cells.merge(counted)
    found = bank.metrics(cells.counts, binary=False)
    if windows[-1].classes:
        return _rest(found.get("estimated_accuracy"))
    error = found.get("estimated_mean_absolute_error")
    return None if error is None else error.low


def _rest(accuracy: Estimate | None) -> float | None:
    """The lower end of the share of wrong answers."""
    return None if accuracy is None or accuracy.high is None else 1.0 - accuracy.high
