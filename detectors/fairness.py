"""`GroupCounts` and how differently a classifier treats the groups of one protected attribute."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np
from scipy import special

from streamgauge.detectors.estimate import Estimate, State
from streamgauge.detectors.intervals import Z95, agresti_caffo, proportion
from streamgauge.detectors.sparse_counts import SparseCounts
from streamgauge.schemas.batch import Bools, Codes, Ints


class GroupCounts:
    """Predictions by group and class, and labelled pairs by group, true and predicted class.

    Negative codes mean missing and are ignored.

    >>> counts = GroupCounts()
    >>> counts.update_predictions(np.array([0, 1], np.int32), np.array([1, 0], np.int32))
    >>> [column.tolist() for column in counts.predicted.codes(2)]
    [[0, 1], [1, 0]]
    """

    __slots__ = ("confusion", "predicted")

    def __init__(self) -> None:
        self.predicted = SparseCounts()
        self.confusion = SparseCounts()

    def update_predictions(self, group_codes: Codes, pred_codes: Codes) -> None:
        """Count predictions, int (n,) each."""
        self.predicted.add_codes((group_codes, pred_codes), 1)

    def update_labels(self, group_codes: Codes, true_codes: Codes, pred_codes: Codes) -> None:
        """Count labelled pairs, int (n,) each."""
        self.confusion.add_codes((group_codes, true_codes, pred_codes), 1)

    def subtract_labels(self, group_codes: Codes, true_codes: Codes, pred_codes: Codes) -> None:
        """Take back labelled pairs that were counted before."""
        self.confusion.add_codes((group_codes, true_codes, pred_codes), -1)

    def merge(self, other: "GroupCounts") -> None:
        """As if `other`'s events had been counted here too; both must use the same codes."""
        self.predicted.merge(other.predicted)
        self.confusion.merge(other.confusion)

    def to_state(self) -> State:
        """The same for the same counts, however they came about."""
        return {"predicted": self.predicted.to_state(), "confusion": self.confusion.to_state()}

    @classmethod
    def from_state(cls, state: State) -> "GroupCounts":
        """What `to_state` gave."""
        counts = cls()
        counts.predicted = SparseCounts.from_state(state["predicted"])
        counts.confusion = SparseCounts.from_state(state["confusion"])
        return counts


@dataclass(frozen=True, slots=True)
class _Rate:
    """`hits` of `totals` for each group, of which `effects` say as much as one independent one."""

    hits: list[int]
    totals: list[int]
    effects: Sequence[float] | None = None

    def among(self, min_n: int) -> list[int]:
        """The groups whose rate rests on at least `min_n` events."""
        return [group for group, n in enumerate(self.totals) if n >= max(min_n, 1)]


