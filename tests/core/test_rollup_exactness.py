"""Hours and days say what the raw events of their time say, however late the labels come."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.message import ALERTS, METRICS
from tests.core.naive import differences
from tests.core.scenario import SECOND_US, Run, Sent, define, length_us
from tests.core.test_partition_orders import Told, label, prediction
from tests.core.test_window_exactness import cut, encodings, events, messages, oracle, quick

HOUR, DAY = 3_600, 86_400
#: Labels are awaited for longer than windows are kept.
PATIENT: dict[str, Any] = {
    "window": "20m",
    "grace": "20m",
    "lateness": "4h",
    "labels": {"ttl": "3d", "min_coverage": 0.3},
}
DEFINITIONS = [
    define("credit", task="binary", pos_label="yes", fairness={"min_n": 2}, segments={"max": 2}, **PATIENT),
    define("animals", task="multiclass", segments={"pairs": [["country", "paid"]]}, **PATIENT),
    define("prices", task="regression", **PATIENT),
    define("inferred", **{**PATIENT, "window": "7m"}),
]
#: Two minutes for a second: what came within an hour comes within days.
slow_events = events(second_us=120 * SECOND_US, together=40)


@quick
@given(slow_events, encodings(), st.lists(st.integers(0, 200), max_size=6), st.sets(st.integers(0, 5)))
def test_every_window_hour_and_day_is_what_the_raw_events_say(
    sent: list[Sent], encoding: str, cuts: list[int], restarts: set[int]
) -> None:
    run = Run()
    for number, part in enumerate(cut(messages(sent, encoding, DEFINITIONS), cuts)):
        run.apply(part).commit()
        if number in restarts:
            run.restart()
    run.finish()
    assert differences(run.records(METRICS, rollups=True), oracle(sent, DEFINITIONS).metrics()) == []
    assert not [key for key in run.state if key.startswith((b'["window"', b'["rollup"'))]


@quick
@given(slow_events, st.lists(st.integers(0, 200), max_size=8))
def test_how_messages_are_cut_does_not_show_in_hours_and_days(sent: list[Sent], cuts: list[int]) -> None:
    encoded = messages(sent, "mixed", DEFINITIONS)
    whole, parts = Run().apply(encoded).finish(), Run()
    for part in cut(encoded, cuts):
        parts.apply(part)
    assert parts.finish().final() == whole.final()


class Days(Told):
    """Predictions, and what was told of windows of one length."""

    def told(self, metric: str, length_s: int, **which: Any) -> list[Any]:
        return [
            record
            for record in self.records(METRICS, rollups=True)
            if record["metric"] == metric
            and span(record) == length_s
            and all(record[name] == value for name, value in which.items())
        ]


def span(record: Any) -> float:
    return length_us(record) / SECOND_US


def spread(n: int, seconds: float, start: float = 0.0, **changes: Any) -> list[dict[str, Any]]:
    """Predictions that lie evenly in a span of time."""
    return [prediction(i, start + seconds * i / n, **changes) for i in range(n)]


def test_an_hour_is_told_when_it_is_over_and_restated_when_a_label_comes() -> None:
    run = Days().define(labels={"ttl": "1d", "min_coverage": 0.5})
    run.predict(*spread(6, HOUR), prediction(90, HOUR + 600))
    [hour] = run.told("failure_rate", HOUR)
    assert (hour["n"], hour["status"], hour["revision"]) == (6, "final", 0)
    assert run.told("accuracy", HOUR) == []
    run.label(*(label(i, HOUR + 900, label="no" if i else "yes") for i in range(4)))
    run.predict(prediction(91, 2 * HOUR + 60))
    [first] = run.told("accuracy", HOUR)
    assert (first["value"], first["n"], first["coverage"]) == (0.25, 4, pytest.approx(4 / 6))
    assert (first["status"], first["revision"]) == ("provisional", 0)
    run.label(label(1, HOUR + 1_100, label="yes", revision=1)).predict(prediction(92, 3 * HOUR + 60))
    assert [(a["value"], a["revision"]) for a in run.told("accuracy", HOUR)] == [(0.25, 0), (0.5, 1)]
    run.predict(prediction(93, 3 * DAY))
    last = run.told("accuracy", HOUR, revision=2)[0]
    assert (last["value"], last["status"]) == (0.5, "final")
    assert [(d["n"], d["status"]) for d in run.told("failure_rate", DAY)] == [(9, "final")]


def test_what_changes_after_its_end_is_told_at_most_once_in_an_hour() -> None:
    run = Days().define(labels={"ttl": "1d", "min_coverage": 0.0})
    run.predict(*spread(600, HOUR))
    for i in range(100):  # a label every minute
        run.label(label(i, HOUR + 60 * i)).predict(prediction(1_000 + i, HOUR + 60 * i))
    assert [record["n"] for record in run.told("accuracy", HOUR)] == [2, 62]
    assert run.told("accuracy", DAY) == []


def test_a_label_that_comes_after_a_day_restates_the_hour_and_not_its_window() -> None:
    run = Days().define(labels={"ttl": "7d", "min_coverage": 0.0})
    run.predict(*spread(60, HOUR))
    run.predict(prediction(500, DAY + 2 * HOUR))
    assert [r["status"] for r in run.told("label_coverage", 60)][:60] == ["final"] * 60
    run.label(label(0, 2 * DAY)).predict(prediction(501, DAY + 3 * HOUR + 60))
    assert run.told("accuracy", 60) == []
    [hour] = run.told("accuracy", HOUR)
    assert (hour["n"], hour["status"]) == (1, "provisional")
    run.predict(prediction(502, 9 * DAY))
    assert [r["status"] for r in run.told("accuracy", HOUR)] == ["provisional", "final"]
    assert [(r["n"], r["status"]) for r in run.told("accuracy", DAY)] == [(1, "final")]


@pytest.mark.slow
def test_what_is_held_is_bounded_however_long_labels_are_awaited() -> None:
    run = Days().define(window="5m", labels={"ttl": "30d", "min_coverage": 0.5})
    for hour in range(24 * 12):
        run.predict(*(prediction(hour * 12 + i, hour * HOUR + i * 300) for i in range(12)))
    kinds = [key.split(b",")[0] for key in run.state]
    assert kinds.count(b'["window"') <= 24 * 12 + 24
    assert kinds.count(b'["rollup"') == 24 * 12 + 13  # twelve days from ten o'clock on
    assert sum(w.bags[()].n for w in run.model.intake.versions["7"].labels_may_reach()) == 24 * 12 * 12


def failing(hours: Sequence[int], **definition: Any) -> Days:
    """Every second label of these hours says that the prediction was wrong."""
    limit = {"accuracy": {"min": 0.9, "windows": 2}}
    run = Days().define(window="20m", monitors=limit, **definition)
    for hour in range(8):
        run.predict(*(prediction(hour * 60 + i, hour * HOUR + i * 60) for i in range(60)))
    run.predict(prediction(9_000, 2 * DAY), prediction(9_001, 2 * DAY + HOUR))
    for hour in hours:
        wrong = (label(hour * 60 + i, 2 * DAY, label="no" if i % 2 else "yes") for i in range(60))
        run.label(*wrong)
    return run.predict(prediction(9_002, 2 * DAY + 2 * HOUR))


def test_limits_judge_the_hours_whose_labels_come_after_a_day() -> None:
    run = failing(range(8), labels={"ttl": "7d", "min_coverage": 0.5})
    assert [r["value"] for r in run.told("accuracy", HOUR)] == [0.5] * 8
    [opened] = [alert for alert in run.records(ALERTS) if alert["state"] == "opened"]
    assert (opened["monitor"], opened["n"]) == ("accuracy", 60)


def test_no_rule_judges_hours_whose_windows_it_has_judged() -> None:
    run = Days().define(window="20m", labels={"ttl": "1d", "min_coverage": 0.5}, lateness="1h",
                        monitors={"throughput_per_s": {"max": 1e-9, "raw": True, "windows": 1}})  # fmt: skip
    run.predict(*spread(60, 3 * HOUR)).finish()
    judged = [r for r in run.records(ALERTS) if r["state"] in ("opened", "updated")]
    assert run.told("throughput_per_s", HOUR)
    assert {alert["value"] for alert in judged} <= {r["value"] for r in run.told("throughput_per_s", 1_200)}


def test_versions_side_by_side_have_windows_hours_and_days_of_their_own() -> None:
    run = Days().define(labels={"ttl": "2h", "min_coverage": 0.0})
    for six, seven in zip(spread(60, HOUR, version="6"), spread(60, HOUR, version="7"), strict=True):
        run.predict(six, {**seven, "prediction": "no"})
    run.label(*(label(i, HOUR, label="yes") for i in range(45)))
    run.finish()
    for length, n in ((60, 1), (HOUR, 60), (DAY, 60)):
        for version, value in (("6", 1.0), ("7", 0.0)):
            rate = run.told("failure_rate", length, version=version)
            assert {r["n"] for r in rate} == {n}
            last = run.told("accuracy", length, version=version)[-1]
            assert (last["value"], last["n"]) == (value, min(n, 45)), (length, version)


def test_a_window_that_does_not_divide_an_hour_has_none() -> None:
    run = Days().define(window="7m").predict(*spread(30, 3 * HOUR)).finish()
    assert {span(record) for record in run.records(METRICS, rollups=True)} == {420}
    run = Days().define(window="2h").predict(*spread(30, 3 * HOUR)).finish()
    assert {span(record) for record in run.records(METRICS, rollups=True)} == {2 * HOUR, DAY}


def test_revisions_of_an_hour_only_rise() -> None:
    run = failing([0, 3, 0, 1], labels={"ttl": "7d", "min_coverage": 0.0}).finish()
    seen: dict[Any, list[int]] = {}
    for record in run.records(METRICS, rollups=True):
        key = (record["metric"], str(record["window"]), str(record["segment"]), record["version"])
        seen.setdefault(key, []).append(record["revision"])
    assert all(a + 1 == b for revisions in seen.values() for a, b in pairwise(revisions))


def test_a_new_definition_leaves_no_hour_of_the_old_one_behind() -> None:
    run = Days().define().predict(*spread(6, HOUR))
    assert any(key.startswith(b'["rollup"') for key in run.state)
    run.define(window="2m").predict(prediction(99, 2 * HOUR))
    held = [key for key in run.state if key.startswith(b'["rollup"')]
    assert len(held) == 2
