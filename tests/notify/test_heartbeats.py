"""Alerts about partitions that nobody tells of: when they open and end, and what outlives a notifier."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.clients.events import Alert, Metric, Position
from streamgauge.notify import alertmanager, pagerduty, wording
from streamgauge.notify.config import Route, WebhookTarget
from streamgauge.notify.core.outbox import Outbox
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.core.pulse import CALM_US, Pulse
from streamgauge.notify.records import checked, told_by
from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.encode import decode_output, encode_output
from streamgauge.schemas.errors import BadEvent
from streamgauge.schemas.heartbeat import EVERY_US, SILENT_US, heartbeat
from streamgauge.schemas.message import ALERTS, Output

START_US = 1_795_255_200_000_000
SECOND_US = 1_000_000
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def alert(record: dict[str, Any]) -> Alert:
    """As a target gets it, once it has been in the topic."""
    for form in ("json", "avro"):
        assert decode_output(*encode_output(Output(ALERTS, b"", record), form)) == record  # type: ignore[arg-type]
    return checked(Alert.from_record(record, Position("alerts", 3, 0)))


def due(pulse: Pulse, now_us: int) -> list[dict[str, Any]]:
    """What is due to a notifier that has read everything."""
    if pulse.asks(now_us):
        pulse.ended(at=0, now_us=now_us)
    return pulse.due(now_us)


def steps(pulse: Pulse, now_us: int) -> list[tuple[str, str, int]]:
    """What is written now: monitor, state, episode."""
    found = [alert(record) for record in due(pulse, now_us)]
    pulse.wrote()
    return [(each.monitor, each.state, each.record["episode"]) for each in found]


def test_an_alert_opens_when_three_heartbeats_are_missing_and_ends_with_the_next() -> None:
    pulse = Pulse(3)
    assert steps(pulse, START_US) == [], "a partition that never had a message has no heartbeat to miss"
    pulse.beat(START_US)
    assert steps(pulse, START_US + SILENT_US) == []
    assert steps(pulse, START_US + SILENT_US + 1) == [("heartbeat", "opened", 1)]
    assert pulse.is_silent
    assert steps(pulse, START_US + 2 * SILENT_US) == []
    pulse.beat(START_US + 2 * SILENT_US)
    assert steps(pulse, START_US + 2 * SILENT_US) == [("heartbeat", "resolved", 1)]
    assert steps(pulse, START_US + 4 * SILENT_US) == [("heartbeat", "opened", 2)]


def test_heartbeats_that_were_missed_while_kafka_was_away_are_read_before_anything_is_said() -> None:
    pulse, back_us = Pulse(3), START_US + 4 * SILENT_US
    pulse.beat(START_US)
    pulse.read(10)
    assert pulse.asks(back_us)
    assert pulse.due(back_us) == [], "where the partition ends is not known"
    pulse.ended(at=14, now_us=back_us)
    assert not pulse.asks(back_us + SECOND_US), "it is asked once"
    pulse.read(13)
    assert pulse.due(back_us + SECOND_US) == [], "one more is to be read"
    pulse.beat(back_us - SECOND_US)
    pulse.read(14)
    assert pulse.due(back_us + SECOND_US) == [], "and it is a heartbeat"
    assert not pulse.is_silent


def test_an_end_that_was_asked_for_in_time_says_nothing_of_what_came_later() -> None:
    pulse, late_us = Pulse(3), START_US + SILENT_US + 1
    pulse.beat(START_US)
    pulse.ended(at=14, now_us=late_us)
    pulse.beat(START_US + EVERY_US)
    pulse.read(14)
    assert pulse.due(late_us + SILENT_US) == []
    assert pulse.asks(late_us + SILENT_US)


def test_an_end_that_is_not_reached_is_asked_for_again() -> None:
    pulse, late_us = Pulse(3), START_US + SILENT_US + 1
    pulse.beat(START_US)
    pulse.ended(at=14, now_us=late_us)
    assert not pulse.asks(late_us + EVERY_US)
    assert pulse.asks(late_us + EVERY_US + 1)


def test_what_nobody_could_be_told_of_is_judged_anew() -> None:
    pulse, late_us = Pulse(3), START_US + SILENT_US + 1
    pulse.beat(START_US)
    before = pulse.memory
    assert len(due(pulse, late_us)) == 1
    pulse.back_to(before)
    assert pulse.memory == before
    pulse.beat(late_us)
    assert due(pulse, late_us + SECOND_US) == []


def test_it_says_which_partition_since_when_and_for_how_long() -> None:
    pulse = Pulse(3)
    pulse.beat(START_US)
    [opened] = map(alert, due(pulse, START_US + 4 * EVERY_US))
    identity = fingerprint("", "", "heartbeat", (("partition", "3"),))
    assert (opened.alert_id, opened.severity) == (f"{identity}-1", "critical")
    assert opened.segment == {"partition": "3"}
    assert (opened.value, opened.limit, opened.model, opened.version) == (240.0, 180.0, "", "")
    assert opened.summary.startswith("no heartbeat of partition 3 since 10:00 UTC")
    pulse.wrote()
    pulse.beat(START_US + 8 * EVERY_US)
    [resolved] = map(alert, due(pulse, START_US + 8 * EVERY_US))
    assert (resolved.alert_id, resolved.sequence) == (opened.alert_id, 2)
    assert resolved.summary == "heartbeats of partition 3 are back; there were none from 10:00 to 10:08 UTC"


def test_every_kind_of_target_can_tell_it() -> None:
    pulse = Pulse(3)
    pulse.beat(START_US)
    [opened] = map(alert, due(pulse, START_US + 4 * EVERY_US))
    assert wording.title([opened]) == "[critical] opened: heartbeat"
    assert alertmanager.labels(opened) == {
        "alertname": "heartbeat", "severity": "critical", "segment": "partition=3", "segment_partition": "3",
    }  # fmt: skip
    assert pagerduty.event(opened, "key")["payload"]["source"] == "streamgauge"
    assert Route(match={"model": "*"}, to="a").match.fits(opened)
    assert not Route(match={"model": "credit*"}, to="a").match.fits(opened)


def test_refused_models_are_one_alert_however_many_until_there_is_none_for_a_while() -> None:
    pulse, now_us = Pulse(3), START_US
    found = []
    for minute in range(40):
        now_us = START_US + minute * EVERY_US
        pulse.beat(now_us)
        if minute < 10:
            pulse.refused(now_us, 700.0)
        found += [(minute, *step) for step in steps(pulse, now_us)]
    calm = 9 + CALM_US // EVERY_US
    assert found == [(0, "max_models", "opened", 1), (calm, "max_models", "resolved", 1)]


def test_while_nothing_is_heard_nothing_is_said_of_refused_models() -> None:
    pulse = Pulse(3)
    pulse.beat(START_US)
    pulse.refused(START_US, 9.0)
    assert steps(pulse, START_US) == [("max_models", "opened", 1)]
    assert steps(pulse, START_US + 2 * CALM_US) == [("heartbeat", "opened", 1)]


@pytest.mark.parametrize("text", ["", "{}", "not JSON", "1 40 105 4", '{"until_us": "soon"}', "null"])
def test_a_memory_that_somebody_else_wrote_is_as_none(text: str) -> None:
    pulse = Pulse(3, text)
    assert due(pulse, START_US) == []
    pulse.beat(START_US)
    assert steps(pulse, START_US + 2 * SILENT_US) == [("heartbeat", "opened", 1)]


@pytest.mark.parametrize("wrong", [{"value": "many"}, {"window": {"start": "10:00", "end": "10:01"}}])
def test_a_heartbeat_that_is_none_by_its_types_is_refused(wrong: dict[str, Any]) -> None:
    record, nowhere = heartbeat(3, START_US, START_US + EVERY_US, "streamgauge").record, Position("", 0, 0)
    assert told_by(Metric.from_record(record, nowhere)) == (START_US + EVERY_US, 1.0)
    with pytest.raises(BadEvent, match=next(iter(wrong))):
        told_by(Metric.from_record({**record, **wrong}, nowhere))


#: Minutes until what comes next in the topic: a heartbeat, or something else.
TOPIC = st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=30)
#: Of each minute, how many messages the notifier reads, and whether Kafka says where the topic ends.
NETWORK = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=130, max_size=130)


@given(TOPIC, NETWORK, st.integers(0, 130))
def test_whoever_is_cut_off_pages_for_no_heartbeat_that_is_there_and_once_back_for_each_that_is_not(
    topic: list[tuple[int, bool]], network: list[tuple[int, bool]], back: int
) -> None:
    pulse, offset, minute, asked = Pulse(3), 0, 0, 0
    log = [(minute := minute + wait, is_beat) for wait, is_beat in [(0, True), *topic]]
    for now, (reads, answers) in enumerate(network):
        now_us = START_US + now * EVERY_US + 1
        end = sum(at <= now for at, _ in log)
        is_back = now >= back
        for at, is_beat in log[offset : end if is_back else min(end, offset + reads)]:
            if is_beat:
                pulse.beat(START_US + at * EVERY_US)
            offset += 1
            pulse.read(offset)
        if pulse.asks(now_us) and (answers or is_back):
            pulse.ended(end, now_us)
            asked = now
        was_silent = pulse.is_silent
        pulse.due(now_us)
        pulse.wrote()
        if pulse.is_silent and not was_silent:
            assert all(asked - at >= 3 for at, is_beat in log if is_beat and at <= asked)
        if now > back:
            assert pulse.is_silent == all(now - at >= 3 for at, is_beat in log[:end] if is_beat)


#: What happens a while after what was before: a heartbeat comes, models are refused, or nothing.
HAPPENS = st.sampled_from(["heartbeat", "refused", "nothing"])
#: After a look at what is due, whether the notifier is killed before it writes, after it, or not at all.
KILLS = st.sampled_from(["no", "no", "before", "after"])


@given(st.lists(st.tuples(st.integers(1, 20), HAPPENS, KILLS), max_size=60))
def test_kills_at_any_moment_lose_no_step_and_targets_are_told_each_once(
    story: list[tuple[int, str, str]],
) -> None:
    undisturbed, pulse, now_us = Pulse(3), Pulse(3), START_US
    told, offset = Counter[str](), 0
    wanted = Counter[str]()
    target = WebhookTarget(kind="webhook", url="https://x.example/", secret=SECRET)
    box = Outbox("hook", target, [Route(to="hook")])
    box.assign(3, 0, "")
    for minutes, what, kill in [*story, (1, "nothing", "no")]:
        now_us += minutes * EVERY_US
        for each in (undisturbed, pulse):
            if what != "nothing":
                each.beat(now_us)
            if what == "refused":
                each.refused(now_us, 1.0)
        wanted.update(f"{r['alert_id']}-{r['sequence']}" for r in due(undisturbed, now_us))
        undisturbed.wrote()
        records = due(pulse, now_us)
        memory = pulse.memory  # committed before anything is written
        if kill == "before":
            pulse, records = Pulse(3, memory), due(Pulse(3, memory), now_us)
        for record in records * (2 if kill == "after" else 1):  # and once more by the next notifier
            box.record(3, offset, alert(record), now_us)
            offset += 1
            while (notification := box.due(now_us)) is not None:
                told[notification.key] += 1
                box.settle(notification, Outcome(Result.DELIVERED), now_us)
        pulse.wrote()
        pulse = Pulse(3, pulse.memory)
    assert told.keys() == wanted.keys()
    # the end of an alert may come twice to a target: it has forgotten the alert by then
    assert all(count == 1 for key, count in told.items() if key.endswith("-1"))
