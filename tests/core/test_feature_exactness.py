"""Baselines and distances of features are the same however messages are cut, encoded or interrupted."""

import random
from typing import Any

import pytest

from streamgauge.schemas.message import PREDICTIONS, Message
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, define

FIRST = 200
DEFINITION = define(
    "m", task="binary", pos_label="yes", baseline={"first": FIRST}, features={"age": {"min": 0, "max": 60}}
)


def events(seed: int, n: int = 500) -> list[Sent]:
    """Features of every kind: late to appear, mostly missing, and one that turns from number to string."""
    chance = random.Random(seed)
    sent = []
    for i in range(n):
        features: dict[str, Any] = {
            "age": None if i < 20 or chance.random() < 0.1 else chance.gauss(40, 10),
            "job": None if i < 30 else chance.choice(["clerk", "cook", "vet"]),
            "mixed": chance.choice([1.5, 2.5]) if i < 300 else "many",
            "rare": chance.choice([None, None, None, 7]),
        }
        if i > 350:
            features["new"] = chance.random()
        failed = chance.random() < 0.1
        event = {
            "prediction_id": f"p{i}",
            "model": "m",
            "version": str(i % 2),
            "time": START_US + int((i + chance.uniform(-5, 5)) * SECOND_US),
            "prediction": None if failed else chance.choice(["yes", "no"]),
            "error": "timeout" if failed else None,
            "score": None if i < 15 else chance.random(),
            "features": features,
        }
        sent.append((PREDICTIONS, event))
    return sent


def cut_by(encoded: list[Message], sizes: list[int], restarts: bool = False) -> Run:
    run = Run()
    at = 0
    while at < len(encoded):
        size = sizes[at % len(sizes)]
        run.apply(encoded[at : at + size]).commit()
        if restarts:
            run.restart()
        at += size
    return run.finish()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_how_messages_are_cut_does_not_show_in_features(seed: int) -> None:
    sent = events(seed)
    feed = Feed()
    encoded = feed.definitions([DEFINITION]) + feed.singles(sent)
    whole = cut_by(encoded, [len(encoded)])
    assert {"psi", "missing_rate", "out_of_range_rate", "unseen_category_rate"} <= {
        record["metric"] for record in whole.final().values() if record["feature"]
    }
    for sizes in ([1], [7, 1, 60], [150]):
        assert cut_by(encoded, sizes).final() == whole.final()


def test_restarts_do_not_show_in_features() -> None:
    feed = Feed()
    encoded = feed.definitions([DEFINITION]) + feed.singles(events(5))
    steady, interrupted = cut_by(encoded, [25]), cut_by(encoded, [25], restarts=True)
    assert interrupted.outputs == steady.outputs
    assert interrupted.state == steady.state


def test_columnar_messages_say_the_same_as_single_ones() -> None:
    sent = [(topic, {**event, "version": "1"}) for topic, event in events(7)]
    single, packed = Feed(), Feed()
    one = cut_by(single.definitions([DEFINITION]) + single.singles(sent), [40])
    many = cut_by(packed.definitions([DEFINITION]) + list(packed.packed(sent)), [1])
    assert many.final() == one.final()
