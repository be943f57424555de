"""What a comparison says by now: who is better, by how much, and whether the traffic is as declared."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from streamgauge.detectors.comparison import (
    CUT,
    MIN_EVENTS,
    MIN_OUTCOMES,
    Difference,
    cut_mean,
    difference,
    share_evidence,
)
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import proportion
from streamgauge.detectors.log_histogram import LogHistogram
from streamgauge.schemas.message import METRICS, Output
from streamgauge.schemas.monitor_comparison import better
from streamgauge.schemas.monitor_names import COMPARISON, SAMPLE_RATIO, rests_on_labels
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.comparisons import Arm, Duel
from streamgauge.streams.core.findings import Finding
from streamgauge.streams.core.following import follow
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.judge import Judge
from streamgauge.streams.core.reports import Naming, built_in_metrics

_PROPORTIONS = ("accuracy", "zero_one_loss", "precision", "recall", "failure_rate")
#: The chance that traffic as declared is ever said to be otherwise.
_RATIO_ALPHA = 0.01


@dataclass(frozen=True, slots=True)
class Verdict:
    """By one metric. `word` is of the challenger; `why` says in words what `difference` says, or lacks."""

    metric: str
    champion: Estimate
    challenger: Estimate
    difference: Difference | None
    word: Literal["better", "worse", "undecided"]
    why: str


def verdicts(duel: Duel, naming: Naming) -> list[Verdict]:
    """One by each metric that the comparison is about, in their order."""
    if duel.start_us is None:
        return []
    first, second = (duel.arms[version] for version in duel.versions)
    cuts = first.bag.latency.quantile(CUT), first.errors.quantile(CUT)
    measured = [_measure(arm, naming, cuts) for arm in (first, second)]
    found = []
    for metric in duel.terms.metrics or (_default(first, naming),):
        champion, challenger = (values.get(metric, Estimate.undefined()) for values in measured)
        lacks = _lacks(metric, (champion, challenger), (first, second), duel.versions)
        apart = None if lacks else difference(champion, challenger, duel.terms.alpha)
        if apart is None:
            found.append(Verdict(metric, champion, challenger, None, "undecided", lacks or "undefined"))
            continue
        side = apart.sign * (better(metric) or 0)
        word: Literal["better", "worse", "undecided"] = (
            "better" if side > 0 else "worse" if side < 0 else "undecided"
        )
        why = f"{apart.value:+.4g} ({apart.low:+.4g} to {apart.high:+.4g})"
        found.append(Verdict(metric, champion, challenger, apart, word, why))
    return found


def share_of_traffic(duel: Duel) -> tuple[Estimate, float] | None:
    """The challenger's share, and ln of the evidence that it is not as declared (ln 100 is an alarm)."""
    if duel.terms.share is None or duel.start_us is None:
        return None
    first, second = (duel.arms[version].bag.n for version in duel.versions)
    return proportion(second, first + second), share_evidence(first, second, duel.terms.share)


def compare(intake: Intake, book: AlertBook, judge: Judge, software: str) -> list[Output]:
    """Once a window: what each says, and an alert where a challenger is worse or gets a wrong share."""
    outputs: list[Output] = []
    naming = judge.naming(intake)
    for duel in intake.comparisons:
        end_us = intake.watermark_us - intake.watermark_us % intake.definition.window
        if duel.start_us is None or end_us <= max(duel.told_us, duel.start_us):
            continue
        duel.told, duel.told_us = duel.told + 1, end_us
        found = verdicts(duel, naming)
        outputs += [_record(intake, duel, verdict) for verdict in found]
        challenger = duel.terms.challenger
        for monitor, finding in _findings(duel, found):
            if finding and challenger in judge.labels.missing and rests_on_labels(finding.metric):
                continue
            outputs += follow(book, challenger, monitor, finding, intake.now_us, intake.definition, software)
    return outputs


def over(challengers: Iterable[str], book: AlertBook, actor: str, now_us: int) -> list[Output]:
    """Comparisons of these ended, as somebody changed their terms: so do their alerts."""
    monitors = (COMPARISON, SAMPLE_RATIO)
    return [output for name in sorted(challengers) for output in book.rebased(name, monitors, now_us, actor)]