class GroupRates:
    """The rates of each group, and how much they differ: without labels that of who is selected, `labelled`
    the others. They are worked out once, when they are first asked for. `effects` are those of
    `group_effects`, of events that depend on each other.

    >>> counts = GroupCounts()
    >>> counts.update_predictions(np.array([0] * 4 + [1] * 4), np.array([0, 0, 1, 1, 0, 1, 1, 1]))
    >>> rates = GroupRates(counts, ["f", "m"], ["no", "yes"], "yes", min_n=4)
    >>> [estimate.value for estimate in rates.by_group(labelled=False)["selection_rate"].values()]
    [0.5, 0.75]
    """

    def __init__(
        self,
        counts: GroupCounts,
        groups: Sequence[str],
        classes: Sequence[str],
        pos_label: str,
        min_n: int,
        effects: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self._counts, self._groups, self._min_n = counts, groups, min_n
        self._effects = effects or {}
        self._positive = list(classes).index(pos_label) if pos_label in classes else -1

    def differences(self, *, labelled: bool) -> dict[str, Estimate]:
        """As `fairness_metrics`, those that rest on labels or those that don't."""
        if not labelled:
            selection = self._served["selection_rate"]
            return {
                "demographic_parity_difference": _difference(selection, self._min_n),
                "demographic_parity_ratio": _ratio(selection, self._min_n),
            }
        true_positive, false_positive, precision = (
            _difference(rate, self._min_n) for rate in self._labelled.values()
        )
        return {
            "equalized_odds_difference": _larger(true_positive, false_positive),
            "equal_opportunity_difference": true_positive,
            "predictive_parity_difference": precision,
            "false_positive_rate_difference": false_positive,
        }

    def by_group(self, *, labelled: bool) -> dict[str, dict[str, Estimate]]:
        """Metric → group → rate, likewise, of each group that was seen.

        A rate that rests on fewer than `min_n` events has no value, only its `n`.
        """
        rates = self._labelled if labelled else self._served
        seen = [i for i, n in enumerate(self._served["selection_rate"].totals) if n]
        return {
            name: {self._groups[i]: self._estimate(rate.hits[i], rate.totals[i]) for i in seen}
            for name, rate in rates.items()
        }

    def _estimate(self, k: int, n: int) -> Estimate:
        return proportion(k, n) if n >= max(self._min_n, 1) else Estimate.undefined(n)

    @cached_property
    def _served(self) -> dict[str, _Rate]:
        group, said = self._counts.predicted.codes(2)
        n = self._counts.predicted.counts
        return {"selection_rate": self._rate("selection_rate", group, n, said == self._positive)}

    @cached_property
    def _labelled(self) -> dict[str, _Rate]:
        group, true, chosen = self._counts.confusion.codes(3)
        n = self._counts.confusion.counts
        is_true, is_chosen = true == self._positive, chosen == self._positive
        return {
            name: self._rate(name, group[among], n[among], hit[among])
            for name, hit, among in (
                ("true_positive_rate", is_chosen, is_true),
                ("false_positive_rate", is_chosen, ~is_true),
                ("precision", is_true, is_chosen),
            )
        }

    def _rate(self, name: str, group: Ints, n: Ints, hit: Bools) -> _Rate:
        size = len(self._groups)
        hits, totals = _by_group(group[hit], n[hit], size).tolist(), _by_group(group, n, size).tolist()
        return _Rate(hits, totals, self._effects.get(name))

    def counted(self, *, labelled: bool) -> dict[str, tuple[list[int], list[int]]]:
        """Rate → hits and totals of each group, likewise."""
        rates = self._labelled if labelled else self._served
        return {name: (rate.hits, rate.totals) for name, rate in rates.items()}


def fairness_metrics(
    counts: GroupCounts, groups: Sequence[str], classes: Sequence[str], pos_label: str | None, min_n: int
) -> dict[str, Estimate]:
    """Differences and ratio between the groups, as fairlearn defines them: max − min, min / max.

    `groups` and `classes` name the codes. Each rate is compared over the groups in which it rests on at least
    `min_n` events (true positive rate: on that many positives); with fewer than two such groups the metric
    is undefined, and so is the ratio where nobody is selected. Empty without `pos_label`.

    The maximum over groups is biased upwards, so the lower bound is the greatest over pairs of groups of
    d − z·se with z corrected for the number of pairs, and the upper one of d + 1.96·se, se by Agresti & Caffo
    (coverage .96–1.00; a delta interval as low as .40). `n` counts the events of the compared groups.

    >>> counts = GroupCounts()
    >>> counts.update_predictions(np.array([0] * 4 + [1] * 4), np.array([0, 0, 1, 1, 0, 1, 1, 1]))
    >>> fairness_metrics(counts, ["f", "m"], ["no", "yes"], "yes", 4)["demographic_parity_difference"].value
    0.25
    """
    if pos_label is None:
        return {}
    rates = GroupRates(counts, groups, classes, pos_label, min_n)
    return rates.differences(labelled=False) | rates.differences(labelled=True)


def _by_group(group: Ints, counts: Ints, n_groups: int) -> Ints:
    """Sums of counts, int64 (groups,); float64 holds them exactly."""
    return np.bincount(group, counts, n_groups).astype(np.int64)


def _difference(rate: _Rate, min_n: int) -> Estimate:
    compared = rate.among(min_n)
    n = sum(rate.totals[i] for i in compared)
    if len(compared) < 2:
        return Estimate.undefined(n)
    shares = [rate.hits[i] / rate.totals[i] for i in compared]
    value = max(shares) - min(shares)
    low, high = _over_pairs(rate, compared, agresti_caffo)
    return Estimate(value, max(0.0, min(low, value)), min(1.0, max(high, value)), n)


def _ratio(rate: _Rate, min_n: int) -> Estimate:
    compared = rate.among(min_n)
    n = sum(rate.totals[i] for i in compared)
    shares = [rate.hits[i] / rate.totals[i] for i in compared]
    if len(compared) < 2 or max(shares) == 0:
        return Estimate.undefined(n)
    value = min(shares) / max(shares)
    low, high = _over_pairs(rate, compared, _log_ratio)
    return Estimate(value, min(math.exp(-high), value), min(1.0, max(math.exp(-low), value)), n)


def _over_pairs(
    rate: _Rate, compared: list[int], contrast: Callable[[float, float, float, float], tuple[float, float]]
) -> tuple[float, float]:
    """The greatest lower and the greatest upper bound of `contrast` over ordered pairs of groups."""
    hits: Sequence[float] = rate.hits
    totals: Sequence[float] = rate.totals
    if rate.effects is not None:
        hits, totals = (
            [n / effect for n, effect in zip(of, rate.effects, strict=True)] for of in (hits, totals)
        )
    pairs = len(compared) * (len(compared) - 1)
    z = float(special.ndtri(1 - 0.025 / pairs))
    contrasts = [contrast(hits[i], totals[i], hits[j], totals[j]) for i, j in permutations(compared, 2)]
    return max(d - z * se for d, se in contrasts), max(d + Z95 * se for d, se in contrasts)


def _log_ratio(k1: float, n1: float, k2: float, n2: float) -> tuple[float, float]:
    """ln(p₁ / p₂) and its standard error with ½ added to each count (Walter 1975)."""
    se = math.sqrt(1 / (k1 + 0.5) - 1 / (n1 + 0.5) + 1 / (k2 + 0.5) - 1 / (n2 + 0.5))
    return math.log((k1 + 0.5) / (n1 + 0.5)) - math.log((k2 + 0.5) / (n2 + 0.5)), se


def _larger(a: Estimate, b: Estimate) -> Estimate:
    """The larger of two differences; its bounds are the larger bounds. Undefined unless both are defined."""
    if a.value is None or b.value is None:
        return Estimate.undefined(a.n + b.n)
    low, high = max(a.low or 0.0, b.low or 0.0), max(a.high or 0.0, b.high or 0.0)
    return Estimate(max(a.value, b.value), low, high, a.n + b.n)
