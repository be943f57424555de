"""Metrics that a definition adds: allowed or refused, limited, restated, and undefined once forbidden."""

from typing import Any

from streamgauge.schemas.control import Define, encode_control
from streamgauge.schemas.message import CONTROL, DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS
from streamgauge.streams.core.partition import CoreSettings
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, define

F2 = {"f2": {"metric": "river.metrics.FBeta", "params": {"beta": 2}}}
SMAPE = {"smape": {"metric": "river.metrics.SMAPE"}}


def binary(**changes: Any) -> Any:
    return define("m", task="binary", pos_label="yes", **{"metrics": F2, **changes})


def labelled(n: int, second: int = 0, answer: Any = "yes", label: Any = "yes") -> list[Sent]:
    time = START_US + second * SECOND_US
    sent: list[Sent] = []
    for i in range(n):
        event = {"prediction_id": f"{second}-{i}", "model": "m", "time": time + i}
        sent.append((PREDICTIONS, {**event, "prediction": answer}))
        sent.append((GROUND_TRUTH, {**event, "label": label}))
    return sent


def latest(run: Run, metric: str) -> Any:
    return [record for record in run.records(METRICS) if record["metric"] == metric][-1]


def test_a_class_that_is_not_allowed_is_refused_and_the_former_definition_stays() -> None:
    run, feed = Run(), Feed()
    run.apply(feed.definitions([binary()]))
    document = binary().model_dump(mode="json") | {"metrics": {"bad": {"metric": "os.system"}}}
    order = Define(actor="ops", time_us=START_US, model="m", document=document)
    run.apply([feed.message(CONTROL, encode_control(order)[0])]).commit()
    [letter] = run.records(DEAD_LETTERS)
    assert letter["reason"] == "refused"
    assert "os.system is not allowed" in letter["detail"]
    run.apply(feed.singles(labelled(5))).finish()
    assert latest(run, "f2")["value"] == 1.0


def test_a_class_that_is_allowed_no_longer_leaves_its_metric_undefined() -> None:
    for definition, answer in (
        (binary(), "yes"),
        (define("m", task="regression", metrics=SMAPE), 3.0),
    ):
        run, feed = Run(), Feed()
        run.apply(feed.definitions([definition])).apply(feed.singles(labelled(5, 0, answer, answer))).commit()
        run.settings = CoreSettings(clock="events")
        run.restart().apply(feed.singles(labelled(5, 20, answer, answer))).finish()
        [name] = definition.metrics
        assert (latest(run, name)["value"], latest(run, name)["n"]) == (None, 10)


def test_a_limit_on_a_metric_of_ones_own_alerts() -> None:
    run, feed = Run(), Feed()
    run.apply(feed.definitions([binary(monitors={"f2": {"min": 0.9, "windows": 1}})]))
    for minute in range(3):
        run.apply(feed.singles(labelled(60, 60 * minute, "no", "yes") + labelled(60, 60 * minute + 30)))
    run.finish()
    [alert] = [r for r in run.records("alerts") if r["monitor"] == "f2" and r["state"] == "opened"]
    assert alert["limit"] == 0.9
    assert alert["value"] < alert["high"] < 0.9


def test_a_metric_of_classes_can_be_added_to_windows_that_are_open() -> None:
    run, feed = Run(), Feed()
    run.apply(feed.definitions([binary(metrics={})])).apply(feed.singles(labelled(5)))
    run.apply(feed.definitions([binary()])).finish()
    assert latest(run, "f2")["n"] == 5


def test_a_metric_of_numbers_starts_anew_for_windows_lack_its_sums() -> None:
    run, feed = Run(), Feed()
    run.apply(feed.definitions([define("m", task="regression")])).apply(
        feed.singles(labelled(5, 0, 1.0, 2.0))
    )
    run.apply(feed.definitions([define("m", task="regression", metrics=SMAPE)]))
    run.apply(feed.singles(labelled(7, 20, 1.0, 3.0))).finish()
    found = latest(run, "smape")
    assert (found["value"], found["n"]) == (100.0, 7)
