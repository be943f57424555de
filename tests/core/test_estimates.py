"""What is estimated before labels come, from end to end: when it is published, and when it is doubted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamgauge.detectors.baseline import build_profile
from streamgauge.detectors.calibration import learn_calibration, score_cells
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.control import AdoptBaseline
from streamgauge.schemas.message import METRICS
from streamgauge.schemas.profile import BaselineProfile
from tests.core.scenario import START_US
from tests.core.test_partition_alerts import ALONE, Columns, Rng, Story, classifier, regressor, story

ESTIMATED = ("estimated_accuracy", "estimated_f1", "estimated_roc_auc")


def several(rng: Rng, n: int, *, right: float = 0.8) -> Columns:
    """Three classes, each with the probability that the model gives it; `right` is how often it is."""
    names = ("cat", "dog", "eel")
    said = rng.integers(0, 3, n)
    label = np.where(rng.random(n) < right, said, (said + rng.integers(1, 3, n)) % 3)
    sure = rng.uniform(0.5, 1, n)
    scores = {name: np.where(said == code, sure, (1 - sure) / 2) for code, name in enumerate(names)}
    return {
        "prediction": Categories(said.astype(np.int32), names),
        "label": Categories(label.astype(np.int32), names),
        "score": np.full(n, np.nan),
        "scores": scores,
        "failed": np.zeros(n, np.bool_),
        "latency_ms": rng.exponential(20, n),
    }


def values(told: Story, metric: str) -> dict[str, Any]:
    """The last record of each window over all traffic, by its start."""
    records = [r for r in told.run.records(METRICS) if r["metric"] == metric and not r["segment"]]
    return {record["window"]["start"]: record for record in records}


@pytest.mark.parametrize(
    ("columns", "metric", "close"),
    [
        (classifier, "accuracy", 0.06),
        (classifier, "f1", 0.06),
        (classifier, "roc_auc", 0.06),
        (several, "accuracy", 0.09),
        (regressor, "mean_absolute_error", 0.12),
    ],
)
def test_estimates_stand_beside_what_labels_say_later(columns: Any, metric: str, close: float) -> None:
    task = {"task": "multiclass", "pos_label": None} if columns is several else {}
    told = story(columns, **task).tell(20, columns)
    told.run.finish()
    estimated, realised = values(told, "estimated_" + metric), values(told, metric)
    assert sorted(realised.keys() - estimated.keys()) == sorted(realised)[:5]  # they were learned from
    for start in estimated.keys() & realised.keys():
        record = estimated[start]
        assert record["status"] == "final"
        assert record["low"] < record["value"] < record["high"]
        assert record["value"] == pytest.approx(realised[start]["value"], abs=close)
        assert record["n"] == 300


def test_estimates_are_published_when_a_window_closes_not_when_its_labels_come() -> None:
    told = story().tell(15, classifier).tell(3, classifier, labelled=False)
    estimated = values(told, "estimated_accuracy")
    assert max(estimated) > max(values(told, "accuracy"))


def test_a_model_without_scores_has_no_estimates() -> None:
    def silent(rng: Rng, n: int) -> Columns:
        return {**classifier(rng, n), "score": np.full(n, np.nan)}

    told = story().tell(15, silent)
    assert not any(values(told, metric) for metric in ESTIMATED)
    [version] = told.run.partition.models["m"].intake.versions.values()
    assert version.watch.estimates.monitors() == []


def test_the_alert_says_what_was_realised_and_what_was_estimated() -> None:
    told = story(**ALONE).tell(15, classifier).tell(15, classifier, wrong=0.3)
    told.run.restart()
    told.tell(3, classifier, wrong=0.3)
    last = told.alerts("estimate_gap")[-1]
    assert last["metric"] == "accuracy"
    assert last["value"] == pytest.approx(0.7, abs=0.05)
    assert last["baseline"] == pytest.approx(0.9, abs=0.03)
    assert last["low"] < last["value"] < last["high"]
    assert last["summary"].startswith("m 7: accuracy 0.")
    assert ", estimated 0." in last["summary"]


def test_a_model_that_does_better_than_estimated_raises_no_alert() -> None:
    told = story().tell(15, classifier, wrong=0.3).tell(15, classifier, wrong=0.05)
    assert told.alerts("estimate_gap") == []


def test_without_the_monitor_there_are_estimates_and_no_evidence() -> None:
    off = {"estimate_gap": {"enabled": False}}
    told = story(monitors=off).tell(15, classifier).tell(10, classifier, wrong=0.4)
    assert values(told, "estimated_accuracy")
    assert told.alerts("estimate_gap") == []


def test_an_estimate_can_have_a_limit() -> None:
    def unsure(rng: Rng, n: int, *, share: float) -> Columns:
        """Some cases are hard, and the score says so."""
        made = classifier(rng, n)
        hard = rng.random(n) < share
        said = made["prediction"].codes
        made["score"] = np.where(hard, 0.45 + 0.1 * said, 0.05 + 0.9 * said)
        wrong = rng.random(n) < np.where(hard, 0.45, 0.02)
        return {**made, "label": Categories((said ^ wrong).astype(np.int32), ("no", "yes"))}

    told = story(monitors={"estimated_accuracy": {"min": 0.8}}).tell(15, unsure, share=0.2)
    assert told.alerts("estimated_accuracy") == []
    told.tell(4, unsure, labelled=False, share=0.9)
    assert told.states("estimated_accuracy") == ["opened"]
    assert told.alerts("estimate_gap") == []  # harder cases, and as often right as was expected of them


def adopt(told: Story, document: Any) -> None:
    order = AdoptBaseline(actor="ann", time_us=START_US, model="m", document=document)
    told.run.apply(told.feed.control(order)).commit()


def profile(rng: Rng) -> BaselineProfile:
    """As `streamgauge baseline build` makes it, with labels."""
    made = classifier(rng, 2_000)
    said, true = made["prediction"].codes == 1, made["label"].codes == 1
    built = build_profile(made["features"], made["prediction"], made["score"])
    return replace(built, estimator=learn_calibration(score_cells(made["score"]), said, true))


def test_a_stored_profile_brings_its_estimator_for_the_windows_that_start_later() -> None:
    told = story().tell(3, classifier)
    assert not values(told, "estimated_accuracy")
    adopt(told, profile(np.random.default_rng(3)).to_json())
    told.tell(3, classifier, labelled=False)
    told.run.restart()
    told.tell(1, classifier, labelled=False).run.finish()
    estimated = values(told, "estimated_accuracy")
    assert sorted(estimated) == sorted(values(told, "throughput_per_s"))[3:]
    assert all(record["value"] == pytest.approx(0.9, abs=0.03) for record in estimated.values())


@pytest.mark.slow
def test_a_version_that_learns_its_baseline_anew_learns_its_estimator_anew() -> None:
    told = story(**ALONE).tell(15, classifier).tell(15, classifier, wrong=0.3)
    assert told.states("estimate_gap") == ["opened"]
    adopt(told, None)
    assert told.states("estimate_gap") == ["opened", "resolved"]
    told.tell(15, classifier, wrong=0.3)
    last = values(told, "estimated_accuracy")
    assert last[max(last)]["value"] == pytest.approx(0.7, abs=0.05)
    assert told.states("estimate_gap") == ["opened", "resolved"]


def test_a_stored_estimator_of_another_task_is_replaced_by_a_learned_one() -> None:
    told = story(regressor)
    alien = replace(build_profile({}), estimator=profile(np.random.default_rng(3)).estimator)
    adopt(told, alien.to_json())
    told.tell(15, regressor).run.finish()
    assert values(told, "estimated_mean_absolute_error")
    assert not values(told, "estimated_accuracy")
