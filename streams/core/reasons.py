"""Why a monitor is quiet, in a few words and numbers: no data, too few, still learning, within its budget.

It looks at detectors and rules, and changes nothing: so that what runs for every event need not know of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Literal

from streamgauge.detectors.evidence.kinds import Evidence
from streamgauge.detectors.evidence.season import Season
from streamgauge.schemas.durations import SECOND_US, format_duration
from streamgauge.schemas.monitor_names import (
    BLOCKED,
    COMPARISON,
    ERROR_DETECTORS,
    ESTIMATE_GAP,
    MISSING_LABELS,
    OBJECTIVES,
    SAMPLE_RATIO,
    STALE_BASELINE,
    UNANSWERED,
    rests_on_labels,
)
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.bank import FEATURE_MONITORS, MULTIVARIATE_DRIFT, FeatureBank, monitor_of
from streamgauge.streams.core.comparing import share_of_traffic, verdicts
from streamgauge.streams.core.label_bank import MONITOR as LABEL_DRIFT
from streamgauge.streams.core.limit_reasons import is_limited, of_limit, of_objective
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.traffic_bank import MONITOR as TRAFFIC
from streamgauge.streams.core.versions import Version

_LITTLE = 0.001
#: Streams that have not joined the budget's account: what comes until then they do not judge.
_BEGINS = "its baseline is complete: it begins with the next minute of event time"
#: Of a bank's kinds of streams, those that watch for drift: numbers and categories.
_DRIFTS = (0, 1)


@dataclass(frozen=True, slots=True)
class Reason:
    """`why` in words; `evidence`, of monitors that have some, is the strongest stream's: 1 is an alarm."""

    state: Literal["quiet", "learning", "waiting"]
    why: str
    evidence: float | None = None


def because(monitor: str, model: ModelState, version: Version) -> Reason:
    """Of a monitor that is on, in one version of a model."""
    if not version.last_served_us:
        return Reason("waiting", "no data")
    if version.name in model.judge.labels.missing and rests_on_labels(monitor):
        return Reason("waiting", "labels are missing: until they come nothing is judged")
    if monitor == MISSING_LABELS:
        return _missing_labels(model, version)
    if monitor in FEATURE_MONITORS:
        return _feature(monitor, version)
    if monitor in ("concept_drift", *ERROR_DETECTORS):
        return _errors(monitor, version)
    if monitor == ESTIMATE_GAP:
        return _estimates(version)
    if monitor == "fairness":
        return _fairness(model, version)
    if monitor == LABEL_DRIFT:
        return _labels(version)
    if monitor == TRAFFIC:
        evidence = model.intake.traffic.evidence
        if evidence is None or not evidence.has_band:
            return Reason("learning", f"baseline: {evidence.hours if evidence else 0} of 24 hours")
        return _budget({"": evidence.evidence}, "")
    if monitor in OBJECTIVES and not is_limited(model, monitor):
        return Reason(*of_objective(monitor, model, version))
    if monitor in (COMPARISON, SAMPLE_RATIO):
        return _comparison(monitor, model, version)
    if monitor == UNANSWERED:
        state = model.retrain.state.value
        return Reason("quiet", "no retrain request" if state == "none" else f"the latest request is {state}")
    if monitor == BLOCKED:
        return Reason("quiet", "no request is held back by broken data")
    if monitor == STALE_BASELINE:
        return Reason("quiet", "no drift has lasted a day")
    return Reason(*of_limit(monitor, model, version))


def _feature(monitor: str, version: Version) -> Reason:
    watch = version.watch
    if watch.bank is None:
        if watch.definition.baseline.is_given and watch.learning.rows == 0:
            return Reason("waiting", "its baseline has not come")
        return Reason("learning", f"baseline: {watch.learning.rows:,} of {watch.first:,} predictions")
    if monitor == MULTIVARIATE_DRIFT:
        pairs = watch.bank.pairs
        watched = {pairs.strongest.name: pairs.evidence} if pairs.weight else {}
        return _budget(watched, "no two features to watch together, or too few rows", pairs.is_waiting)
    # from the weakest on: of the streams of one name the strongest counts
    streams = sorted((value, name) for of, name, value in _streams(watch.bank) if of == monitor)
    waiting = watch.bank.features.is_waiting
    found = _budget({name: value for value, name in streams}, "nothing to watch", waiting)
    seasons = watch.bank.seasons() if monitor == "prediction_drift" and found.state == "quiet" else []
    return replace(found, why=f"{found.why}; {_season(seasons[0])}") if seasons else found


