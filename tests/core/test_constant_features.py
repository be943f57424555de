"""A feature that has become constant is told as that, once, and not as drift too."""

import numpy as np
import pytest

from streamgauge.schemas.batch import Categories
from streamgauge.schemas.times import parse_time
from tests.core.scenario import START_US
from tests.core.test_partition_alerts import WINDOW_US, Columns, Rng, classifier, story


def stuck(
    rng: Rng, n: int, *, age: float | None = None, job: str | None = None, flag: float = 0.5
) -> Columns:
    """A classifier whose features are stuck at a value; `flag` is set with this chance, 1 being always."""
    columns = classifier(rng, n)
    features = columns["features"]
    features["flag"] = (rng.random(n) < flag).astype(np.float64)
    if age is not None:
        features["age"] = np.where(np.isnan(features["age"]), np.nan, age)
    if job is not None:
        features["job"] = Categories(np.zeros(n, np.int32), (job,))
    return columns


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "feature"),
    [({"age": 40.0}, "age"), ({"age": 300.0}, "age"), ({"job": "vet"}, "job"), ({"flag": 1.0}, "flag")],
    ids=["a number in the middle", "a number never seen", "a category", "a flag"],
)
def test_it_is_told_in_those_words_and_not_as_drift(change: Columns, feature: str) -> None:
    told = story(stuck).tell(15, stuck)
    assert told.alerts() == []
    changed_us = START_US + told.windows * WINDOW_US
    told.tell(6, stuck, **change)
    [opened] = [a for a in told.alerts() if a["state"] == "opened" and a["monitor"] == "data_quality"]
    assert feature in {c["feature"] for c in opened["contributors"] if c["direction"] == "constant"}
    assert f"{feature} constant" in opened["summary"]
    assert parse_time(opened["opened_at"]) - changed_us <= 2 * WINDOW_US
    assert parse_time(opened["onset_low"]) <= changed_us + WINDOW_US // 6
    assert abs(parse_time(opened["onset"]) - changed_us) <= WINDOW_US
    assert {alert["monitor"] for alert in told.alerts()} == {"data_quality"}
    told.tell(40, stuck)
    assert told.states("data_quality") == ["opened", "resolved"]


def test_what_was_constant_from_the_first_is_no_news() -> None:
    told = story(stuck).tell(15, stuck, flag=1.0).tell(20, stuck, flag=1.0)
    assert told.alerts() == []


def test_a_flag_that_is_nearly_always_set_takes_its_time() -> None:
    told = story(stuck).tell(15, stuck, flag=0.97).tell(2, stuck, flag=1.0)
    assert told.alerts() == []
    told.tell(15, stuck, flag=1.0)
    assert told.states("data_quality") == ["opened"]


def test_a_restart_in_the_middle_changes_nothing() -> None:
    outputs = []
    for restarts in (False, True):
        told = story(stuck).tell(15, stuck)
        for _ in range(4):
            if restarts:
                told.run.restart()
            told.tell(1, stuck, age=40.0, flag=0.97)
        outputs.append(told.run.outputs)
    assert outputs[0] == outputs[1]
