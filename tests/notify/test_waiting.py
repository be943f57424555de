"""Retrain requests that a target does not take yet: whose turn it is, and until when it is tried."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.clients.events import Position, RetrainRequest
from streamgauge.notify.core.waiting import Waiting
from tests.notify.requests import request_record

NOW_US = 1_795_255_200_000_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


def request(model: str, offset: int = 0, partition: int = 0, **fields: Any) -> RetrainRequest:
    record = request_record(f"{model}:7:1", model=model, **fields)
    return RetrainRequest.from_record(record, Position("requests", partition, offset))


def model_due(waiting: Waiting, now_us: int) -> str | None:
    wait = waiting.due(now_us)
    return None if wait is None else wait.copies[0].model


def test_one_that_fails_holds_up_no_other_partition_and_is_tried_again_after_its_pause() -> None:
    waiting = Waiting(DAY_US)
    waiting.add(request("fraud"), NOW_US)
    failing = waiting.due(NOW_US)
    assert failing is not None
    assert waiting.failed(failing, 0, NOW_US)
    assert waiting.due(NOW_US) is None
    waiting.add(request("churn", 1), NOW_US)
    assert waiting.due(NOW_US) is None, "what is behind it in its partition waits for it"
    waiting.add(request("credit", partition=1), NOW_US)
    assert model_due(waiting, NOW_US) == "credit"
    assert model_due(waiting, NOW_US + SECOND_US) == "credit", "it came before the turn of the other"
    assert waiting.failed(failing, 60 * SECOND_US, NOW_US + SECOND_US), "the target asks for a minute"
    waiting.keep(lambda each: each.position.partition == 0)
    assert model_due(waiting, NOW_US + 60 * SECOND_US) is None
    assert model_due(waiting, NOW_US + 61 * SECOND_US) == "fraud"


def test_it_is_tried_until_the_request_or_the_patience_with_its_target_ends() -> None:
    ends = datetime.fromtimestamp(NOW_US / 1e6, UTC) + timedelta(seconds=4)
    for waiting, until in ((Waiting(4 * SECOND_US), {}), (Waiting(DAY_US), {"expires_at": ends.isoformat()})):
        waiting.add(request("credit", **until), NOW_US)
        wait = waiting.due(NOW_US)
        assert wait is not None
        assert waiting.failed(wait, 0, NOW_US)
        assert waiting.failed(wait, 0, NOW_US + SECOND_US)
        assert not waiting.failed(wait, 0, NOW_US + 3 * SECOND_US), "the next would be four seconds later"
        waiting.finish(wait)
        assert waiting.due(NOW_US + DAY_US) is None


def test_one_that_comes_again_keeps_its_pace_and_one_that_stands_twice_is_handed_over_once() -> None:
    waiting = Waiting(DAY_US)
    for offset in (0, 0, 5):
        waiting.add(request("credit", offset), NOW_US)
        wait = waiting.due(NOW_US)
        assert wait is not None or offset == 5
        if wait is not None:
            waiting.failed(wait, 0, NOW_US - SECOND_US)
    wait = waiting.due(NOW_US + DAY_US)
    assert wait is not None
    assert wait.failures == 2
    assert [copy.position.offset for copy in wait.copies] == [0, 5]


def test_what_is_no_longer_its_own_is_left_to_others() -> None:
    waiting = Waiting(DAY_US)
    waiting.add(request("credit", partition=1), NOW_US)
    waiting.add(request("fraud", partition=2), NOW_US + 1)
    waiting.keep(lambda each: each.position.partition == 2)
    assert model_due(waiting, NOW_US + 1) == "fraud"


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_the_turns_of_partitions_whose_requests_always_fail_are_fair(come: list[str]) -> None:
    waiting, tried = Waiting(DAY_US), Counter[str]()
    for offset, name in enumerate(come):
        waiting.add(request(name, offset, "abc".index(name)), NOW_US + offset)
    now_us = NOW_US + len(come)
    for _ in range(50 * len(set(come))):
        while (wait := waiting.due(now_us)) is None:
            now_us += 10 * SECOND_US
        tried[wait.copies[0].model] += 1
        assert waiting.failed(wait, 0, now_us)
    assert max(tried.values()) - min(tried[name] for name in set(come)) <= 1
