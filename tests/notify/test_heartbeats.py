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


def steps(pulse: Pulse, now_us: int) -> list[tuple[str, str, int]]:
    """What is written now: monitor, state, episode."""
    found = [alert(record) for record in pulse.due(now_us)]
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


def test_it_says_which_partition_since_when_and_for_how_long() -> None:
    pulse = Pulse(3)
    pulse.beat(START_US)
    [opened] = map(alert, pulse.due(START_US + 4 * EVERY_US))
    identity = fingerprint("", "", "heartbeat", (("partition", "3"),))
    assert (opened.alert_id, opened.severity) == (f"{identity}-1", "critical")
    assert opened.segment == {"partition": "3"}
    assert (opened.value, opened.limit, opened.model, opened.version) == (240.0, 180.0, "", "")
    assert opened.summary.startswith("no heartbeat of partition 3 since 10:00 UTC")
    pulse.wrote()
    pulse.beat(START_US + 8 * EVERY_US)
    [resolved] = map(alert, pulse.due(START_US + 8 * EVERY_US))
    assert (resolved.alert_id, resolved.sequence) == (opened.alert_id, 2)
    assert resolved.summary == "heartbeats of partition 3 are back; there were none from 10:00 to 10:08 UTC"


def test_every_kind_of_target_can_tell_it() -> None:
    pulse = Pulse(3)
    pulse.beat(START_US)
    [opened] = map(alert, pulse.due(START_US + 4 * EVERY_US))
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
    assert pulse.due(START_US) == []
    pulse.beat(START_US)
    assert steps(pulse, START_US + 2 * SILENT_US) == [("heartbeat", "opened", 1)]


@pytest.mark.parametrize("wrong", [{"value": "many"}, {"window": {"start": "10:00", "end": "10:01"}}])
def test_a_heartbeat_that_is_none_by_its_types_is_refused(wrong: dict[str, Any]) -> None:
    record, nowhere = heartbeat(3, START_US, START_US + EVERY_US, "streamgauge").record, Position("", 0, 0)
    assert told_by(Metric.from_record(record, nowhere)) == (START_US + EVERY_US, 1.0)
    with pytest.raises(BadEvent, match=next(iter(wrong))):
        told_by(Metric.from_record({**record, **wrong}, nowhere))


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
        wanted.update(f"{r['alert_id']}-{r['sequence']}" for r in undisturbed.due(now_us))
        undisturbed.wrote()
        records = pulse.due(now_us)
        memory = pulse.memory  # committed before anything is written
        if kill == "before":
            pulse, records = Pulse(3, memory), Pulse(3, memory).due(now_us)
        for record in records * (2 if kill == "after" else 1):  # and once more by the next notifier
            box.record(3, offset, alert(record), now_us)
            offset += 1
            while (due := box.due(now_us)) is not None:
                told[due.key] += 1
                box.settle(due, Outcome(Result.DELIVERED), now_us)
        pulse.wrote()
        pulse = Pulse(3, pulse.memory)
    assert told.keys() == wanted.keys()
    # the end of an alert may come twice to a target: it has forgotten the alert by then
    assert all(count == 1 for key, count in told.items() if key.endswith("-1"))
