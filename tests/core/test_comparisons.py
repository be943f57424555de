"""Two versions over the same traffic: what is counted, what is said of it, and when."""

import math
from typing import Any

import numpy as np
import pytest

from streamgauge.detectors.comparison import MIN_EVENTS, cut_mean, difference, share_evidence
from streamgauge.detectors.estimate import Estimate
from streamgauge.detectors.intervals import mean_estimate, proportion
from streamgauge.detectors.log_histogram import LogHistogram
from streamgauge.schemas.message import ALERTS, GROUND_TRUTH, METRICS, PREDICTIONS
from streamgauge.schemas.monitor import MonitorDefinition
from tests.core.scenario import SECOND_US, START_US, Feed, Run, define

MINUTE_US = 60 * SECOND_US


BLOCK = 100


def events(rng: np.random.Generator, n: int, right: dict[str, float], share: float) -> list[Any]:
    """n requests, ten a second, each answered by one of two versions; their labels come after each block."""
    (first, a), (second, b) = right.items()
    found: list[Any] = []
    for start in range(0, n, BLOCK):
        block, labels = [], []
        for i in range(start, start + BLOCK):
            version, chance = (second, b) if rng.random() < share else (first, a)
            time_us = START_US + i * SECOND_US // 10
            said = "yes" if rng.random() < 0.5 else "no"
            label = said if rng.random() < chance else {"yes": "no", "no": "yes"}[said]
            identity = {"prediction_id": f"p{i}", "model": "m"}
            answer = {"version": version, "time": time_us, "prediction": said}
            block.append((PREDICTIONS, {**identity, **answer, "latency_ms": float(rng.lognormal(3, 0.5))}))
            labels.append((GROUND_TRUTH, {**identity, "time": time_us + SECOND_US, "label": label}))
        found += [*sorted(block, key=lambda sent: sent[1]["version"]), *labels]
    return found


class Traffic(Run):
    """A run of model `m` with its feed."""

    def __init__(self) -> None:
        super().__init__()
        self.feed = Feed()


def compared(
    n: int, right: dict[str, float], share: float = 0.5, *, declared: float | None = None, **terms: Any
) -> Traffic:
    """`share` is that of the second version, whatever the terms declare."""
    run = Traffic()
    (first, _), (second, _) = right.items()
    if declared is not None:
        terms["share"] = declared
    terms = {"champion": first, "challenger": second, **terms}
    run.apply(run.feed.definitions([define("m", window="1m", comparisons=[terms], baseline={"first": 200})]))
    run.apply(list(run.feed.packed(events(np.random.default_rng(1), n, right, share))))
    run.commit()
    return run


def told(run: Run, metric: str = "accuracy_difference") -> list[Any]:
    return [record for record in run.records(METRICS, rollups=True) if record["metric"] == metric]


def opened(run: Run, monitor: str) -> list[Any]:
    return [a for a in run.records(ALERTS) if a["monitor"] == monitor and a["state"] == "opened"]


@pytest.mark.slow
def test_a_worse_challenger_is_told_with_the_version_to_go_back_to():
    run = compared(6_000, {"7": 0.9, "8": 0.8})
    last = told(run)[-1]
    assert (last["version"], last["compared_with"], last["verdict"]) == ("8", "7", "worse")
    assert last["low"] < -0.1 < last["high"] < 0
    assert last["status"] == "final"
    [alert] = opened(run, "comparison")
    assert (alert["version"], alert["compared_with"], alert["metric"]) == ("8", "7", "accuracy")
    assert alert["value"] < alert["baseline"]
    assert "in 7: go back to that" in alert["summary"]


@pytest.mark.slow
def test_a_better_challenger_raises_no_alert():
    run = compared(6_000, {"7": 0.8, "8": 0.9})
    assert told(run)[-1]["verdict"] == "better"
    assert opened(run, "comparison") == []


