"""How often intervals hold the truth where events depend on each other, through the whole core."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamgauge.detectors.dependence import effect_between, rate_effect
from streamgauge.detectors.fairness import GroupCounts
from streamgauge.detectors.group_dependence import group_effects
from streamgauge.detectors.intervals import proportion
from streamgauge.schemas.batch import Categories, GroundTruthBatch, PredictionBatch
from streamgauge.schemas.encode import encode_ground_truth_batch, encode_prediction_batch
from streamgauge.schemas.message import ALERTS, GROUND_TRUTH, METRICS, PREDICTIONS, Message
from streamgauge.schemas.monitor import Fleet
from streamgauge.schemas.profile import CategoricalProfile, RateProfile
from tests.core.scenario import START_US, Feed, Run, define

WINDOW_US = 60_000_000
A_WINDOW = 500
#: Of a chain of 0 and 1 with this autocorrelation, 5.7 events say as much as one: (1 + .7) / (1 − .7).
BURSTS, EFFECT = 0.7, 1.7 / 0.3
MONITORS = ("drift", "prediction_drift", "data_quality", "concept_drift", "label_drift", "fairness",
            "estimate_gap", "multivariate_drift", "missing_labels")  # fmt: skip
Rng = np.random.Generator


def only(*kept: str) -> dict[str, Any]:
    return {monitor: {"enabled": monitor in kept} for monitor in MONITORS}


class Bursts:
    """A model whose missing, impossible and wrong values come in bursts, and whose groups are treated so."""

    def __init__(self, seed: int, autocorrelation: float = BURSTS, **definition: Any) -> None:
        self.rng, self.autocorrelation = np.random.default_rng(seed), autocorrelation
        self.run, self.feed, self.windows = Run(Fleet(models=1, streams=20)), Feed(), 0
        self.labels: list[Message] = []
        self._last: dict[str, bool] = {}
        terms = {
            "task": "binary",
            "pos_label": "yes",
            "baseline": {"first": 3_000},
            "labels": {"ttl": "2h", "min_coverage": 0.3},
            "features": {"size": {"min": 0.0, "max": 1.0}},
        }
        self.run.apply(self.feed.definitions([define("m", **terms, **definition)]))

    def tell(
        self,
        windows: int,
        missing: float = 0.1,
        outside: float = 0.1,
        rates: tuple[float, float] = (0.3, 0.3),
        wrong: float = 0.1,
    ) -> "Bursts":
        n, rng = A_WINDOW, self.rng
        for _ in range(windows):
            age = np.where(self._chain("missing", n, missing), np.nan, rng.normal(size=n))
            size = np.where(self._chain("outside", n, outside), 2.0, rng.random(n))
            sex = rng.integers(0, 2, n).astype(np.int32)
            selected = np.zeros(n, np.bool_)
            for group, rate in enumerate(rates):
                mine = sex == group
                selected[mine] = self._chain(f"group {group}", int(mine.sum()), rate)
            label = selected ^ self._chain("wrong", n, wrong)
            time_us = START_US + self.windows * WINDOW_US + np.sort(rng.integers(0, WINDOW_US, n))
            ids = np.frombuffer(rng.bytes(16 * n), "S16")
            batch = PredictionBatch(
                model="m",
                version="7",
                ids=ids,
                time_us=time_us,
                prediction=Categories(selected.astype(np.int32), ("no", "yes")),
                score=np.where(selected, 0.9, 0.1),
                failed=np.zeros(n, np.bool_),
                latency_ms=np.full(n, 5.0),
                features={"age": age, "size": size},
                groups={"sex": Categories(sex, ("f", "m"))},
            )
            self.run.apply([self.feed.message(PREDICTIONS, encode_prediction_batch(batch)), *self.labels])
            answers = Categories(label.astype(np.int32), ("no", "yes"))
            none, no = np.zeros(n, np.int32), np.zeros(n, np.bool_)
            labels = GroundTruthBatch("m", ids, time_us + WINDOW_US // 2, answers, none, no)
            self.labels = [self.feed.message(GROUND_TRUTH, encode_ground_truth_batch(labels))]
            self.run.commit()
            self.windows += 1
        return self

    def _chain(self, name: str, n: int, share: float) -> NDArray[np.bool_]:
        """0 and 1 of a Markov chain that goes on where it was: this share of 1, this autocorrelation."""
        leaves = (1 - self.autocorrelation) * np.array([share, 1 - share])
        draws, found = self.rng.random(n), np.zeros(n, np.bool_)
        state = self._last.get(name, bool(self.rng.random() < share))
        for i, draw in enumerate(draws.tolist()):
            state = state != (draw < leaves[int(state)])
            found[i] = state
        self._last[name] = bool(found[-1])
        return found

    def alert(self, monitor: str) -> Any:
        return next(a for a in self.run.records(ALERTS) if a["monitor"] == monitor)


def share_that_holds(metric: str, truth: float, records: list[Any]) -> float:
    told = [r for r in records if r["metric"] == metric and r["low"] is not None]
    return float(np.mean([r["low"] <= truth <= r["high"] for r in told]))


@pytest.mark.parametrize("autocorrelation", [0.0, BURSTS])
def test_rates_of_windows_hold_the_truth_also_when_bad_values_come_in_bursts(autocorrelation: float) -> None:
    """Of 212 windows each; it was 62 % of them that did."""
    records: list[Any] = []
    for seed in range(4):
        records += Bursts(seed, autocorrelation, monitors=only()).tell(59).run.records(METRICS)
    bad = [r for r in records if r["feature"] in ("age", "size")]
    age, size = ([r for r in bad if r["feature"] == name] for name in ("age", "size"))
    assert share_that_holds("missing_rate", 0.1, age) >= 0.9
    assert share_that_holds("out_of_range_rate", 0.1, size) >= 0.9


#: By monitor: the change, and the width that the interval had if events were independent.
ALERTING: dict[str, tuple[dict[str, Any], Callable[[Any], float]]] = {
    "data_quality": ({"missing": 0.3}, lambda a: width(proportion(round(a["value"] * a["n"]), a["n"]))),
    "estimate_gap": ({"wrong": 0.3}, lambda a: width(proportion(round(a["value"] * a["n"]), a["n"]))),
    # two groups of half as many each, at .2 and .6
    "fairness": ({"rates": (0.2, 0.6)}, lambda a: 2 * 1.96 * math.sqrt((0.16 + 0.24) / (a["n"] / 2))),
}


def width(estimate: Any) -> float:
    return estimate.high - estimate.low


@pytest.mark.parametrize("monitor", ALERTING)
def test_the_interval_of_an_alert_is_as_much_wider_as_events_depend_on_each_other(monitor: str) -> None:
    change, independent = ALERTING[monitor]
    wider = []
    for autocorrelation in (0.0, BURSTS):
        told = Bursts(2, autocorrelation, monitors=only(monitor)).tell(30).tell(10, **change)
        alert = told.alert(monitor)
        wider.append((alert["high"] - alert["low"]) / independent(alert))
    assert wider[0] == pytest.approx(1.0, abs=0.25)
    assert wider[1] == pytest.approx(EFFECT**0.5, rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("monitor", "change", "truth"),
    [
        ("data_quality", {"missing": 0.3}, 0.3),
        ("data_quality", {"outside": 0.3}, 0.3),
        ("estimate_gap", {"wrong": 0.3}, 0.7),
        ("concept_drift", {"wrong": 0.3}, 0.3),
        ("fairness", {"rates": (0.2, 0.6)}, 0.4),
    ],
)
def test_the_interval_of_an_alert_holds_the_truth_as_a_rule(
    monitor: str, change: dict[str, Any], truth: float
) -> None:
    """In 24 of 30 alerts at least: the onset that an alert chooses is where the value is far off."""
    held, seeds = 0, 30
    for seed in range(seeds):
        told = Bursts(seed, monitors=only(monitor)).tell(30).tell(12, **change)
        alert = told.alert(monitor)
        held += alert["low"] <= truth <= alert["high"]
    assert held >= 24


def test_windows_tell_how_dependent_their_events_are() -> None:
    rng = np.random.default_rng(0)
    totals = np.full((200, 3), 400)
    alone = rng.binomial(400, 0.3, 200)
    in_fives = 5 * rng.binomial(80, 0.3, 200)
    slowly = rng.binomial(400, 0.3 + 0.1 * np.sin(np.arange(200) / 20))
    found = effect_between(np.stack([alone, in_fives, slowly], axis=1), totals)
    assert found[0] == pytest.approx(1.0, abs=0.2)
    assert found[1] == pytest.approx(5.0, rel=0.3)
    assert found[2] == pytest.approx(1.0, abs=0.3)


def test_a_step_between_windows_is_left_out_with_the_window_that_it_lies_in() -> None:
    rng = np.random.default_rng(0)
    hits = np.concatenate([rng.binomial(400, 0.2, 20), [120], rng.binomial(400, 0.6, 20)])[:, None]
    totals = np.full((41, 1), 400)
    assert effect_between(hits, totals)[0] > 3
    totals[20] = hits[20] = 0
    assert effect_between(hits, totals)[0] < 1.6


@pytest.mark.parametrize("windows", [0, 1, 2, 8])
def test_a_few_windows_tell_nothing(windows: int) -> None:
    hits = np.tile([[0], [400]], (5, 1))[:windows]
    assert effect_between(hits, np.full((windows, 1), 400)).tolist() == [1.0]


def test_rates_that_never_vary_depend_on_nothing() -> None:
    counts = np.full((20, 2), 50)
    assert effect_between(np.stack([counts[:, 0], 0 * counts[:, 1]], axis=1), counts).tolist() == [1.0, 1.0]


def test_a_group_that_windows_lack_is_not_known() -> None:
    counts = GroupCounts()
    counts.update_predictions(np.zeros(50, np.int32), np.arange(50) % 2)
    windows, names = [counts, None] * 20, (["f", "m"], ["no", "yes"], "yes")
    assert group_effects(windows, *names, labelled=False) == {"selection_rate": [1.0, 1.0]}
    by_labels = group_effects(windows, *names, labelled=True)
    assert by_labels == {
        rate: [1.0, 1.0] for rate in ("true_positive_rate", "false_positive_rate", "precision")
    }
    assert group_effects([], *names, labelled=False) == {}


def test_what_a_reference_never_had_depends_on_nothing_that_is_known() -> None:
    novelty = (RateProfile(3, 80, 2.5), RateProfile(1, 50), RateProfile(0, 20))
    profile = CategoricalProfile(100, ("a",), (100,), novelty=novelty, missing=RateProfile(0, 100))
    assert rate_effect(profile, "unseen_category_rate") == 2.5
    assert rate_effect(profile, "missing_rate") == 1.0
    assert rate_effect(profile, "psi") == rate_effect(profile, "out_of_range_rate") == 1.0
