"""A class that a label named by mistake does not keep its numbers."""

import pytest

from streamgauge.schemas.message import ALERTS, METRICS
from tests.core.test_partition_orders import Told, label, prediction


@pytest.mark.parametrize("by_mistake", ["cat", ""])
def test_what_was_told_of_a_class_is_undefined_once_a_correction_took_it_away(by_mistake: str) -> None:
    run = Told().define(task="multiclass", labels={"ttl": "5m", "min_coverage": 0.0})
    run.predict(*(prediction(i, second, prediction="dog") for i, second in ((0, 1), (1, 2), (2, 80))))
    run.label(label(0, 81, label=by_mistake), label(1, 81, label="dog"))
    run.predict(prediction(3, 100, prediction="dog")).restart()
    run.label(label(0, 101, label="dog", revision=1)).predict(prediction(4, 400, prediction="dog")).finish()
    recalls = [
        (record["value"], record["n"], record["status"])
        for record in run.records(METRICS)
        if (record["metric"], record["class"]) == ("class_recall", by_mistake)
    ]
    assert recalls == [(0.0, 1, "provisional"), (None, 0, "final")]


def test_a_limit_on_classes_names_the_class_that_is_an_empty_text_too() -> None:
    run = Told().define(task="multiclass", monitors={"class_recall": {"min": 0.5}})
    run.predict(*(prediction(i, i, prediction="dog") for i in range(240)))
    run.label(*(label(i, 240 + i / 4, label="" if i % 2 else "dog") for i in range(240)))
    run.predict(prediction(999, 800, prediction="dog")).finish()
    [alert] = [alert for alert in run.records(ALERTS) if alert["state"] == "opened"]
    assert alert["segment"] == {"class": ""}
