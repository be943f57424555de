"""Classifiers of many classes: more than drift has bins for."""

import numpy as np
import pytest

from streamgauge.schemas.message import GROUND_TRUTH, METRICS, PREDICTIONS
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
