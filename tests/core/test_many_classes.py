"""Classifiers of many classes: more than drift has bins for."""

import base64
import json

import numpy as np
import pytest

from streamgauge.schemas.message import DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS
from streamgauge.streams.core.vocabulary import Classes
from tests.core.naive import Naive, differences
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, assert_ledgers_balance, define


def story(classes: int, n: int = 700) -> list[Sent]:
    """Seven in ten are right, whichever of the classes it is; the version learns its reference meanwhile."""
    rng, sent = np.random.default_rng(classes), []
    for number in range(n):
        true = int(rng.integers(0, classes))
        said = true if rng.random() < 0.7 else int(rng.integers(0, classes))
        named = {"prediction_id": f"p{number}", "model": "m", "time": START_US + number * SECOND_US // 2}
        sent.append((PREDICTIONS, {**named, "version": "1", "prediction": f"class {said}"}))
        sent.append((GROUND_TRUTH, {**named, "label": f"class {true}"}))
    return sent


@pytest.mark.parametrize("classes", [52, 60, 300])
def test_as_many_classes_as_there_are_have_their_exact_metrics(classes: int) -> None:
    definition = define("m", task="multiclass", baseline={"first": 200})
    run, naive, feed = Run(), Naive([definition]), Feed()
    run.apply(feed.definitions([definition]))
    sent = story(classes)
    for number, (topic, event) in enumerate(sent):
        run.apply(feed.singles([(topic, event)]))
        (naive.predict if topic == PREDICTIONS else naive.label)(event)
        if number % 301 == 300:
            run.commit()
            run.restart()
    run.finish()
    assert differences(run.records(METRICS, rollups=True), naive.metrics()) == []
    assert_ledgers_balance(run, len(sent))


def test_beyond_a_thousand_classes_what_is_right_is_right_and_what_is_wrong_is_wrong() -> None:
    definition = define("m", task="multiclass", baseline={"first": 200})
    run, naive, feed = Run(), Naive([definition]), Feed()
    run.apply(feed.definitions([definition]))
    sent = story(6_000, n=1_500)
    assert len({event.get("prediction") or event.get("label") for _, event in sent}) > 1_500
    for start in range(0, len(sent), 500):
        some = sent[start : start + 500]
        run.apply(feed.singles(some)).commit()
        run.restart()
        for topic, event in some:
            (naive.predict if topic == PREDICTIONS else naive.label)(event)
    run.finish()
    of_all = ("accuracy", "zero_one_loss", "label_coverage", "recall_weighted")
    records = [record for record in run.records(METRICS) if record["metric"] in of_all]
    expected = {key: value for key, value in naive.metrics(rollups=False).items() if key[4] in of_all}
    assert differences(records, expected) == []
    assert_ledgers_balance(run, len(sent))
    told = {record["class"] for record in run.records(METRICS) if record["class"]}
    assert {"other", "another"} <= told


def test_a_label_beyond_the_classes_that_are_known_by_name_may_be_an_orphan() -> None:
    definition = define("m", task="multiclass")
    run, feed = Run(), Feed()
    run.apply(feed.definitions([definition])).apply(feed.singles(story(6_000, n=1_500)))
    early = {"prediction_id": "nobody", "model": "m", "time": START_US + 900 * SECOND_US, "label": "class x"}
    run.apply(feed.singles([(GROUND_TRUTH, early)])).commit()
    run.restart().finish()
    [letter] = run.records(DEAD_LETTERS)
    assert letter["reason"] == "orphaned"
    assert json.loads(base64.b64decode(letter["value"]))["label"] == "other"


def test_other_and_another_may_be_classes_of_a_model() -> None:
    classes = Classes(["other", "a", "another"], limit=3)
    predicted = np.array([classes.code(name) for name in ("b", "b", "other", "c")], float)
    label = np.array([classes.code(name) for name in ("b", "c", "other", "other")], float)
    predicted, label = classes.folded_pairs(predicted, label)
    assert (predicted == label).tolist() == [True, False, True, False]
    assert Classes(classes.values, limit=3).code("b") == classes.code("b")
