"""What each monitor is promised of the alarm budget, and how small a change it will see for that."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamgauge.detectors.evidence.categorical import CategoricalEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.evidence.reach import least_rate, least_ratio, least_share, least_shift
from streamgauge.schemas.profile import CategoricalProfile, NumericProfile, RateProfile
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
    1,000 events, in words: the median stream's, None where that is not computed."""

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
        for monitor, weight, streams, sees in _monitors(
            version, a_day / served if served else 0.0, a_day / labelled if labelled else 0.0
        ):
            share = weight / total if total else 0.0
            alerts = alerts_of[version.name, monitor]
            found.append(
                MonitorBudget(version.name, monitor, streams, share, share * account.alpha, alerts, sees)
            )
    if intake.traffic.weight and live:
        share = intake.traffic.weight / total
        alerts = sum(alerts_of[version.name, TRAFFIC] for version in live)
        found.append(MonitorBudget(live[-1].name, TRAFFIC, 1, share, share * account.alpha, alerts, None))
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
    errors = watch.errors
    if errors.weight:
        yield "concept_drift", errors.weight, 1, _of_errors(errors._evidence, errors.profile, labelled)
    for name, weight in ((LABEL_DRIFT, watch.labels.weight), ("estimate_gap", watch.estimates.weight)):
        if weight:
            yield name, weight, 1, None
    if watch.groups.weight:
        yield "fairness", watch.groups.weight, len(watch.groups.evidence), None


def _features(bank: FeatureBank, paid: float, rare: float) -> Iterator[tuple[str, float, int, str | None]]:
    weights: dict[str, list[float]] = {}
    sizes: dict[str, dict[str, list[float | None]]] = {}
    for rows, kind in zip(bank._rows, bank._evidence._kinds, strict=True):
        for stream, (row, of_bets) in enumerate(zip(rows, kind.bets.weights, strict=True)):
            name, profile = bank.binner.names[row], bank.binner.profiles[row]
            if not of_bets.any():
                continue
            monitor = "data_quality" if isinstance(kind, RateEvidence) else monitor_of(name)
            weights.setdefault(monitor, []).append(float(of_bets.sum()))
            mine = sizes.setdefault(monitor, {})
            if isinstance(kind, NumericEvidence) and isinstance(profile, NumericProfile):
                mine.setdefault("a shift of {:.2f} sd", []).append(
                    least_shift(profile, kind.bets, stream, paid)
                )
                mine.setdefault("a spread × {:.2f}", []).append(least_ratio(profile, kind.bets, stream, paid))
            elif isinstance(kind, CategoricalEvidence) and isinstance(profile, CategoricalProfile):
                mine.setdefault("the commonest category + {:.3f}", []).append(
                    _of_category(profile, kind, stream, paid)
                )
            elif isinstance(kind, RateEvidence):
                rate = kind._profiles[stream]
                least = least_rate(rate, kind.bets, stream, paid)
                mine.setdefault("a rate + {:.3f}", []).append(
                    None if least is None else least - rate.k / rate.n
                )
    if rare:
        weights.setdefault("data_quality", []).append(rare)
    if bank._repeats.weight:
        weights.setdefault("data_quality", []).append(bank._repeats.weight)
    for monitor, found in weights.items():
        yield monitor, sum(found), len(found), _in_words(sizes.get(monitor, {}))
    if bank.pairs.weight:
        yield "multivariate_drift", bank.pairs.weight, 1, None


def _of_category(
    profile: CategoricalProfile, kind: CategoricalEvidence, stream: int, paid: float
) -> float | None:
    shares = np.zeros(kind.bets.log_factors.shape[1])
    places = np.minimum(np.arange(len(profile.counts)), len(shares) - 2)
    np.add.at(shares, places, np.array(profile.counts) / profile.n)
    least = least_share(shares, 0, kind.bets, stream, paid)
    return None if least is None else least - float(shares[0])


def _of_errors(
    evidence: NumericEvidence | RateEvidence | None,
    profile: NumericProfile | RateProfile | None,
    paid: float,
) -> str | None:
    if isinstance(evidence, RateEvidence) and isinstance(profile, RateProfile):
        least = least_rate(profile, evidence.bets, 0, paid)
        return None if least is None else f"errors {profile.k / profile.n:.3f} → {least:.3f}"
    if isinstance(evidence, NumericEvidence) and isinstance(profile, NumericProfile):
        return _in_words({"a shift of {:.2f} sd": [least_shift(profile, evidence.bets, 0, paid)]})
    return None


def _in_words(sizes: dict[str, list[float | None]]) -> str | None:
    """The median of each size; "nothing" where half of the streams would see none within their events."""
    told = []
    for words, found in sizes.items():
        median = sorted(np.inf if size is None else size for size in found)[len(found) // 2]
        if np.isfinite(median):
            told.append(words.format(median))
    return ", ".join(told) or ("nothing" if sizes else None)