def _season(season: Season) -> str:
    """What a stream with a daily cycle is held against, and from when on against the hour of the week."""
    if season.stage == "week":
        return "usual is the same hour of the last two weeks"
    so_far = "the hour before" if season.stage == "hour" else "what the first day's hours were"
    return f"usual is {so_far}, from {format_time(season.weekly_us or 0)[:16]}Z on the same hour of the week"


def _streams(bank: FeatureBank) -> Iterator[tuple[str, str, float]]:
    """(monitor, name, evidence) of every stream that is watched."""
    evidence = iter(bank.features.evidence.tolist())
    for number, (rows, kind) in enumerate(zip(bank.rows, bank.features.kinds, strict=True)):
        for row, weights in zip(rows, kind.bets.weights, strict=True):
            name, value = bank.binner.names[row], next(evidence)
            if weights.any():
                yield monitor_of(name) if number in _DRIFTS else "data_quality", name, value


def _errors(monitor: str, version: Version) -> Reason:
    errors = version.watch.errors
    if errors.profile is None:
        return _learning(errors.rows, errors.first)
    if monitor in ERROR_DETECTORS:
        return Reason("quiet", "River's detector sees no change")
    return _budget(*_strongest(errors.evidence, "its reference changes by itself"))


def _labels(version: Version) -> Reason:
    labels = version.watch.labels
    if labels.binner is None:
        return _learning(labels.rows, labels.first)
    return _budget(*_strongest(labels.evidence, "its reference changes by itself"))


def _missing_labels(model: ModelState, version: Version) -> Reason:
    labels, terms = model.judge.labels, model.definition.labels
    expected_us = labels.expected_us(model.intake.watermark_us, terms)
    if not terms.min_coverage:
        return Reason("waiting", "labels.min_coverage is 0: no label is missed")
    if expected_us is None:
        return Reason("learning", f"when windows get labels of {terms.min_coverage:.0%}, for two days")
    hours = format_duration(expected_us - expected_us % SECOND_US)
    come = "are expected" if version.name in labels.missing else "come"
    return Reason("quiet", f"labels of at least {labels.least(terms):.0%} {come} within {hours}")


def _learning(rows: int, first: int) -> Reason:
    if rows == 0:
        return Reason("waiting", "no labels")
    return Reason("learning", f"baseline: {rows:,} of {first:,} labelled predictions")


def _estimates(version: Version) -> Reason:
    bank, wanted = version.watch.estimates, version.watch.definition.baseline.rows
    if bank.estimator is None:
        if bank.rows == 0:
            return Reason("waiting", "no labels, or no scores to estimate from")
        return Reason("learning", f"estimator: {bank.rows:,} of {wanted:,} labelled predictions")
    return _budget(*_strongest(bank.evidence, "nothing to watch"))


def _strongest(evidence: Sequence[Evidence], nothing: str) -> tuple[dict[str, float], str, bool]:
    watched = [each for each in evidence if each.weight]
    values = {"": max(float(each.evidence.max()) for each in watched)} if watched else {}
    return values, nothing, any(each.is_waiting for each in watched)


def _fairness(model: ModelState, version: Version) -> Reason:
    names = model.intake.names
    if names.pos_label is None:
        return Reason("waiting", "no positive class: set pos_label")
    if not names.groups:
        return Reason("waiting", "no groups in the events")
    return _budget(version.watch.groups.strengths(), "no tolerance, or no event has one of its groups")


def _budget(evidence: Mapping[str, float], nothing: str, waiting: bool = False) -> Reason:
    if not evidence:
        return Reason("waiting", nothing)
    if waiting:
        return Reason("waiting", _BEGINS)
    name, value = max(evidence.items(), key=itemgetter(1))
    what = f", {name}" if name else ""
    much = f"{value:.2g}" if value >= _LITTLE else f"below {_LITTLE}"
    return Reason("quiet", f"within budget: evidence {much} of 1{what}", value)


def _comparison(monitor: str, model: ModelState, version: Version) -> Reason:
    duels = [duel for duel in model.intake.comparisons if duel.terms.challenger == version.name]
    if not duels:
        return Reason("waiting", "it challenges no version")
    if duels[0].start_us is None:
        return Reason("waiting", f"no traffic beside {duels[0].terms.champion} yet")
    if monitor == SAMPLE_RATIO:
        traffic = share_of_traffic(duels[0])
        if traffic is None:
            return Reason("waiting", "no share is declared")
        return Reason("quiet", f"{traffic[0].value:.3g} of the traffic, {duels[0].terms.share} is declared")
    first = verdicts(duels[0], model.judge.naming(model.intake))[0]
    return Reason("quiet", f"{first.metric} against {duels[0].terms.champion}: {first.word}, {first.why}")
