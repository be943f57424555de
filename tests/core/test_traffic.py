"""Traffic that stops or jumps: seen by the minute, through ticks when nothing comes, and told once."""

from typing import Any

import numpy as np
import pytest

from streamgauge.schemas.batch import Categories, PredictionBatch
from streamgauge.schemas.encode import encode_prediction_batch
from streamgauge.schemas.message import ALERTS, PREDICTIONS
from streamgauge.schemas.monitor import Fleet
from streamgauge.schemas.times import parse_time
from tests.core.scenario import SECOND_US, START_US, Feed, Run, define

MINUTE_US = 60 * SECOND_US
A_DAY = 26 * 60


class Traffic:
    """Requests of one model, so many a minute; with the clock ``wall`` a tick follows each minute."""

    def __init__(self, clock: str = "wall", **changes: Any) -> None:
        self.run, self.feed = Run(Fleet(models=1, streams=20), clock), Feed()
        self.rng, self.minute = np.random.default_rng(3), 0
        self.run.apply(self.feed.definitions([define("m", task="binary", window="10m", **changes)]))

    def flows(self, minutes: int, per_minute: float = 5, version: str = "1", each: int = 1) -> "Traffic":
        """`each` minutes are sent at a time."""
        for start in range(self.minute, self.minute + minutes, each):
            n = int(self.rng.poisson(per_minute * each)) if per_minute else 0
            if n:
                within = np.sort(self.rng.integers(0, each * MINUTE_US, n))
                end_us = START_US + (start + each) * MINUTE_US
                self.send(START_US + start * MINUTE_US + within, version, end_us)
            if self.run.settings.clock == "wall":
                self.run.partition.tick(START_US + (start + each) * MINUTE_US)
            self.run.commit()
        self.minute += minutes
        return self

    def send(self, time_us: Any, version: str, appended_us: int) -> None:
        n = len(time_us)
        batch = PredictionBatch(
            model="m",
            version=version,
            ids=np.frombuffer(self.rng.bytes(16 * n), "S16"),
            time_us=time_us,
            prediction=Categories(np.zeros(n, np.int32), ("yes",)),
            latency_ms=np.ones(n),
            score=np.full(n, np.nan),
            failed=np.zeros(n, np.bool_),
        )
        self.run.apply([self.feed.message(PREDICTIONS, encode_prediction_batch(batch), appended_us)])

    def alerts(self) -> list[Any]:
        return [a for a in self.run.records(ALERTS) if a["monitor"] == "traffic" and a["state"] != "updated"]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "direction"), [(0, "stopped"), (40, "jumped")])
def test_a_change_opens_one_alert_and_its_end_resolves_it(change: float, direction: str) -> None:
    traffic = Traffic().flows(A_DAY, each=10)
    assert traffic.alerts() == []
    changed_us = START_US + traffic.minute * MINUTE_US
    traffic.flows(90, change)
    [opened] = traffic.alerts()
    assert 0 <= parse_time(opened["opened_at"]) - changed_us <= 28 * MINUTE_US
    assert abs(parse_time(opened["onset"]) - changed_us) <= 2 * MINUTE_US
    assert opened["metric"] == "throughput_per_s"
    assert opened["baseline"] == pytest.approx(5 / 60, rel=0.1)
    assert opened["value"] == pytest.approx(change / 60, rel=0.3)
    assert opened["low"] <= opened["value"] <= opened["high"]
    assert "throughput" in opened["summary"]
    assert traffic.run.records(ALERTS)[-1]["state"] in ("opened", "updated")
    traffic.flows(90)
    assert [alert["state"] for alert in traffic.alerts()] == ["opened", "resolved"]


def test_nothing_is_said_before_a_day_has_passed() -> None:
    assert Traffic().flows(20 * 60, each=20).flows(60, 0).flows(30, 50).alerts() == []


def test_a_new_version_that_takes_over_is_no_stop() -> None:
    traffic = Traffic().flows(A_DAY, each=10).flows(300, version="2", each=5)
    assert traffic.alerts() == []
    traffic.flows(60, 0)
    [opened] = traffic.alerts()
    assert opened["version"] == "2"


def test_without_ticks_a_gap_is_told_when_events_come_again() -> None:
    traffic = Traffic(clock="events").flows(A_DAY, each=10).flows(120, 0)
    assert traffic.alerts() == []
    traffic.flows(3)
    assert [alert["state"] for alert in traffic.alerts()] == ["opened"]


def test_a_silence_of_years_takes_no_time_and_changes_nothing_that_is_normal() -> None:
    traffic = Traffic(clock="events").flows(A_DAY, each=10)
    traffic.minute += 20 * 365 * 24 * 60
    traffic.flows(60)
    evidence = traffic.run.partition.models["m"].intake.traffic.evidence
    assert evidence is not None
    assert evidence.minute * MINUTE_US == START_US + (traffic.minute - 1) * MINUTE_US
    assert evidence.hours < 26 + 50


@pytest.mark.slow
def test_how_messages_are_cut_and_restarts_do_not_show() -> None:
    states = []
    for restarts in (False, True):
        traffic = Traffic(clock="events")
        for _ in range(16):
            traffic.flows(100, each=10)
            if restarts:
                traffic.run.restart()
        traffic.flows(60, 0).flows(60)
        states.append((traffic.run.state, traffic.run.outputs))
    assert states[0] == states[1]


def test_late_requests_are_left_out_wherever_batches_are_cut() -> None:
    ends = []
    for together in (True, False):
        traffic = Traffic(clock="events")
        first = START_US + np.arange(0, 600, 10) * SECOND_US
        times = [
            first,
            np.array([START_US + 100 * SECOND_US, START_US + 595 * SECOND_US]),
            first + 600 * SECOND_US,
        ]
        for part in [np.concatenate(times)] if together else times:
            traffic.send(part, "1", START_US)
        ends.append(traffic.run.partition.models["m"].intake.traffic.to_state())
    evidence = [end.pop("evidence") for end in ends]
    assert ends[0] == ends[1]
    assert [e["hour"] for e in evidence] == [[0, 0, 0], [0, 0, 0]] or evidence[0]["hour"] == evidence[1][
        "hour"
    ]
    assert evidence[0]["total"] == evidence[1]["total"]


def test_a_monitor_that_was_off_learns_anew() -> None:
    traffic = Traffic().flows(A_DAY, each=10)
    for enabled in (False, True):
        off = define("m", task="binary", window="10m", monitors={"traffic": {"enabled": enabled}})
        traffic.run.apply(traffic.feed.definitions([off]))
        traffic.flows(10)
    assert traffic.flows(60, 0).alerts() == []
    assert traffic.run.partition.models["m"].intake.traffic.monitors() == []