@pytest.mark.parametrize("batch", [1, 50, 500])
def test_batches_of_a_logger_make_no_version_seem_to_get_more_traffic(batch: int) -> None:
    """2,000 requests a second; of each version so many events come at once, the champion's first."""
    rng, waiting, sent = np.random.default_rng(3), {"7": [], "8": []}, []
    for i in range(6_000):
        version = "78"[int(rng.random() < 0.5)]
        answer = {"version": version, "time": START_US + i * SECOND_US // 2_000, "prediction": "yes"}
        waiting[version].append((PREDICTIONS, {"prediction_id": f"p{i}", "model": "m", **answer}))
        if len(waiting[version]) >= batch and (sent or version == "7"):
            sent += waiting[version]
            waiting[version] = []
    sent += [*waiting["7"], *waiting["8"]]
    later = {"version": "7", "time": START_US + 3 * MINUTE_US, "prediction": "yes"}
    sent.append((PREDICTIONS, {"prediction_id": "last", "model": "m", **later}))
    run = Traffic()
    terms = {"champion": "7", "challenger": "8", "share": 0.5}
    run.apply(run.feed.definitions([define("m", window="1m", comparisons=[terms])]))
    for message in run.feed.packed(sent):
        run.apply([message])
    run.commit()
    [duel] = run.partition.models["m"].intake.comparisons
    first, second = (duel.arms[version].bag.n for version in duel.versions)
    assert abs(first - second) < 2 * math.sqrt(first + second) + batch
    assert opened(run, "sample_ratio") == []


def test_a_few_events_give_no_verdict_however_far_apart_they_are():
    run = compared(900, {"7": 0.95, "8": 0.5})
    assert {record["verdict"] for record in told(run)} == {"undecided"}
    assert {record["value"] for record in told(run)} == {None}


def test_a_corrected_label_corrects_the_comparison():
    run = compared(1_500, {"7": 0.9, "8": 0.9})
    [duel] = run.partition.models["m"].intake.comparisons
    matrices = {version: arm.bag.confusion for version, arm in duel.arms.items()}
    counted = {version: (int(np.trace(m.used()[1])), m.n) for version, m in matrices.items()}
    corrected = {"model": "m", "time": START_US + MINUTE_US, "label": "never", "revision": 1}
    labels = [{**corrected, "prediction_id": f"p{i}"} for i in range(1_500)]
    run.apply(list(run.feed.packed((GROUND_TRUTH, label) for label in labels)))
    assert all(right > 500 for right, _ in counted.values())
    now = {version: (int(np.trace(m.used()[1])), m.n) for version, m in matrices.items()}
    assert now == {version: (0, n) for version, (_, n) in counted.items()}


def test_a_restart_changes_nothing():
    straight = compared(3_000, {"7": 0.9, "8": 0.8}, metrics=["accuracy", "latency_mean_ms"])
    run = compared(3_000, {"7": 0.9, "8": 0.8}, metrics=["accuracy", "latency_mean_ms"])
    run.restart()
    states = [r.partition.models["m"].intake.comparisons.to_state() for r in (straight, run)]
    assert str(states[0]) == str(states[1])


def test_traffic_that_is_not_as_declared_is_told():
    assert opened(compared(2_000, {"7": 0.9, "8": 0.9}, 0.3), "sample_ratio") == []
    [alert] = opened(compared(2_000, {"7": 0.9, "8": 0.9}, 0.4, declared=0.5), "sample_ratio")
    assert "is declared" in alert["summary"]


def test_other_terms_are_another_comparison_and_the_same_go_on() -> None:
    terms = {"champion": "7", "challenger": "8"}
    run = compared(2_000, {"7": 0.9, "8": 0.9}, 0.4, declared=0.5)
    [alert] = opened(run, "sample_ratio")
    [before] = run.partition.models["m"].intake.comparisons
    changed = define("m", window="1m", comparisons=[{**terms, "share": 0.4}], baseline={"first": 200})
    same = changed.model_copy(update={"cooldown": 1_000_000})

    def duel() -> Any:
        [found] = run.partition.models["m"].intake.comparisons
        return found

    run.apply(run.feed.definitions([changed]))
    assert (duel().terms.share, duel().start_us, duel().arms) == (0.4, None, {})
    run.commit()
    ended = run.records(ALERTS)[-1]
    assert (ended["alert_id"], ended["state"], ended["reason"]) == (alert["alert_id"], "resolved", "rebase")
    assert ended["summary"].endswith("ops changed what it is judged against")
    later = [
        (
            topic,
            {**event, "prediction_id": event["prediction_id"] + "b", "time": event["time"] + 240 * SECOND_US},
        )
        for topic, event in events(np.random.default_rng(2), 1_000, {"7": 0.9, "8": 0.9}, 0.4)
    ]
    run.apply(list(run.feed.packed(later)))
    running = duel()
    assert sum(arm.bag.n for arm in running.arms.values()) < 1_001
    assert running.start_us >= START_US + 240 * SECOND_US > before.start_us
    run.apply(run.feed.definitions([same]))
    assert duel() is running, "another field of the definition changes no comparison"
    run.commit()
    windows = [record["window"]["start"] for record in told(run)]
    assert len(set(windows)) == 2, "the records of the two comparisons are told apart"
    assert opened(run, "sample_ratio") == [alert]


def test_a_comparison_that_is_defined_no_more_ends_with_its_alerts() -> None:
    run = compared(2_000, {"7": 0.9, "8": 0.9}, 0.4, declared=0.5)
    run.apply(run.feed.definitions([define("m", window="1m", baseline={"first": 200})]))
    run.commit()
    assert [*run.partition.models["m"].intake.comparisons] == []
    assert run.records(ALERTS)[-1]["reason"] == "rebase"


def test_a_version_that_a_retraining_brought_is_compared_with_the_one_before():
    run = compared(200, {"7": 0.9, "8": 0.9}, 0.5)
    comparisons = run.partition.models["m"].intake.comparisons
    for _ in range(2):
        comparisons.ask("7", "9")
    assert [duel.versions for duel in comparisons] == [("7", "8"), ("7", "9")]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"champion": "7", "challenger": "7"}, "compared with itself"),
        ({"champion": "7", "challenger": "8", "metrics": ["psi"]}, "cannot be compared by 'psi'"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        MonitorDefinition(model="m", comparisons=[terms])


def test_versions_are_compared_once():
    pair = {"champion": "7", "challenger": "8"}
    with pytest.raises(ValueError, match="7 and 8 are compared twice"):
        MonitorDefinition(model="m", comparisons=[pair, {"champion": "8", "challenger": "7"}])


def test_the_variance_read_back_from_an_interval_is_that_of_the_mean():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=4_000), rng.normal(size=3_000)
    estimates = [mean_estimate(float(v.sum()), float((v**2).sum()), len(v)) for v in (x, y)]
    found = difference(*estimates)
    variance = x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y)
    rho = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / 10_000
    spread = 7_000 * rho
    radius = math.sqrt(variance * 2 * (spread + 1) / spread * math.log(math.sqrt(spread + 1) / 0.05))
    assert (found.high - found.low) / 2 == pytest.approx(radius, rel=1e-3)
    assert difference(Estimate.undefined(), estimates[0]) is None


