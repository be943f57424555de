"""Estimates are what the raw events say, however messages are cut, encoded or interrupted."""

import random
from itertools import groupby
from typing import Any

import pytest

from streamgauge.schemas.message import GROUND_TRUTH, METRICS, PREDICTIONS, Message
from streamgauge.schemas.monitor import MonitorDefinition
from tests.core.estimate_oracle import EstimateOracle
from tests.core.naive import agrees, key_of
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, define

FIRST = 200
CREDIT = define("m", task="binary", pos_label="yes", baseline={"first": FIRST})
PRICES = define("m", task="regression", baseline={"first": FIRST})


def events(seed: int, definition: MonitorDefinition, n: int = 850) -> list[Sent]:
    """Labels come before, soon or late, twice, corrected or retracted; some predictions have no score."""
    chance = random.Random(seed)
    timed: list[tuple[float, Sent]] = []
    for i in range(n):
        second, failed = i + chance.uniform(-5, 5), chance.random() < 0.05
        time_us = START_US + int(second * SECOND_US)
        event: dict[str, Any] = {"prediction_id": f"p{i}", "model": "m", "time": time_us}
        if definition.task == "binary":
            score = chance.random()
            answer, label = (["no", "yes"][s] for s in (score > 0.5, chance.random() < score**2))
            event["score"] = None if chance.random() < 0.1 else score
        else:
            answer = chance.choice([chance.gauss(50, 10), 40.0])
            label = answer + chance.gauss(0, answer / 20)
        event |= {
            "version": str(int(i % 5 == 0)),
            "prediction": None if failed else answer,
            "error": "timeout" if failed else None,
            "segments": {"country": chance.choice(["NO", "SE"])} if chance.random() < 0.8 else {},
        }
        timed.append((second, (PREDICTIONS, event)))
        for revision in range(chance.choice([0, 1, 1, 1, 2])):
            lag = chance.choice([-5, 2, 30, 150])
            come = second + max(lag, -20) + 10 * revision
            retracted = chance.random() < 0.1
            truth = {
                "prediction_id": f"p{i}",
                "model": "m",
                "time": time_us + max(lag, 0) * SECOND_US,
                "label": None if retracted else label,
                "revision": revision,
                "retracted": retracted,
            }
            timed.append((come, (GROUND_TRUTH, truth)))
    return [sent for _, sent in sorted(timed, key=lambda item: item[0])]


def cut_by(encoded: list[Message], sizes: list[int], restarts: bool = False) -> Run:
    run = Run()
    at = number = 0
    while at < len(encoded):
        run.apply(encoded[at : at + sizes[number % len(sizes)]])
        if sizes != [1]:  # a commit takes longer than an event
            run.commit()
        if restarts:
            run.restart()
        at += sizes[number % len(sizes)]
        number += 1
    return run.finish()


@pytest.mark.parametrize("definition", [CREDIT, PRICES], ids=["classifier", "regression"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_every_final_estimate_is_what_the_raw_events_say(seed: int, definition: MonitorDefinition) -> None:
    sent, feed, oracle = events(seed, definition), Feed(), EstimateOracle(definition)
    run = cut_by(feed.definitions([definition]) + feed.singles(sent), [40, 7])
    for topic, event in sent:
        oracle.feed(topic, event)
    expected, found = oracle.metrics(), {}
    for record in run.records(METRICS):
        if record["metric"].startswith("estimated_"):
            found[key_of(record)] = record
    assert len(expected) > 15
    assert expected.keys() == found.keys()
    for key, (value, n) in expected.items():
        assert found[key]["n"] == n
        assert agrees("", found[key]["value"], value, n), (key, found[key], value)


@pytest.mark.slow
@pytest.mark.parametrize("definition", [CREDIT, PRICES], ids=["classifier", "regression"])
def test_how_messages_are_cut_does_not_show_in_estimates(definition: MonitorDefinition) -> None:
    sent, feed = events(5, definition), Feed()
    encoded = feed.definitions([definition]) + feed.singles(sent)
    whole = cut_by(encoded, [len(encoded)]).final()
    assert any("estimated_" in key for key in whole)
    for sizes in ([1], [7, 1, 60], [150]):
        assert cut_by(encoded, sizes).final() == whole


@pytest.mark.slow
@pytest.mark.parametrize("definition", [CREDIT, PRICES], ids=["classifier", "regression"])
def test_restarts_do_not_show_in_estimates(definition: MonitorDefinition) -> None:
    sent, feed = events(6, definition), Feed()
    encoded = feed.definitions([definition]) + feed.singles(sent)
    steady, interrupted = cut_by(encoded, [50]), cut_by(encoded, [50], restarts=True)
    assert interrupted.outputs == steady.outputs
    assert interrupted.state == steady.state


@pytest.mark.parametrize("definition", [CREDIT, PRICES], ids=["classifier", "regression"])
def test_windows_that_were_published_before_anything_was_learned_are_published_again(
    definition: MonitorDefinition,
) -> None:
    sent = sorted(events(7, definition), key=lambda item: item[0] == GROUND_TRUTH)  # all labels come last
    sent = [s for s in sent if s[0] == PREDICTIONS or s[1]["time"] < START_US + 550 * SECOND_US]
    patient = definition.model_copy(update={"labels": definition.labels.model_copy(update={"ttl": 10**10})})
    feed = Feed()
    run = cut_by(feed.definitions([patient]) + feed.singles(sent), [100])
    firsts = [r for r in run.records(METRICS) if r["metric"] == "throughput_per_s" and not r["segment"]]
    again = [r for r in run.records(METRICS) if r["metric"].startswith("estimated_") and not r["segment"]]
    assert again
    assert {r["revision"] for r in firsts} == {0}
    assert {r["revision"] for r in again} >= {1}


def shadowed(seed: int, n: int = 500) -> list[Sent]:
    """Two versions answer every request, now one first and now the other; labels come ten at a time."""
    chance = random.Random(seed)
    sent: list[Sent] = []
    for first in range(0, n, 10):
        labels: list[Sent] = []
        for i in range(first, first + 10):
            event = {"prediction_id": f"p{i}", "model": "m", "time": START_US + i * SECOND_US}
            score = chance.random()
            for version in chance.sample("01", 2):
                own = min(1, max(0, score + chance.uniform(-0.2, 0.2)))
                said = {"version": version, "prediction": ["no", "yes"][own > 0.5], "score": own}
                sent.append((PREDICTIONS, {**event, **said}))
            if chance.random() < 0.8:
                labels.append((GROUND_TRUTH, {**event, "label": ["no", "yes"][chance.random() < score**2]}))
        sent += labels
    return sent


@pytest.mark.slow
def test_which_version_predicted_last_does_not_show_in_what_another_learns() -> None:
    feed = Feed()
    encoded = feed.definitions([CREDIT]) + feed.singles(shadowed(0))
    runs = [list(run) for _, run in groupby(encoded, key=lambda message: message.topic)]
    mixed = Run()
    for messages in runs:  # predictions one by one, labels all at once
        for part in [messages] if messages[0].topic == GROUND_TRUTH else [[m] for m in messages]:
            mixed.apply(part)
    assert mixed.finish().final() == cut_by(encoded, [len(encoded)]).final()
