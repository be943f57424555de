"""A class that a label named by mistake does not keep its numbers."""

from streamgauge.schemas.message import METRICS
from tests.core.test_partition_orders import Told, label, prediction


def test_what_was_told_of_a_class_is_undefined_once_a_correction_took_it_away() -> None:
    run = Told().define(task="multiclass", labels={"ttl": "5m", "min_coverage": 0.0})
    run.predict(*(prediction(i, second, prediction="dog") for i, second in ((0, 1), (1, 2), (2, 80))))
    run.label(label(0, 81, label="cat"), label(1, 81, label="dog"))
    run.predict(prediction(3, 100, prediction="dog")).restart()
    run.label(label(0, 101, label="dog", revision=1)).predict(prediction(4, 400, prediction="dog")).finish()
    recalls = [
        (record["value"], record["n"], record["status"])
        for record in run.records(METRICS)
        if (record["metric"], record["class"]) == ("class_recall", "cat")
    ]
    assert recalls == [(0.0, 1, "provisional"), (None, 0, "final")]
