"""Baselines that are given, not learned: whom they reach, and which alerts they end."""

from collections.abc import Iterable
from dataclasses import replace

from streamgauge.schemas.control import AdoptBaseline, Define
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor import Baseline, MonitorDefinition
from streamgauge.schemas.monitor_names import STALE_BASELINE
from streamgauge.schemas.profile import BaselineProfile, RateProfile
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.judge import Judge
from streamgauge.streams.core.versions import Adoption, Version
from streamgauge.streams.core.windows import ALL

#: Differences from a baseline that end when another one is adopted.
_DRIFTS = ("concept_drift", "drift", "label_drift", "multivariate_drift", "prediction_drift")
_STALE_US = 86_400_000_000


def adopt(order: AdoptBaseline, intake: Intake, book: AlertBook, judge: Judge, now_us: int) -> list[Output]:
    """Carries out the order. Alerts judged against the old baseline resolve.

    Without a version it is for all, and for those to come; the one that is in force there already changes
    nothing, so that a file of definitions may be sent again. Raises `BadEvent` if it does not apply.
    """
    profile = None if order.document is None else _profile(order, intake)
    if order.version is None:
        known = intake.reference.profile
        if profile is not None and known is not None and known.profile_id == profile.profile_id:
            return []
        intake.reference.take(profile)
        return _rebase(intake.versions.values(), profile, order, book, judge, now_us)
    version = intake.versions.get(order.version)
    if version is None:
        raise BadEvent(Reason.REFUSED, f"{order.model} has no version {order.version!r}")
    if profile is not None and order.version == intake.definition.baseline.version:
        intake.reference.take(profile)
    return _rebase([version], profile, order, book, judge, now_us)


def learns_anew(before: Baseline, after: Baseline) -> bool:
    """Whether another definition of the baseline makes all versions learn theirs again."""
    return before.rows != after.rows or (before != after and not after.is_given)


def refer(definition: MonitorDefinition, intake: Intake) -> None:
    """A definition names another source of baselines; a stored profile comes with an order of its own."""
    named = definition.baseline.version
    source = None if named is None else intake.versions.get(named)
    intake.reference.take(None if source is None else source.watch.profile)


def follow(order: Define, intake: Intake, book: AlertBook, judge: Judge, now_us: int) -> list[Output]:
    """All versions take the baseline of the one that a definition newly names, if that has one by now."""
    profile, named = intake.reference.profile, intake.definition.baseline.version
    if profile is None:
        return []
    others = [version for version in intake.versions.values() if version.name != named]
    return _rebase(others, profile, order, book, judge, now_us)


def stale(intake: Intake, book: AlertBook, software: str) -> list[Output]:
    """Drift that has been told of for a day may be the new normal: somebody should say so, or mend it."""
    definition, outputs = intake.definition, list[Output]()
    rule = definition.rule(STALE_BASELINE)
    severity = rule.severity if STALE_BASELINE in definition.monitors else "info"
    lasting = {
        episode.version: episode
        for episode in reversed(book.open_episodes())
        if episode.monitor in _DRIFTS and intake.now_us - episode.opened_us >= _STALE_US and rule.enabled
    }
    for version in intake.versions.values():
        episode, finding = lasting.get(version.name), None
        if episode is not None:
            found = episode.finding
            finding = replace(
                found, monitor=STALE_BASELINE, metric=STALE_BASELINE, severity=severity, value=None,
                low=None, high=None, baseline=None, evidence=None, evidence_threshold=None,
                onset_us=episode.onset_us or episode.opened_us,
                onset_low_us=episode.onset_low_us, onset_high_us=episode.onset_high_us,
            )  # fmt: skip
        elif not book.is_open(version.name, STALE_BASELINE, ALL):
            continue
        context = AlertContext.of(definition, version.watch.baseline_id, software)
        outputs += book.observe(version.name, STALE_BASELINE, ALL, finding, intake.now_us, rule, context)
    return outputs


def _rebase(
    versions: Iterable[Version],
    profile: BaselineProfile | None,
    order: AdoptBaseline | Define,
    book: AlertBook,
    judge: Judge,
    now_us: int,
) -> list[Output]:
    outputs: list[Output] = []
    for version in versions:
        before, after = version.watch.baseline_id, None if profile is None else profile.profile_id
        note = order.note if isinstance(order, AdoptBaseline) else None
        version.adopted = Adoption(order.actor, order.time_us, before, after, note)
        monitors = version.rebase(profile)
        judge.limits.rebased(version.name)
        outputs += book.rebased(version.name, monitors, now_us, order.actor, note)
    return outputs


def _profile(order: AdoptBaseline, intake: Intake) -> BaselineProfile:
    try:
        profile = BaselineProfile.from_json(order.document or {})
    except ValueError as error:
        raise BadEvent(Reason.REFUSED, str(error)) from error
    task = intake.names.task
    if task is not None and profile.errors is not None:
        rates = isinstance(profile.errors, RateProfile)
        if rates != intake.names.classifies:
            errors = "a rate of wrong answers" if rates else "sizes of errors"
            raise BadEvent(Reason.REFUSED, f"a profile with {errors} for {order.model}: its task is {task}")
    return profile
