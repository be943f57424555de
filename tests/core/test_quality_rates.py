"""What was sent twice, and what came with another type, as rates of windows."""

from typing import Any

import pytest

from streamgauge.schemas.message import METRICS
from tests.core.test_partition_orders import Told, prediction


def rates(run: Told, metric: str) -> list[tuple[float | None, int, int]]:
    """(value, n, revision) of each record of the metric, of windows of a minute."""
    return [(r["value"], r["n"], r["revision"]) for r in run.records(METRICS) if r["metric"] == metric]


def test_a_repeat_counts_in_the_window_of_the_time_that_it_says_and_nowhere_else() -> None:
    run = Told().define()
    run.predict(prediction(0, 1), prediction(1, 2), prediction(0, 1), prediction(1, 61), prediction(2, 61))
    run.predict(prediction(3, 200))
    assert rates(run, "duplicate_rate") == [(pytest.approx(1 / 3), 3, 0), (0.5, 2, 0)]
    assert [n for _, n, _ in rates(run, "failure_rate")] == [2, 1]


def test_a_repeat_that_comes_late_restates_its_window() -> None:
    run = Told().define()
    run.predict(prediction(0, 1), prediction(1, 2), prediction(9, 80))
    run.predict(prediction(0, 1)).predict(prediction(10, 100))
    assert rates(run, "duplicate_rate") == [(0.0, 2, 0), (pytest.approx(1 / 3), 3, 1)]
    assert [n for _, n, _ in rates(run, "failure_rate")] == [2, 2]


def test_a_window_of_repeats_alone_says_so_and_knows_nothing_else() -> None:
    run = Told().define(monitors={"duplicate_rate": {"max": 0.5}})
    run.predict(prediction(0, 1)).predict(prediction(0, 61)).restart()
    run.predict(prediction(9, 400)).finish()
    assert rates(run, "duplicate_rate")[1] == (1.0, 1, 0)
    assert rates(run, "failure_rate")[1] == (None, 0, 0)


def test_each_version_has_its_own() -> None:
    run = Told().define()
    run.predict(*(prediction(0, 1, version=version) for version in ("7", "8", "8"))).predict(
        prediction(9, 90)
    )
    found = {r["version"]: r["value"] for r in run.records(METRICS) if r["metric"] == "duplicate_rate"}
    assert found == {"7": 0.0, "8": 0.5}


def typed(number: int, second: float, age: Any) -> dict[str, Any]:
    return prediction(number, second, features={"age": age})


def test_a_value_of_another_type_is_missing_and_counted_among_those_that_were_given() -> None:
    run = Told().define(baseline={"first": 200}, monitors={"wrong_type_rate": {"max": 0.1}})
    run.predict(*(typed(i, i / 4, float(i % 7)) for i in range(200)))
    ages = ["old", "new", 3.0, 4.0, None, 5.0, 6.0, 7.0]
    run.predict(*(typed(300 + i, 60 + i, age) for i, age in enumerate(ages))).predict(prediction(999, 150))
    of_age = [r for r in run.records(METRICS) if r["feature"] == "age"]
    found = {r["metric"]: (r["value"], r["n"]) for r in of_age}
    assert found["wrong_type_rate"] == (pytest.approx(2 / 7), 7)
    assert found["missing_rate"] == (3 / 8, 8)
    [told] = [r for r in of_age if r["metric"] == "wrong_type_rate"]
    assert 0 < told["low"] < told["value"] < told["high"] < 1
