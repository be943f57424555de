"""What each monitor is promised of the alarm budget, and how small a change it will see for that."""

from collections.abc import Iterator
from dataclasses import dataclass

from streamgauge.detectors.evidence.categorical import CategoricalEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.streams.core import sees
from streamgauge.streams.core.bank import FeatureBank, monitor_of
from streamgauge.streams.core.label_bank import MONITOR as LABEL_DRIFT
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.spending import opened
from streamgauge.streams.core.traffic_bank import MONITOR as TRAFFIC
from streamgauge.streams.core.versions import Version

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class MonitorBudget:
    """One monitor of one version: its streams and their share of the model's budget, the false alarms that
    they are promised per horizon, the alerts it opened, and the smallest change its streams will see within
    1,000 events, in words: the median stream's; None where it has none that is watched for sizes."""

    version: str
    monitor: str
    streams: int
    share: float
    promised: float
    alerts: int
    sees: str | None


@dataclass(frozen=True, slots=True)
class ModelBudget:
    """One model: false alarms promised per horizon and paid for so far, and the budget alerts it opened."""

    model: str
    promised: float
    horizon_days: float
    paid: float
    alerts: int
    monitors: tuple[MonitorBudget, ...]


def budget_of(model: ModelState, per_day: float | None = None) -> ModelBudget:
    """A look that changes nothing. `per_day` is how many predictions a version gets, if not what it got."""
    account, intake = model.account, model.intake
    live = [version for version in intake.versions.values() if not intake.superseded(version)]
    total = intake.traffic.weight + sum(version.watch.weight for version in live)
    days = account.elapsed_us / _DAY_US
    counts = intake.join.counts
    served = per_day or (counts["predictions"] / len(live) / days if live and days else 0.0)
    labelled = served * (counts["labelled"] / max(counts["predictions"], 1) if per_day is None else 1.0)
    a_day = account.alpha * _DAY_US / account.horizon_us / total if total else 0.0
    found, alerts_of = [], opened(model)
    for version in live:
        for monitor, weight, streams, told in _monitors(
            version, a_day / served if served else 0.0, a_day / labelled if labelled else 0.0
        ):
            share = weight / total if total else 0.0
            alerts = alerts_of[version.name, monitor]
            found.append(
                MonitorBudget(version.name, monitor, streams, share, share * account.alpha, alerts, told)
            )
    if intake.traffic.weight and live:
        share = intake.traffic.weight / total
        alerts = sum(alerts_of[version.name, TRAFFIC] for version in live)
        seen = sees.of_traffic(intake.traffic.evidence, a_day)
        found.append(MonitorBudget(live[-1].name, TRAFFIC, 1, share, share * account.alpha, alerts, seen))
    everything = alerts_of.total()
    horizon_days = account.horizon_us / _DAY_US
    return ModelBudget(
        model.definition.model, account.alpha, horizon_days, account.paid_in_all, everything, tuple(found)
    )


def _monitors(
    version: Version, served: float, labelled: float
) -> Iterator[tuple[str, float, int, str | None]]:
    """(monitor, weight, streams, what it sees), given what is paid by prediction and by label."""
    watch = version.watch
    if watch.bank is not None:
        yield from _features(watch.bank, served, watch.quality.weight)
    errors, labels, estimates, groups = watch.errors, watch.labels, watch.estimates, watch.groups
    if errors.weight:
        [of_errors] = errors.evidence
        yield "concept_drift", errors.weight, 1, sees.of_errors(of_errors, errors.profile, labelled)
    if labels.weight and labels.profile is not None:
        [of_labels] = labels.evidence
        told = sees.in_words([sees.of_feature(labels.profile, of_labels, 0, labelled)])
        yield LABEL_DRIFT, labels.weight, 1, told
    if estimates.weight:
        [of_estimates] = estimates.evidence
        yield "estimate_gap", estimates.weight, 1, sees.of_estimate(of_estimates, labelled)
    if groups.weight:
        yield (
            "fairness",
            groups.weight,
            len(groups.evidence),
            sees.of_groups(groups.by_rate(), served, labelled),
        )


def _features(bank: FeatureBank, paid: float, rare: float) -> Iterator[tuple[str, float, int, str | None]]:
    weights: dict[str, list[float]] = {}
    sizes: dict[str, list[dict[str, float | None]]] = {}
    for rows, kind in zip(bank.rows, bank.features.kinds, strict=True):
        for stream, (row, of_bets) in enumerate(zip(rows, kind.bets.weights, strict=True)):
            if not of_bets.any():
                continue
            name, profile = bank.binner.names[row], bank.binner.profiles[row]
            monitor = "data_quality" if isinstance(kind, RateEvidence) else monitor_of(name)
            weights.setdefault(monitor, []).append(float(of_bets.sum()))
            if isinstance(kind, RateEvidence):
                seen = sees.of_rate(kind.profiles[stream], kind, stream, paid)
            else:
                assert isinstance(kind, NumericEvidence | CategoricalEvidence)
                seen = sees.of_feature(profile, kind, stream, paid)
            sizes.setdefault(monitor, []).append(seen)
    if rare:
        weights.setdefault("data_quality", []).append(rare)
    if bank.repeats.weight:
        weights.setdefault("data_quality", []).append(bank.repeats.weight)
    for monitor, found in weights.items():
        yield monitor, sum(found), len(found), sees.in_words(sizes.get(monitor, []))
    if bank.pairs.weight:
        yield "multivariate_drift", bank.pairs.weight, 1, sees.of_pairs(bank.pairs, paid)
