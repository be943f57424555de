"""A chaos run's plan is what its seed says, and the offline program notices a single event."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streamgauge.clients.connection import Connection
from streamgauge.schemas.message import GROUND_TRUTH, METRICS, PREDICTIONS, Message
from streamgauge.streams.core.partition import CoreSettings, Partition
from tests.acceptance.senders import values_of
from tests.acceptance.traffic import START_US, Parcel
from tests.chaos.disturbing import DISTURBANCES
from tests.chaos.drawing import draw
from tests.chaos.lifecycles import alert_problems, lost_alerts, request_problems
from tests.chaos.offline import Offline
from tests.chaos.plan import Plan
from tests.chaos.raw import RawRecord, raw_record
from tests.chaos.scale import LONG, SHORT
from tests.chaos.sending import SENDING


class Tape:
    """Takes what a plan sends, in place of Kafka: one partition of each topic, in the order of the plan."""

    def __init__(self, plan: Plan) -> None:
        self.start_us = START_US
        self.connection = Connection("nowhere:1")
        self.messages: list[Message] = []
        self._ends: Counter[str] = Counter()
        for step in plan.steps:
            if step.action in SENDING:
                self._now_us = START_US + round(step.at_s * 1e6)
                SENDING[step.action](self, **step.arguments)  # type: ignore[arg-type]

    def send(self, parcel: Parcel) -> None:
        route = "columnar" if parcel.route == "logger" else parcel.route
        for value in values_of(Parcel(parcel.topic, route, parcel.events)):  # type: ignore[arg-type]
            self.produce(parcel.topic, value, parcel.events[0]["model"], [])

    def produce(self, topic: str, value: bytes | None, key: str, headers: Any) -> None:
        offset = self._ends[topic]
        self._ends[topic] += 1
        self.messages.append(Message(topic, offset, self._now_us, key.encode(), value, tuple(headers)))


def published(messages: list[Message]) -> dict[str, list[Any]]:
    """What the core makes of them."""
    partition = Partition(0, CoreSettings(clock="events"))
    for document in SHORT.definitions():
        order = {"kind": "define", "actor": "ann", "time": START_US, "model": document["model"]}
        value = json.dumps(order | {"document": document}).encode()
        partition.apply([Message("control", partition.applied.get("control", -1) + 1, 0, b"", value)])
    partition.apply(messages)
    partition.finish()
    found: dict[str, list[Any]] = {}
    for output in partition.drain():
        found.setdefault(output.topic, []).append(json.loads(json.dumps(output.record)))
    found["counts"] = [partition.counts()]
    return found


def offline(messages: list[Message]) -> Offline:
    records: list[RawRecord] = [raw_record(message.topic, 0, message) for message in messages]
    return Offline(records, SHORT)


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return Tape(draw(1, 9, SHORT)).messages


@pytest.fixture(scope="module")
def oracle(messages: list[Message]) -> Offline:
    return offline(messages)


def test_the_core_publishes_what_the_offline_program_computes(
    messages: list[Message], oracle: Offline
) -> None:
    told = published(messages)
    assert oracle.metric_differences(told[METRICS]) == []
    assert oracle.count_problems(told["counts"][0]) == []
    assert sum(oracle.counts.values()) > 1_500
    assert min(oracle.counts.values()) > 0


def test_one_number_that_is_off_is_noticed(messages: list[Message], oracle: Offline) -> None:
    told = published(messages)[METRICS]
    at = ("accuracy", "flowers", {})
    wrong = [{**m, "value": 0.123} if (m["metric"], m["model"], m["segment"]) == at else m for m in told]
    assert oracle.metric_differences(wrong) != []


@pytest.mark.parametrize("topic", [PREDICTIONS, GROUND_TRUTH])
def test_one_message_that_did_not_count_is_noticed(
    messages: list[Message], oracle: Offline, topic: str
) -> None:
    data = [at for at, message in enumerate(messages) if message.topic == topic and not message.headers]
    lost = data[len(data) // 2]
    told = published(messages[:lost] + messages[lost + 1 :])
    assert oracle.count_problems(told["counts"][0]) != []


def test_a_plan_is_what_its_seed_says_and_survives_its_file(tmp_path: Path) -> None:
    plan = draw(7, 600, LONG)
    assert plan == draw(7, 600, LONG)
    assert plan != draw(8, 600, LONG)
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


def test_an_hour_of_chaos_has_every_action() -> None:
    assert set(draw(7, 3_600, LONG).actions) == {*SENDING, *DISTURBANCES, "recreate"}


def test_a_plan_names_no_disturbance_that_cannot_be_had_here() -> None:
    assert "jump" not in draw(7, 600, LONG, without=["jump"]).actions


def alert(episode: int, sequence: int, state: str) -> dict[str, Any]:
    return {
        "fingerprint": "ab",
        "alert_id": f"ab-{episode}",
        "episode": episode,
        "sequence": sequence,
        "state": state,
    }


STORY = [alert(1, 1, "opened"), alert(1, 2, "updated"), alert(1, 3, "resolved"), alert(2, 1, "opened")]


def test_a_whole_story_of_alerts_has_no_problem() -> None:
    assert alert_problems(STORY) == []
    assert lost_alerts(STORY, {"ab": (2, 1)}) == []
    assert lost_alerts(STORY[:3], {"ab": (1, None)}) == []


@pytest.mark.parametrize("missing", range(3))
def test_a_step_that_is_missing_in_a_story_of_alerts_is_noticed(missing: int) -> None:
    assert alert_problems(STORY[:missing] + STORY[missing + 1 :]) != []


@pytest.mark.parametrize("doubled", range(4))
def test_a_step_that_is_told_twice_is_noticed(doubled: int) -> None:
    assert alert_problems(STORY[: doubled + 1] + STORY[doubled:]) != []


def test_an_alert_that_was_lost_at_the_end_is_noticed() -> None:
    assert lost_alerts(STORY[:3], {"ab": (2, 1)}) != []
    assert lost_alerts([], {"ab": (1, 1)}) != []


def test_a_request_that_is_missing_or_made_twice_is_noticed() -> None:
    asked = [
        {"request_id": f"m:7:{number}", "model": "m", "attempt": attempt}
        for number, attempt in ((1, 1), (1, 2), (2, 1))
    ]
    assert request_problems(asked) == []
    assert request_problems(asked[1:]) != []
    for at in range(3):
        assert request_problems(asked[: at + 1] + asked[at:]) != []


def test_an_undisturbed_plan_has_traffic_of_every_kind() -> None:
    counted = Counter(message.topic for message in Tape(draw(3, 20, SHORT)).messages)
    assert all(counted[topic] > 300 for topic in (PREDICTIONS, GROUND_TRUTH)), counted