def _measure(arm: Arm, naming: Naming, cuts: tuple[float | None, float | None]) -> dict[str, Estimate]:
    metrics = {"failure_rate": proportion(arm.bag.failed, arm.bag.n)}
    metrics["latency_mean_ms"] = _cut(arm.bag.latency, cuts[0])
    if arm.bag.was_labelled:
        metrics |= built_in_metrics(arm.bag, naming)
        if not arm.bag.classes and not naming.ks:
            metrics["mean_absolute_error"] = _cut(arm.errors, cuts[1])
    return metrics


def _cut(histogram: LogHistogram, cut: float | None) -> Estimate:
    return Estimate.undefined() if cut is None else cut_mean(histogram, cut)


def _default(arm: Arm, naming: Naming) -> str:
    if naming.ks:
        return f"ndcg_at_{naming.ks[0]}"
    return "accuracy" if arm.bag.classes else "mean_absolute_error"


def _lacks(
    metric: str, estimates: tuple[Estimate, Estimate], arms: tuple[Arm, Arm], versions: tuple[str, str]
) -> str | None:
    """What is missing for a verdict, in words."""
    for estimate, arm, version in zip(estimates, arms, versions, strict=True):
        if estimate.value is None or estimate.n < MIN_EVENTS:
            return f"too few: {estimate.n:,} of {MIN_EVENTS} events of {version}"
        rarest = _rarest(metric, estimate, arm)
        if rarest < MIN_OUTCOMES:
            return f"too few: {rarest} of {MIN_OUTCOMES} of the rarer outcome of {version}"
    return None


def _rarest(metric: str, estimate: Estimate, arm: Arm) -> int:
    """How often the rarer outcome came: hits and misses of a proportion, true classes of other metrics."""
    if metric in _PROPORTIONS:
        hits = round((estimate.value or 0.0) * estimate.n)
        return min(hits, estimate.n - hits)
    if not arm.bag.classes or metric == "latency_mean_ms":
        return MIN_OUTCOMES
    true = arm.bag.confusion.used()[1].sum(axis=1)
    return int(true[true > 0].min(initial=0)) if (true > 0).sum() > 1 else 0


def _findings(duel: Duel, found: list[Verdict]) -> Iterator[tuple[str, Finding | None]]:
    worse = next((verdict for verdict in found if verdict.word == "worse"), None)
    finding = None
    if worse is not None and worse.difference is not None:
        apart = worse.difference
        finding = Finding(
            COMPARISON, worse.metric, "warning", value=worse.challenger.value, low=worse.challenger.low,
            high=worse.challenger.high, baseline=worse.champion.value, n=apart.n, onset_us=duel.start_us,
            compared_with=duel.terms.champion,
        )  # fmt: skip
    yield COMPARISON, finding
    traffic = share_of_traffic(duel)
    if traffic is None:
        return
    share, evidence = traffic
    finding = None
    if evidence >= -math.log(_RATIO_ALPHA):
        finding = Finding(
            SAMPLE_RATIO, "sample_ratio", "warning", value=share.value, low=share.low, high=share.high,
            baseline=duel.terms.share, n=share.n, onset_us=duel.start_us, compared_with=duel.terms.champion,
            evidence=math.exp(min(evidence, 700.0)), evidence_threshold=1 / _RATIO_ALPHA,
        )  # fmt: skip
    yield SAMPLE_RATIO, finding


def _record(intake: Intake, duel: Duel, verdict: Verdict) -> Output:
    apart = verdict.difference
    record: dict[str, Any] = {
        "model": intake.definition.model,
        "version": duel.terms.challenger,
        "segment": {},
        "window": {"start": format_time(duel.start_us or 0), "end": format_time(duel.told_us)},
        "metric": verdict.metric + "_difference",
        "feature": None,
        "group": None,
        "class": None,
        "value": None if apart is None else apart.value,
        "low": None if apart is None else apart.low,
        "high": None if apart is None else apart.high,
        "n": verdict.champion.n + verdict.challenger.n,
        "coverage": None,
        "status": "provisional" if verdict.word == "undecided" else "final",
        "revision": duel.told - 1,
        "compared_with": duel.terms.champion,
        "verdict": verdict.word,
    }
    return Output(METRICS, intake.definition.model.encode(), record)
