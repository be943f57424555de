"""A daily cycle of predictions and scores is no drift; a real change on top of it is."""

from typing import Any

import numpy as np
import pytest

from streamgauge.detectors.baseline import numeric_profile
from streamgauge.detectors.evidence.season import Season
from streamgauge.schemas.batch import Categories, PredictionBatch
from streamgauge.schemas.encode import encode_prediction_batch
from streamgauge.schemas.message import ALERTS, PREDICTIONS
from streamgauge.schemas.monitor import Fleet
from streamgauge.schemas.times import parse_time
from streamgauge.streams.core.status import status_of
from tests.core.scenario import START_US, Feed, Run, define

HOUR_US = 3_600_000_000
A_DAY, TWO_WEEKS = 24, 336


class Cycle:
    """Hours of a model whose scores go up and down by `height` standard deviations with the time of day."""

    def __init__(self, height: float = 0.5, an_hour: int = 1_500, first: int = 1_000) -> None:
        self.height, self.an_hour = height, an_hour
        self.run, self.feed = Run(Fleet(models=1, streams=20)), Feed()
        self.rng = np.random.default_rng(3)
        self.hours = 0
        definition = define("m", task="binary", pos_label="yes", window="1h", baseline={"first": first})
        self.run.apply(self.feed.definitions([definition])).commit()

    def go_on(self, hours: int, change: float = 0.0) -> "Cycle":
        for _ in range(hours):
            start_us = START_US + self.hours * HOUR_US
            time_us = start_us + np.sort(self.rng.integers(0, HOUR_US, self.an_hour))
            day = 2 * np.pi * time_us / (24 * HOUR_US)
            score = self.height * np.sin(day) + change + self.rng.normal(size=self.an_hour)
            batch = PredictionBatch(
                model="m",
                version="7",
                ids=np.frombuffer(self.rng.bytes(16 * self.an_hour), "S16"),
                time_us=time_us,
                prediction=Categories((score > 0.5).astype(np.int32), ("no", "yes")),
                score=1 / (1 + np.exp(-score)),
                failed=np.zeros(self.an_hour, np.bool_),
                latency_ms=np.full(self.an_hour, 20.0),
                features={},
                groups={},
                segments={},
            )
            self.run.apply([self.feed.message(PREDICTIONS, encode_prediction_batch(batch))])
            self.run.commit()
            self.hours += 1
        return self

    def alerts(self) -> list[Any]:
        return [a for a in self.run.records(ALERTS) if a["state"] == "opened"]


@pytest.mark.slow
def test_a_day_of_a_stream_whose_baseline_was_learned_within_an_hour_gives_no_alarm() -> None:
    assert Cycle().go_on(3 * A_DAY).alerts() == []


@pytest.mark.slow
@pytest.mark.parametrize("hours", [2, 7, 13])
def test_a_step_within_the_first_day_is_seen(hours: int) -> None:
    told = Cycle().go_on(hours)
    assert told.alerts() == []
    changed_us = START_US + hours * HOUR_US
    [alert] = told.go_on(2, change=1.0).alerts()
    assert alert["monitor"] == "prediction_drift"
    assert parse_time(alert["opened_at"]) - changed_us <= 2 * HOUR_US


@pytest.mark.slow
def test_before_two_weeks_what_leaves_the_range_of_the_first_day_is_seen() -> None:
    told = Cycle().go_on(2 * A_DAY)
    assert told.alerts() == []
    assert {alert["monitor"] for alert in told.go_on(A_DAY, change=1.0).alerts()} == {"prediction_drift"}


@pytest.mark.slow
def test_a_restart_in_the_middle_changes_nothing() -> None:
    outputs = []
    for restarts in (False, True):
        told = Cycle(an_hour=600, first=600)
        for _ in range(15):
            if restarts:
                told.run.restart()
            told.go_on(2)
        outputs.append(told.go_on(2, change=1.0).run.outputs)
    assert outputs[0] == outputs[1]


@pytest.mark.slow
def test_after_two_weeks_a_change_on_top_of_the_cycle_is_seen_at_any_hour() -> None:
    told = Cycle(an_hour=1_200).go_on(TWO_WEEKS + 30)
    assert told.alerts() == []
    changed_us = START_US + told.hours * HOUR_US
    [alert] = told.go_on(4, change=0.5).alerts()
    assert alert["monitor"] == "prediction_drift"
    assert parse_time(alert["opened_at"]) - changed_us <= 4 * HOUR_US


def test_what_is_usual_is_the_hour_before_then_a_day_and_then_two_weeks() -> None:
    rng = np.random.default_rng(4)
    profile = numeric_profile(rng.normal(size=1_000))
    season = Season(profile, width=22, began_us=0)
    assert season.weekly_us is None
    stages = []
    for hour in range(1, 400):
        codes = np.searchsorted(profile.edges, rng.normal(size=100))
        season.update_many(codes, np.full(100, hour * HOUR_US))
        stages.append(season.stage)
    assert season.weekly_us == 337 * HOUR_US
    assert stages == ["hour"] * 24 + ["day"] * 312 + ["week"] * 63


def test_monitors_list_says_what_is_usual_and_from_when_on_it_is_the_hour_of_the_week() -> None:
    told = Cycle(an_hour=200, first=200).go_on(4)
    [version] = status_of(told.run.partition.models["m"]).versions
    why = next(each.why for each in version.monitors if each.monitor == "prediction_drift")
    assert why.startswith("within budget")
    assert why.endswith("; usual is the hour before, from 2026-12-05T11:00Z on the same hour of the week")
