"""Whether what was told of a model asks for a new one, and what that would learn from."""

from collections.abc import Sequence

from streamgauge.schemas.message import ALERTS, Output
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.judge import Judge
from streamgauge.streams.core.retrain import RetrainPolicy
from streamgauge.streams.core.retrain_guards import TrainingData


def consider(
    policy: RetrainPolicy, intake: Intake, book: AlertBook, judge: Judge, outputs: Sequence[Output]
) -> list[Output]:
    """The request that the alerts among `outputs`, the clock or the labels ask for, if no guard holds."""
    alerts = [output for output in outputs if output.topic == ALERTS]
    now_us, definition, latest = intake.now_us, intake.definition, intake.latest
    asked: list[Output] = []
    for version in intake.versions.values():
        if version.name == latest:
            policy.remind(latest, intake.join.counts["labelled"], now_us, definition.retrain)
        if not alerts and not policy.waiting(version.name, now_us):
            continue
        episodes = [episode for episode in book.open_episodes() if episode.version == version.name]
        onset_us = min((e.onset_us for e in episodes if e.onset_us), default=None)
        since = version.since(onset_us)
        offsets = judge.offsets(since)
        data = TrainingData(since.start_us, since.end_us, since.labelled, since.coverage, offsets)
        asked += policy.consider(
            version.name, alerts, data, now_us, definition,
            open_monitors={name for e in episodes for name in e.firing()},
            baseline_id=version.watch.baseline_id, software=judge.software,
        )  # fmt: skip
        alerts = []
    return asked
