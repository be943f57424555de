"""An hour and a half of a partition that uses all there is: what a snapshot may have to hold.

The same steps for ever: Python promises the sequence of `Random.random`, and nothing else is drawn.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np

from streamgauge.detectors.baseline import build_profile
from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.control import (
    Acknowledge,
    AdoptBaseline,
    Define,
    Retire,
    RetrainStatus,
    Silence,
    encode_control,
    encode_retrain_status,
)
from streamgauge.schemas.message import CONTROL, GROUND_TRUTH, PREDICTIONS, RETRAIN_STATUS, Message
from streamgauge.streams.core.partition import Partition
from tests.core.scenario import SECOND_US, START_US, Feed, Sent, define

MINUTE_US = 60 * SECOND_US
#: After so many minutes the snapshot is taken; the rest is to go on exactly.
TAKEN_AFTER, MINUTES = 75, 85

#: Messages to apply, or the time of a tick.
Step = list[Message] | int

_WHO: dict[str, Any] = {"actor": "ann", "time_us": START_US}
_LONG = {"labels": {"ttl": "20m", "min_coverage": 0.3}, "cooldown": "5m"}
_BINARY = {"task": "binary", "pos_label": "yes"}
_FLEET = {"alert_budget": {"false_alarms": 1.0, "horizon": "1d"}, "models": 8, "streams": 5}
_DEFINITIONS = [
    define(
        "credit",
        **_BINARY,
        **_LONG,
        baseline={"first": 200},
        monitors={"accuracy": {"min": 0.8, "windows": 1}, "selection_rate": {"max": 0.9}},
        metrics={"caution": {"metric": "river.metrics.FBeta", "params": {"beta": 0.5}}},
        fairness={"groups": ["sex"]},
        segments={"max": 2},
        latency={"objective_ms": 100},
        comparisons=[{"champion": "7", "challenger": "8", "share": 0.5}],
        retrain={"on": ["accuracy"], "min_labels": 100},
    ),
    define(
        "prices",
        task="regression",
        **_LONG,
        baseline={"first": 5_000},
        retrain={"every": "30m", "min_labels": 50},
    ),
    define("search", task="ranking", baseline={"first": 200}),
    define("named", **_BINARY, baseline={"version": "0"}),
    define("gone", **_BINARY, baseline={"first": 200}, monitors={"accuracy": {"min": 0.9, "windows": 1}}),
]


def steps() -> Iterator[list[Step]]:
    """What comes in each minute."""
    chance, feed = Random(20_261_127), Feed()
    for minute in range(MINUTES):
        now_us = START_US + minute * MINUTE_US
        found: list[Step] = [_told(feed, CONTROL, minute, now_us)]
        sent = [event for model in _MODELS for event in model(chance, minute)]
        found.append(_stamped(list(feed.packed(sent[::2])), now_us))
        found.append(_stamped(feed.singles(sent[1::2]), now_us))
        found.append(_told(feed, RETRAIN_STATUS, minute, now_us))
        found += [now_us + second * SECOND_US for second in (20, 40, 60)]
        yield [step for step in found if step]


def follow(partition: Partition, minute: list[Step]) -> None:
    """The partition takes the steps of one minute."""
    for step in minute:
        if isinstance(step, int):
            partition.tick(step)
        else:
            partition.apply(step)


def _told(feed: Feed, topic: str, minute: int, now_us: int) -> list[Message]:
    """What people and jobs say in this minute."""
    orders: list[Any] = []
    if topic == RETRAIN_STATUS:
        if minute == 50:
            answer = RetrainStatus(
                request_id="prices:1:1", model="prices", attempt=1, state="accepted", time_us=now_us
            )
            orders = [feed.message(topic, encode_retrain_status(answer)[0])]
        return _stamped(orders, now_us)
    if minute == 0:
        orders = [Define(**_WHO, document=_FLEET)]
        orders += [Define(**_WHO, model=d.model, document=d.model_dump(mode="json")) for d in _DEFINITIONS]
        orders.append(Silence(**_WHO, until_us=START_US + 10**12, matcher={"monitor": "duplicates"}))
    elif minute == 20:
        orders = [Silence(**_WHO, model="prices", until_us=START_US + 10**12, matcher={"monitor": "traffic"})]
    elif minute == 30:
        document = build_profile({"x": np.arange(200) / 200}, None, None).to_json()
        orders = [Retire(**_WHO, model="gone"), AdoptBaseline(**_WHO, model="named", document=document)]
    elif minute == 60:
        known = fingerprint("plain", "1", "failure_rate", ()), "0" * 32  # the second one is of no alert
        orders = [Acknowledge(**_WHO, model="plain", fingerprint=each) for each in known]
    return _stamped([feed.message(topic, encode_control(order)[0]) for order in orders], now_us)


def _stamped(messages: list[Message], now_us: int) -> list[Message]:
    """As the broker would have appended them in this minute."""
    at_us = now_us + MINUTE_US
    return [Message(m.topic, m.offset, at_us, m.key, m.value, m.headers) for m in messages]


def _credit(chance: Random, minute: int) -> Iterator[Sent]:
    """Two versions, the second one worse; from minute 65 on both are wrong more often, and people older."""
    broken = minute >= 65
    for number in range(16):
        version = "78"[chance.random() < 0.5]
        answer = "yes" if chance.random() < 0.5 else "no"
        event = {
            **_identity("credit", minute, number, 3.5),
            "version": version,
            "prediction": answer,
            "score": round(chance.random() * 0.5 + 0.5 * (answer == "yes"), 6),
            "latency_ms": round(10 + 200 * chance.random(), 3),
            "features": {
                "age": round(40 + (30 if broken else 10) * chance.random(), 3),
                "job": "abc"[int(3 * chance.random())],
                "balance": None if chance.random() < 0.1 else round(1_000 * chance.random(), 2),
            },
            "groups": {"sex": "fm"[chance.random() < 0.5]},
            "segments": {"country": ("NO", "SE", "DK")[int(3 * chance.random())]},
        }
        yield PREDICTIONS, event
        if number == 0:
            yield PREDICTIONS, event  # twice
        right = chance.random() < (0.4 if broken else {"7": 0.95, "8": 0.85}[version])
        if chance.random() < 0.8:
            yield _label(event, answer if right else {"yes": "no", "no": "yes"}[answer])
        if number == 3:  # a correction, of an older one
            yield _label(event, "yes", revision=1)
        if number == 5:  # one whose prediction comes in twelve minutes, or never
            early = _identity("credit", minute + 12, 0 if minute % 2 else 999, 3.5)
            yield _label({**early, "time": event["time"]}, "no")


def _prices(chance: Random, minute: int) -> Iterator[Sent]:
    for number in range(6):
        price = round(100 + 50 * chance.random(), 4)
        event = {
            **_identity("prices", minute, number, 10),
            "version": "1",
            "prediction": price,
            "features": {"area": round(50 + 50 * chance.random(), 2)},
            "segments": {"city": "ab"[chance.random() < 0.5]},
        }
        yield PREDICTIONS, event
        yield _label(event, round(price + chance.random() - 0.4, 4))


def _search(chance: Random, minute: int) -> Iterator[Sent]:
    for number in range(4):
        ranked = sorted("abcdefgh", key=lambda _: chance.random())
        event = {**_identity("search", minute, number, 15), "version": "1", "ranked": ranked}
        yield PREDICTIONS, {**event, "features": {"hour": minute % 24 + chance.random()}}
        label = _label(event, None)[1]
        del label["label"]
        yield GROUND_TRUTH, {**label, "relevance": {ranked[int(8 * chance.random())]: 1.0}}


def _named(chance: Random, minute: int) -> Iterator[Sent]:
    """Its baseline is given; the second version takes over from the first."""
    version = "1" if minute < 40 else "2"
    for number in range(5):
        said = {"version": version, "prediction": "yes" if chance.random() < 0.5 else "no"}
        event = {**_identity("named", minute, number, 12), **said, "features": {"x": chance.random()}}
        yield PREDICTIONS, event
        yield _label(event, event["prediction"])


def _gone(chance: Random, minute: int) -> Iterator[Sent]:
    """Always wrong, and retired for it."""
    for number in range(30 if minute < 30 else 0):
        event = {**_identity("gone", minute, number, 2), "version": "1", "prediction": "yes"}
        yield PREDICTIONS, {**event, "features": {"x": chance.random()}}
        yield _label(event, "no")


def _plain(chance: Random, minute: int) -> Iterator[Sent]:
    """Nobody defined it; some of its requests fail, and one event is from another world."""
    for number in range(3):
        event: dict[str, Any] = {**_identity("plain", minute, number, 20), "version": "1"}
        event |= {"error": "timeout"} if chance.random() < 0.2 else {"prediction": "abcd"[number]}
        yield PREDICTIONS, event
    yield _label(_identity("plain", minute, 0, 20), 3.5)  # not of the kind that it predicts


def _identity(model: str, minute: int, number: int, pause_s: float) -> dict[str, Any]:
    time_us = START_US + minute * MINUTE_US + int(number * pause_s * SECOND_US)
    return {"prediction_id": f"{model}-{minute}-{number}", "model": model, "time": time_us}


def _label(event: dict[str, Any], label: Any, revision: int = 0) -> Sent:
    truth = {"prediction_id": event["prediction_id"], "model": event["model"], "time": event["time"]}
    return GROUND_TRUTH, {**truth, "label": label, "revision": revision}


_MODELS = (_credit, _prices, _search, _named, _gone, _plain)