def test_a_cut_mean_is_that_of_the_cut_values_within_a_hundredth():
    values = np.random.default_rng(3).lognormal(2, 2, 5_000)
    histogram = LogHistogram()
    histogram.update_many(values)
    cut = float(np.quantile(values, 0.99))
    assert cut_mean(histogram, cut).value == pytest.approx(np.minimum(values, cut).mean(), rel=0.01)


def false_verdicts(draw, streams: int, share: float, events: int = 100_000) -> float:
    """The share of A/A comparisons that are ever decided, at some of 200 looks."""
    rng = np.random.default_rng(4)
    looks = np.unique(np.geomspace(MIN_EVENTS / min(share, 1 - share), events, 200).astype(np.int64))
    decided = 0
    for _ in range(streams):
        arms = [draw(rng, math.ceil(events * part) + 1) for part in (1 - share, share)]
        sums = [(np.cumsum(arm), np.cumsum(arm**2)) for arm in arms]
        for n in looks.tolist():
            counts = [int(n * part) for part in (1 - share, share)]
            estimates = [
                mean_estimate(float(total[k - 1]), float(squares[k - 1]), k)
                for (total, squares), k in zip(sums, counts, strict=True)
            ]
            found = difference(*estimates)
            if found is not None and found.sign:
                decided += 1
                break
    return decided / streams


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "draw", "share"),
    [
        ("right in nine of ten", lambda rng, n: (rng.random(n) < 0.9).astype(float), 0.5),
        ("right in nine of ten, a tenth of the traffic", lambda rng, n: (rng.random(n) < 0.9) * 1.0, 0.1),
        ("normal", lambda rng, n: rng.normal(size=n), 0.5),
        ("lognormal, cut", lambda rng, n: np.minimum(rng.lognormal(0, 2, n), math.exp(2 * 2.326)), 0.1),
    ],
)
def test_two_versions_that_are_the_same_are_seldom_said_to_differ(name, draw, share):
    """The issue asks for at most 5 % of 2,000; here 500 of each kind, 2,000 in all."""
    found = false_verdicts(draw, 500, share)
    print(f"\n{name}: {found:.3f} of 500 comparisons decided at some look")
    assert found <= 0.05


@pytest.mark.slow
def test_traffic_as_declared_is_seldom_said_to_be_otherwise():
    rng, alarmed = np.random.default_rng(5), 0
    for _ in range(2_000):
        second = np.cumsum(rng.binomial(50, 0.2, 400))
        total = 50 * np.arange(1, 401)
        alarmed += any(
            share_evidence(int(n - k), int(k), 0.2) >= math.log(100)
            for n, k in zip(total.tolist(), second.tolist(), strict=True)
        )
    print(f"\n{alarmed} of 2,000")
    assert alarmed <= 20 + 3 * math.sqrt(20)


def test_proportions_of_a_thousand_have_nearly_the_variance_of_their_counts():
    estimate = proportion(900, 1_000)
    assert ((estimate.high - estimate.low) / (2 * 1.96)) ** 2 == pytest.approx(0.9 * 0.1 / 1_000, rel=0.01)
