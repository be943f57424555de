"""Whatever happens to an alert book, in whatever order, its records tell one consistent story."""

import json

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streamgauge.clients.alerts import LatestAlerts
from streamgauge.clients.events import Alert, Position
from streamgauge.schemas.alert_ids import fingerprint
from streamgauge.schemas.control import Acknowledge, Resolve, Silence
from streamgauge.schemas.errors import BadEvent
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alert_states import FLAP_SPAN_US, HELD_OPEN_US
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.findings import Finding
from tests.examples import examples

CONTEXT = AlertContext(resolve_after=2, cooldown_us=3, routes={"warning": "risk", "critical": "risk-pager"})
HOUR_US = 3_600_000_000
OPEN = {"opened", "updated", "acknowledged"}
versions = st.sampled_from(["7", "8"])
monitors = st.sampled_from(["drift", "concept_drift", "accuracy"])
segments = st.sampled_from([(), (("country", "NO"),)])


class Alerts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.book = AlertBook("credit")
        self.now_us = 1_795_255_200_000_000
        self.subscriber: dict[str, dict] = {}  # what replaying the records gives: alert_id → last record
        self.log: list[Alert] = []  # the topic
        self.nothing_open_at = [0]  # its offsets at which nothing is open
        self.quiet_since: dict[str, int] = {}  # fingerprint → when it last ended
        self.opened_us: dict[str, list[int]] = {}  # fingerprint → when its episodes opened
        self.graver_us: dict[str, int] = {}  # alert_id → since when it is as grave as it is
        self.fired_us: dict[str, int] = {}  # fingerprint → its latest finding
        self.silent_until_us = 0

    def told(self, outputs) -> None:
        for output in outputs:
            record = output.record
            before = self.subscriber.get(record["alert_id"])
            if record["state"] == "opened":
                assert before is None, "opened twice"
                assert record["sequence"] == 1
                running = [
                    r
                    for r in self.subscriber.values()
                    if r["fingerprint"] == record["fingerprint"] and r["state"] in OPEN
                ]
                assert not running, "two episodes of one fingerprint at once"
                ended_us = self.quiet_since.get(record["fingerprint"])
                assert ended_us is None or self.now_us >= ended_us + CONTEXT.cooldown_us
                assert self.now_us >= self.silent_until_us
                before_us = self.opened_us.setdefault(record["fingerprint"], [])
                lately = [us for us in before_us if self.now_us - us < FLAP_SPAN_US]
                assert record["flapping"] == (len(lately) >= 2)
                assert record["reason"] == ("flaps" if record["flapping"] else "fires")
                before_us.append(self.now_us)
            else:
                assert before is not None, "a step of an alert that never opened"
                assert before["state"] in OPEN, "a step after the end"
                assert record["sequence"] == before["sequence"] + 1
                assert record["opened_at"] == before["opened_at"]
                assert record["flapping"] == before["flapping"]
                self.is_due(before, record)
            if before is None or before["severity"] != record["severity"]:
                self.graver_us[record["alert_id"]] = self.now_us
            assert record["route"] == CONTEXT.routes.get(record["severity"])
            if record["state"] not in OPEN:
                self.quiet_since[record["fingerprint"]] = self.now_us
            self.subscriber[record["alert_id"]] = json.loads(json.dumps(record))
            self.log.append(Alert.from_record(record, Position("alerts", 0, len(self.log))))
            if not any(last["state"] in OPEN for last in self.subscriber.values()):
                self.nothing_open_at.append(len(self.log))

    def is_due(self, before, record) -> None:
        """A step that time, or too much of the same, has a say in."""
        if record["reason"] == "calm" and record["flapping"]:
            assert self.now_us - self.fired_us[record["fingerprint"]] >= HELD_OPEN_US
        if record["flapping"]:
            assert record["reason"] not in ("fires", "flaps"), "told of each swing"
        rises = record["severity"] != before["severity"]
        assert rises == (record["reason"] in ("worsens", "escalates"))
        assert record["reason"] != "escalates" or self.now_us >= self.silent_until_us

    @rule(
        version=versions,
        monitor=monitors,
        segment=segments,
        value=st.floats(0, 1),
        severity=st.sampled_from(["info", "warning", "critical"]),
    )
    def fires(self, version, monitor, segment, value, severity) -> None:
        finding = Finding(
            monitor, "zero_one_loss", severity, value, value / 2, value * 1.1, 0.1, segment=segment,
            onset_low_us=self.now_us - 5, onset_high_us=self.now_us,
        )  # fmt: skip
        known = fingerprint("credit", version, monitor, segment)
        self.fired_us[known] = self.now_us
        self.told(self.book.observe(version, monitor, segment, finding, self.now_us, None, CONTEXT))

    @rule(version=versions, monitor=monitors, segment=segments)
    def is_quiet(self, version, monitor, segment) -> None:
        self.told(self.book.observe(version, monitor, segment, None, self.now_us, None, CONTEXT))

    @rule(version=versions, monitor=monitors, segment=segments, times=st.integers(1, 3))
    def comes_and_goes(self, version, monitor, segment, times) -> None:
        """What is needed for an alert to open and resolve, so many times; one that flaps stays open."""
        for _ in range(times):
            self.now_us += CONTEXT.cooldown_us
            self.fires(version, monitor, segment, 0.5, "warning")
            for value in (0.9, 0.2):
                self.now_us += 1
                self.fires(version, monitor, segment, value, "warning")
            for _ in range(CONTEXT.resolve_after):
                self.now_us += 1
                self.is_quiet(version, monitor, segment)

    @rule(step_us=st.integers(1, 4) | st.sampled_from([HOUR_US, 7 * HOUR_US]))
    def time_passes(self, step_us) -> None:
        self.now_us += step_us

    @rule(version=versions)
    def traffic_ends(self, version) -> None:
        self.told(self.book.superseded(version, self.now_us))
        assert all(episode.version != version for episode in self.book.open_episodes())

    @rule(after_us=st.sampled_from([2, HOUR_US]))
    def warnings_wait_for_somebody(self, after_us) -> None:
        before = dict(self.subscriber)
        outputs = self.book.escalate(self.now_us, after_us)
        for output in outputs:
            last = before[output.record["alert_id"]]
            assert (last["severity"], output.record["severity"]) == ("warning", "critical")
            assert last["state"] != "acknowledged"
            assert self.now_us - self.graver_us[last["alert_id"]] >= after_us
        self.told(outputs)
        assert self.book.escalate(self.now_us, after_us) == []

    @rule(version=versions, monitor=monitors, segment=segments, seen=st.booleans())
    def a_warning_grows_out_of_less(self, version, monitor, segment, seen) -> None:
        self.fires(version, monitor, segment, 0.5, "info")
        self.now_us += HOUR_US
        self.fires(version, monitor, segment, 0.5, "warning")
        self.warnings_wait_for_somebody(HOUR_US)
        self.now_us += HOUR_US
        for episode in self.book.open_episodes() if seen else ():
            known = episode.fingerprint
            event = Acknowledge(actor="kari", time_us=self.now_us, model="credit", fingerprint=known)
            self.told(self.book.control(event, self.now_us))
        self.warnings_wait_for_somebody(HOUR_US)

    @rule(after_us=st.integers(1, 5))
    def expires(self, after_us) -> None:
        self.told(self.book.expire(self.now_us, after_us))

    @rule(data=st.data(), word=st.sampled_from([Acknowledge, Resolve]))
    def an_operator_speaks(self, data, word) -> None:
        known = data.draw(
            st.sampled_from(sorted({r["fingerprint"] for r in self.subscriber.values()}) or ["?"])
        )
        is_open = any(episode.fingerprint == known for episode in self.book.open_episodes())
        event = word(actor="kari", time_us=self.now_us, model="credit", fingerprint=known)
        try:
            outputs = self.book.control(event, self.now_us)
        except BadEvent:
            assert not is_open
        else:
            assert is_open
            self.told(outputs)

    @rule(length_us=st.integers(0, 3))
    def silenced(self, length_us) -> None:
        until_us = self.now_us + length_us
        silence = Silence(actor="kari", time_us=self.now_us, until_us=until_us, matcher={"model": "credit"})
        self.book.control(silence, self.now_us)
        self.silent_until_us = until_us

    @rule()
    def restarts(self) -> None:
        state = json.loads(json.dumps(self.book.to_state()))
        self.book = AlertBook.from_state("credit", state)

    @rule(copies=st.just(CONTEXT.resolve_after))
    def everything_calms_down(self, copies) -> None:
        """No state without exit: enough quiet windows end every episode."""
        for window in range(copies + 2):  # what an alert tells of besides its own monitor ends before it
            self.now_us += 1 if window <= copies else HELD_OPEN_US
            for episode in self.book.open_episodes():
                for monitor in (episode.monitor, *episode.related):
                    key = (episode.version, monitor, episode.segment)
                    self.told(self.book.observe(*key, None, self.now_us, None, CONTEXT))
        assert self.book.open_episodes() == ()

    @invariant()
    def replaying_the_records_gives_what_is_open(self) -> None:
        replayed = {
            alert_id: (record["sequence"], record["state"], record["severity"])
            for alert_id, record in self.subscriber.items()
            if record["state"] in OPEN
        }
        assert replayed == {
            f"{e.fingerprint}-{e.number}": (e.sequence, e.state, e.severity)
            for e in self.book.open_episodes()
        }

    def teardown(self) -> None:
        """Whoever reads the topic from where nothing is open knows what is, however often steps come."""
        for offset in self.nothing_open_at:
            latest = LatestAlerts()
            read = self.log[offset:]
            for alert in (*read, *reversed(read)):
                latest.note(alert)
            assert {alert.alert_id: alert.record for alert in latest.open()} == {
                alert_id: record for alert_id, record in self.subscriber.items() if record["state"] in OPEN
            }


Alerts.TestCase.settings = examples(60, stateful_step_count=40)
test_every_story_of_alerts_is_consistent = Alerts.TestCase
