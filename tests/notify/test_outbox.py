"""What one target is sent, and when: any order of steps, failures and restarts."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streamgauge.notify.config import AlertmanagerTarget, Route, SlackTarget, WebhookTarget
from streamgauge.notify.core.outbox import Outbox
from streamgauge.notify.core.outcomes import Outcome, Result
from streamgauge.notify.core.progress import PENDING, Progress
from tests.examples import examples
from tests.notify.alerts import SECOND_US, step

MINUTE_US = 60 * SECOND_US
DELIVERED, REFUSED, FAILED = (Outcome(result) for result in (Result.DELIVERED, Result.REFUSED, Result.FAILED))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK = WebhookTarget(kind="webhook", url="https://x.example/", secret=SECRET, expire="1h")
SLACK = SlackTarget(kind="slack", url="https://x.example/", expire="1h")
ALERTMANAGER = AlertmanagerTarget(kind="alertmanager", url="https://x.example/")
EVERYTHING = Route(to=["here"])


def outbox(target=WEBHOOK, routes=(EVERYTHING,), resend_us=None, at=0, metadata=""):
    """One that follows partition 0 from a committed place on, or from nothing if that is None."""
    made = Outbox("here", target, routes, resend_us)
    made.assign(0, at, metadata)
    return made


def sent(box, now_us, outcome=DELIVERED):
    """The keys of everything that is due, with this outcome."""
    found = []
    while (notification := box.due(now_us)) is not None:
        found.append(notification.key)
        box.settle(notification, outcome, now_us)
    return found


class TestSteps:
    def test_every_step_is_sent_once_and_in_order(self):
        box = outbox()
        for offset, alert in enumerate([step(), step(sequence=2, state="updated"), step("aa-1")]):
            box.record(0, offset, alert, 0)
        assert sent(box, 0) == ["9f2c-1-1", "9f2c-1-2", "aa-1-1"]
        assert sent(box, MINUTE_US) == []
        assert box.commits() == {0: (3, "1 0 3 ")}  # both are open: a restart reads them, and tells nothing
        assert box.waiting == 0

    def test_what_fits_no_route_is_done_at_once(self):
        box = outbox(routes=(Route(match={"severity": "critical"}, to=["here"]),))
        box.record(0, 0, step(), 0)
        assert (sent(box, 0), box.commits()) == ([], {0: (1, "1 1 1 ")})

    def test_what_an_alert_was_under_other_labels_goes_with_its_steps(self):
        box = outbox()
        steps = [("warning", "risk"), ("warning", "credit"), ("warning", "risk"), ("critical", "pager")]
        for n, (severity, route) in enumerate(steps, 1):
            state = "opened" if n == 1 else "updated"
            box.record(0, n - 1, step(sequence=n, state=state, severity=severity, route=route), 0)
        told = []
        while (notification := box.due(0)) is not None:
            told.append([(a.severity, a.route) for a in notification.transitions[0].before])
            box.settle(notification, DELIVERED, 0)
        assert told == [[], steps[:1], steps[:2], steps[:2]]

    def test_a_step_that_comes_again_is_known(self):
        box = outbox()
        box.record(0, 0, step(), 0)
        box.record(0, 1, step(), 0)
        assert sent(box, 0) == ["9f2c-1-1"]

    def test_who_was_told_that_it_opened_is_told_that_it_ended(self):
        box = outbox(routes=(Route(match={"severity": "critical"}, to=["here"]),))
        box.record(0, 0, step(severity="critical"), 0)
        box.record(0, 1, step(sequence=2, state="resolved", severity="warning"), 0)
        assert sent(box, 0) == ["9f2c-1-1", "9f2c-1-2"]
        assert box.commits() == {0: (2, "1 2 2 ")}

    def test_a_failed_step_is_tried_again_before_later_ones_of_its_alert_but_not_of_others(self):
        box = outbox()
        box.record(0, 0, step(), 0)
        box.settle(box.due(0), FAILED, 0)
        box.record(0, 1, step(sequence=2, state="resolved"), 0)
        box.record(0, 2, step("aa-1"), 0)
        assert sent(box, 0) == ["aa-1-1"]
        assert sent(box, SECOND_US) == ["9f2c-1-1", "9f2c-1-2"]

    def test_what_a_target_refuses_is_not_tried_again(self):
        box = outbox()
        box.record(0, 0, step(), 0)
        assert sent(box, 0, REFUSED) == ["9f2c-1-1"]
        assert (sent(box, MINUTE_US), box.waiting) == ([], 0)

    def test_what_cannot_be_delivered_in_time_is_given_up(self):
        box = outbox()
        box.record(0, 0, step(), 0)
        box.settle(box.due(0), FAILED, 0)
        assert box.give_up(3_600 * SECOND_US - 1) == []
        assert [each.offset for each in box.give_up(3_600 * SECOND_US)] == [0]
        assert (box.waiting, sent(box, 3_601 * SECOND_US)) == (0, [])

    def test_a_target_that_fails_is_left_alone_longer_and_longer(self):
        box, now_us, tried = outbox(), 0, []
        for number in range(30):
            box.record(0, number, step(f"aa-{number}"), 0)
        while now_us < 20 * MINUTE_US:
            notification = box.due(now_us)
            if notification is not None:
                tried.append(now_us // SECOND_US)
                box.settle(notification, FAILED, now_us)
            now_us += SECOND_US
        assert tried[:6] == [0, 1, 2, 3, 4, 20]  # five in a row, then 16 s
        assert [b - a for a, b in pairwise(tried[6:])] == [64, 128, 256, 300, 300]

    def test_it_waits_for_as_long_as_the_target_asks(self):
        box = outbox()
        box.record(0, 0, step(), 0)
        box.settle(box.due(0), Outcome(Result.FAILED, "HTTP 429", 40 * SECOND_US), 0)
        box.record(0, 1, step("aa-1"), 0)
        assert sent(box, 39 * SECOND_US) == []
        assert len(sent(box, 40 * SECOND_US)) == 2


class TestGroups:
    def test_alerts_of_one_group_are_told_together_after_a_wait(self):
        box = outbox(SLACK)
        box.record(0, 0, step(), 0)
        box.record(0, 1, step("aa-1", model="other"), SECOND_US)
        box.record(0, 2, step("bb-1"), 29 * SECOND_US)
        assert box.due(29 * SECOND_US) is None
        notification = box.due(30 * SECOND_US)
        assert [alert.alert_id for alert in notification.alerts] == ["9f2c-1", "bb-1"]
        box.settle(notification, DELIVERED, 30 * SECOND_US)
        assert box.due(30 * SECOND_US) is None  # the other model's group
        assert sent(box, 31 * SECOND_US) == ["aa-1-1"]

    def test_later_ones_come_an_interval_apart(self):
        box = outbox(SLACK)
        box.record(0, 0, step(), 0)
        sent(box, 30 * SECOND_US)
        box.record(0, 1, step(sequence=2, state="resolved"), 40 * SECOND_US)
        assert sent(box, 5 * MINUTE_US + 29 * SECOND_US) == []
        assert sent(box, 5 * MINUTE_US + 30 * SECOND_US) == ["9f2c-1-2"]

    def test_an_alert_stays_in_its_group_when_it_gets_worse(self):
        box = outbox(SLACK, [Route(to=["here"], group_by=["severity"])])
        box.record(0, 0, step(), 0)
        box.record(0, 1, step(sequence=2, state="updated", severity="critical"), 0)
        assert [alert.sequence for alert in box.due(MINUTE_US).alerts] == [1, 2]

    def test_a_digest_comes_by_the_clock(self):
        box = outbox(SLACK, [Route(to=["here"], digest="1h")])
        box.record(0, 0, step(), 50 * MINUTE_US)
        box.record(0, 1, step("aa-1"), 59 * MINUTE_US)
        assert sent(box, 60 * MINUTE_US - 1) == []
        assert sent(box, 60 * MINUTE_US) == ["9f2c-1-1"]  # both, in one

    def test_a_full_queue_waits_for_no_company(self):
        box = outbox(SLACK, [Route(to=["here"], digest="1d")])
        for offset in range(PENDING):
            assert not box.is_full
            box.record(0, offset, step(f"aa-{offset}"), 0)
        assert box.is_full
        assert len(box.due(0).alerts) == 20


class TestRestarts:
    def test_what_was_done_out_of_order_is_not_done_again(self):
        routes = [Route(match={"model": "slow"}, to=["here"], digest="1d"), EVERYTHING]
        box = outbox(SLACK, routes)
        box.record(0, 0, step(model="slow"), 0)
        box.record(0, 1, step("aa-1"), 0)
        assert sent(box, MINUTE_US) == ["aa-1-1"]
        offset, metadata = box.commits()[0]
        again = outbox(SLACK, routes, at=offset, metadata=metadata)
        again.record(0, 0, step(model="slow"), 0)
        again.record(0, 1, step("aa-1"), 0)
        assert sent(again, 25 * 3_600 * SECOND_US) == ["9f2c-1-1"]

    def test_a_queue_that_was_full_is_read_again_and_is_full_again(self):
        box = outbox()
        for offset in range(PENDING):
            box.record(0, offset, step(f"aa-{offset}"), 0)
        offset, metadata = box.commits()[0]
        again = outbox(at=offset, metadata=metadata)
        for offset in range(PENDING):
            assert not again.is_full
            again.record(0, offset, step(f"aa-{offset}"), 0)
        assert again.is_full

    def test_what_kafka_keeps_has_room_however_far_apart_they_are(self):
        progress = Progress.of(0, "")
        for number in range(PENDING + 9):
            progress.read(number * 10**15)
            progress.wait(number * 10**15)
        offset, metadata = progress.committed(0)
        assert len(metadata) < 4_096
        again = Progress.of(offset, metadata)
        assert list(again.pending) == list(progress.pending)[:PENDING]
        assert again.next == PENDING * 10**15

    def test_a_new_target_is_told_what_is_open_and_not_what_was(self):
        box = Outbox("here", WEBHOOK, [EVERYTHING])
        assert box.assign(0, None, None) is None
        steps = [step(), step("aa-1"), step(sequence=2, state="updated"), step("aa-1", 2, "resolved")]
        for offset, alert in enumerate(steps):
            box.record(0, offset, alert, 0)
        assert (sent(box, 0), box.commits()) == ([], {})
        box.end(0, 4, 0)
        assert sent(box, 0) == ["9f2c-1-2"]
        box.record(0, 4, step("bb-1"), 0)
        assert sent(box, 0) == ["bb-1-1"]

    def test_a_waiting_record_that_retention_took_is_lost_and_holds_nothing_up(self):
        box = outbox(at=5, metadata="1 3 9 1")  # 5 and 6 wait
        assert box.record(0, 6, step("aa-1"), 0) == 1
        assert sent(box, 0) == ["aa-1-1"]
        box.record(0, 9, None, 0)
        assert box.commits() == {0: (10, "1 6 10 ")}

    @pytest.mark.parametrize("metadata", ["", "mine", "1 x 9 ", "2 1 9 ", "1 1 9 1,,2", "1 -1 9 "])
    def test_an_offset_that_somebody_else_committed_is_where_it_begins(self, metadata):
        box = outbox(at=7, metadata=metadata)
        box.record(0, 7, step(), 0)
        assert sent(box, 0) == ["9f2c-1-1"]

    def test_a_partition_that_goes_takes_what_waits_along(self):
        box = outbox()
        box.record(0, 0, step(), 0)
        box.settle(box.due(0), FAILED, 0)
        box.revoke(0)
        assert (sent(box, MINUTE_US), box.waiting, box.commits()) == ([], 0, {})


class TestRefreshing:
    def test_what_is_open_is_said_again_and_again_once_all_was_read(self):
        box = outbox(ALERTMANAGER, resend_us=MINUTE_US)
        box.record(0, 0, step(), 0)
        box.record(0, 1, step("aa-1"), 0)
        sent(box, 0)
        assert box.refresh(0) == []
        box.end(0, 2, 0)
        assert [episode.last.alert_id for episode in box.refresh(MINUTE_US)] == ["9f2c-1", "aa-1"]
        assert box.refresh(2 * MINUTE_US - 1) == []
        box.record(0, 2, step("aa-1", 2, "resolved"), 0)
        assert [episode.last.alert_id for episode in box.refresh(2 * MINUTE_US)] == ["9f2c-1"]

    def test_a_restart_knows_what_is_open_and_does_not_tell_it_as_new(self):
        box = outbox(ALERTMANAGER, resend_us=MINUTE_US)
        box.record(0, 0, step(), 0)
        box.record(0, 1, step("aa-1"), 0)
        box.record(0, 2, step(sequence=2, state="resolved"), 0)
        sent(box, 0)
        offset, metadata = box.commits()[0]
        assert (offset, metadata) == (3, "1 1 3 ")
        again = outbox(ALERTMANAGER, resend_us=MINUTE_US, at=offset, metadata=metadata)
        again.record(0, 1, step("aa-1"), 0)
        again.record(0, 2, step(sequence=2, state="resolved"), 0)
        again.end(0, 3, 0)
        assert sent(again, 0) == []
        assert [episode.last.alert_id for episode in again.refresh(0)] == ["aa-1"]


STATES = ("opened", "updated", "acknowledged", "resolved")


class AnyOrder(RuleBasedStateMachine):
    """A worker writes steps into two partitions; a notifier reads, delivers, fails, commits, loses one
    of them and gets it back, or is killed, in any order.

    A kill between delivery and commit repeats, with the same key. Without such a kill nothing comes twice.
    """

    @initialize(kind=st.sampled_from([WEBHOOK, SLACK]), routes=st.sampled_from(["all", "critical", "digest"]))
    def begin(self, kind, routes):
        self.kind = kind
        self.routes = {
            "all": [EVERYTHING],
            "critical": [Route(match={"severity": "critical"}, to=["here"])],
            "digest": [
                Route(match={"model": "a"}, to=["here"], digest="1h"),
                Route(to=["here"], group_by=[]),
            ],
        }[routes]
        self.logs: dict[int, list] = {0: [], 1: []}
        self.now_us = 0
        self.had: Counter = Counter()
        self.order: dict = {}
        self.unsaved: set = set()  # delivered, and not known to Kafka
        self.allowed: Counter = Counter()  # repeats that a kill explains
        self.places = {0: (0, ""), 1: (0, "")}
        self.start()

    def start(self):
        self.box = Outbox("here", self.kind, self.routes)
        self.positions = {number: self.box.assign(number, *place) for number, place in self.places.items()}

    @rule(
        model=st.sampled_from("abc"),
        severity=st.sampled_from(["warning", "critical"]),
        ends=st.booleans(),
        gap=st.integers(1, 3),
    )
    def write(self, model, severity, ends, gap):
        log = self.logs[model == "b"]
        before = [alert for _, alert in log if alert.model == model]
        if before and before[-1].is_open:
            last = before[-1]
            state = "resolved" if ends else "updated"
            alert = step(last.alert_id, last.sequence + 1, state, model=model, severity=severity)
        else:
            episode = before[-1].episode + 1 if before else 1
            alert = step(f"{model}-{episode}", model=model, severity=severity)
        log.append(((log[-1][0] if log else -1) + gap, alert))  # transactions leave gaps

    @rule(number=st.sampled_from([0, 1]), count=st.integers(1, 4))
    def read(self, number, count):
        unread = [each for each in self.logs[number] if each[0] >= self.positions[number]]
        for offset, alert in unread[:count]:
            self.box.record(number, offset, alert, self.now_us)
            self.positions[number] = offset + 1

    @rule(outcome=st.sampled_from([DELIVERED, DELIVERED, FAILED]))
    def deliver(self, outcome):
        notification = self.box.due(self.now_us)
        if notification is None:
            return
        if outcome is DELIVERED:
            for alert in notification.alerts:
                key = (alert.alert_id, alert.sequence)
                self.had[key] += 1
                if self.had[key] == 1:
                    assert self.order.get(alert.alert_id, 0) < alert.sequence, "out of order"
                    self.order[alert.alert_id] = alert.sequence
                self.unsaved.add(key)
        self.box.settle(notification, outcome, self.now_us)

    @rule(seconds=st.sampled_from([1, 40, 400, 4_000]))
    def wait(self, seconds):
        self.now_us += seconds * SECOND_US

    @rule()
    def commit(self):
        places = self.box.commits()
        self.places |= places
        self.box.committed(places)
        self.unsaved.clear()

    @rule(saved=st.booleans())
    def restart(self, saved):
        if saved:
            self.commit()
        self.allowed.update(self.unsaved)
        self.unsaved.clear()
        self.start()

    @rule(number=st.sampled_from([0, 1]))
    def rebalance(self, number):
        self.commit()
        self.box.revoke(number)
        self.positions[number] = self.box.assign(number, *self.places[number])

    @invariant()
    def nothing_comes_twice_but_after_a_kill(self):
        for key, count in self.had.items():
            assert count <= 1 + self.allowed[key], key

    def teardown(self):
        if not hasattr(self, "box"):
            return
        count = sum(map(len, self.logs.values()))
        for number in self.logs:
            self.read(number, count)
        for _ in range(count * 3 + 10):
            self.now_us += 400 * SECOND_US
            while self.box.due(self.now_us) is not None:
                self.deliver(DELIVERED)
        told: set = set()
        for _, alert in self.logs[0] + self.logs[1]:
            if alert.alert_id in told or any(route.match.fits(alert) for route in self.routes):
                told.add(alert.alert_id)
                assert self.had[alert.alert_id, alert.sequence] >= 1, alert.alert_id
            else:
                assert self.had[alert.alert_id, alert.sequence] == 0
        assert self.box.waiting == 0
        self.nothing_comes_twice_but_after_a_kill()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = examples(150, stateful_step_count=40)
