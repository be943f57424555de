"""When time alone will next change something of a model: until then, ticks need not reach it.

Never too late; where the exact moment would be dear to know, early: a tick that comes early changes nothing.
What every tick changes (how late it is, what was paid in) comes out the same from the last of many ticks.
"""

from collections.abc import Iterator

from streamgauge.streams.core.intake import LONG_AGO, Intake
from streamgauge.streams.core.judge import STEPS
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.reports import coverage
from streamgauge.streams.core.retrain_guards import NEVER, next_change_us
from streamgauge.streams.core.retrain_states import IN_FLIGHT, RequestState
from streamgauge.streams.core.rollups import FOLD_AFTER_US
from streamgauge.streams.core.versions import Version
from streamgauge.streams.core.windows import Window


def due_us(model: ModelState) -> int:
    """The earliest time at which a tick may tell or change anything of it."""
    intake = model.intake
    if intake.now_us == LONG_AGO:
        return LONG_AGO if intake.join.counts["waiting"] else NEVER
    watermark_us, grace_us = intake.watermark_us, intake.definition.grace
    passed = min([_judged(model), _minute(intake)])
    by_watermark = LONG_AGO if passed <= watermark_us else passed + grace_us
    return min(by_watermark, _round(model), _request(model))


def _round(model: ModelState) -> int:
    """The next round of the account, if anything came since the last: who joins, and what all weigh."""
    if not model.awaits_round:
        return NEVER
    next_us = model.account.next_round_us
    return LONG_AGO if next_us is None else next_us


def _request(model: ModelState) -> int:
    """The next deadline of retraining; while a guard holds, the next time of day at which another one may.

    All else that moves a guard comes with events, with orders, or at a step of the judge.
    """
    policy, intake = model.retrain, model.intake
    rest_us = policy.rest_until_us
    found = [NEVER]
    if policy.state in IN_FLIGHT:
        found.append(policy.deadline_us)
    elif any(policy.reasons.waiting(version) for version in intake.versions):
        if rest_us is not None and intake.now_us <= rest_us:
            found.append(rest_us)
        elif policy.held is None:
            found.append(LONG_AGO)
        else:
            found.append(next_change_us(intake.definition.retrain, intake.now_us))
    every = intake.definition.retrain.every
    if every is not None and policy.since is not None and policy.since[0] + every > intake.now_us:
        found.append(policy.since[0] + every)
    return min(found)


def _minute(intake: Intake) -> int:
    """The watermark at the end of the next minute of traffic that is watched."""
    return intake.traffic.watched_until_us


def _judged(model: ModelState) -> int:
    """The watermark at which the judge has something to do: always in whole steps."""
    intake, definition = model.intake, model.intake.definition
    step_us = definition.window // STEPS
    next_us = (model.judge.judged_us // step_us + 1) * step_us
    if _at_next_step(model):
        return next_us
    found = [NEVER]
    for duel in intake.comparisons:
        if duel.start_us is not None:
            told_us = max(duel.told_us, duel.start_us)
            found.append((told_us // definition.window + 1) * definition.window)
    for version in intake.versions.values():
        for window in version.windows.values():
            found += _window(version, window, intake, next_us)
        for (length, _), rollup in version.rollups.held.items():
            found += _rollup(rollup, length, intake)
    return max(-(-min(found) // step_us) * step_us, next_us)


def _at_next_step(model: ModelState) -> bool:
    """Whether something may be told, or forgotten, each time that it is looked at."""
    intake, policy = model.intake, model.retrain
    return bool(
        model.book.open_episodes()
        or policy.held is not None
        or policy.state is RequestState.UNANSWERED
        or intake.join.counts["waiting"]
        or intake.definition.retrain.gain is not None
        or any(
            version.last_served_us + intake.join.ttl_us >= intake.expired_us
            or (not version.windows and not version.rollups.held and intake.superseded(version))
            for version in intake.versions.values()
        )
    )


def _window(version: Version, window: Window, intake: Intake, next_us: int) -> Iterator[int]:
    """Watermarks at which it is published, folded, sealed or dropped."""
    labels, lateness = intake.definition.labels, intake.definition.lateness
    whole = window.whole
    estimates = version.watch.estimates
    if window.served_dirty or (
        not window.estimated and whole.estimable and estimates.covers(window.start_us, window.classes)
    ):
        yield max(window.end_us, next_us)
    if window.sealed:
        yield window.end_us + lateness
        return
    yield window.end_us + labels.ttl
    share = coverage(whole) if window.labels_dirty else None
    if share is not None and share >= labels.min_coverage:
        yield max(window.end_us, next_us)
    keeps = max(lateness, FOLD_AFTER_US)
    if labels.ttl > keeps and version.rollups.lengths:
        yield window.end_us + keeps + 1


def _rollup(rollup: Window, length: int, intake: Intake) -> Iterator[int]:
    """Watermarks at which it is published, sealed or closed."""
    watermark_us = intake.watermark_us
    if rollup.served_dirty or rollup.labels_dirty:
        yield max(rollup.end_us, (watermark_us // length + 1) * length)
    if rollup.sealed:
        yield rollup.end_us + intake.definition.lateness
    else:
        yield rollup.end_us + intake.definition.labels.ttl
