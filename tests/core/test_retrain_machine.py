"""Whatever alerts, labels, reports and silences come, in whatever order, requests keep their promises."""

import json

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streamgauge.schemas.control import RetrainStatus
from streamgauge.schemas.errors import BadEvent
from streamgauge.schemas.message import ALERTS, Output
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.streams.core.retrain import RetrainPolicy
from streamgauge.streams.core.retrain_alerts import unanswered
from streamgauge.streams.core.retrain_guards import TrainingData
from streamgauge.streams.core.retrain_states import IN_FLIGHT, REPORTS, RequestState
from tests.examples import examples

HOUR = 3_600_000_000
MAX_ATTEMPTS = 2
DEFINITION = MonitorDefinition.model_validate(
    {
        "model": "credit",
        "retrain": {
            "on": ["drift"],
            "min_labels": 100,
            "cooldown": "3h",
            "expiry": "5h",
            "max_attempts": MAX_ATTEMPTS,
        },
    }
)
versions = st.sampled_from(["7", "8"])


class Requests(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.policy = RetrainPolicy("credit")
        self.now_us = 1_795_255_200_000_000
        self.open: dict[str, set[str]] = {"7": set(), "8": set()}  # alerts that are open now
        self.last: dict | None = None
        self.attempts: dict[str, int] = {}
        self.ended_us: int | None = None

    def consider(self, version, labels, alerts=()) -> None:
        was_in_flight = self.policy.state in IN_FLIGHT
        data = TrainingData(None, None, labels)
        for output in self.policy.consider(version, alerts, data, self.now_us, DEFINITION):
            record = output.record
            assert not was_in_flight, "two in flight"
            assert record["request_id"] not in self.attempts, "an id came twice"
            assert record["reasons"], "a request without a reason"
            assert {reason["fingerprint"] for reason in record["reasons"]} <= self.open[version]
            assert labels >= 100
            assert self.ended_us is None or self.now_us >= self.ended_us + 3 * HOUR
            self.attempts[record["request_id"]] = record["attempt"]
            self.last = record

    @rule(
        version=versions,
        number=st.integers(0, 2),
        labels=st.sampled_from([0, 99, 100, 5000]),
        counts=st.booleans(),
    )
    def an_alert_opens(self, version, number, labels, counts) -> None:
        fingerprint = f"{version}-{number}"
        if counts:
            self.open[version].add(fingerprint)
        else:
            self.open[version].discard(fingerprint)  # not a reason under this name any more
            self.consider(version, 0, [self.alert("resolved", version, fingerprint)])
        self.consider(
            version, labels, [self.alert("opened", version, fingerprint, "drift" if counts else "latency")]
        )

    @rule(version=versions, number=st.integers(0, 2), labels=st.sampled_from([0, 5000]))
    def an_alert_resolves(self, version, number, labels) -> None:
        self.open[version].discard(f"{version}-{number}")
        self.consider(version, labels, [self.alert("resolved", version, f"{version}-{number}")])

    @rule(version=versions, worth=st.booleans())
    def a_gain_is_worth_it_or_not(self, version, worth) -> None:
        """Until it is not, it is one reason; settled, it asks no more until it was not."""
        if worth:
            self.open[version].add("gain")
            self.policy.reasons.prompt(version, "gain", 5_000, "warning", again=False, value=7.0)
        else:
            self.open[version].discard("gain")
            self.policy.reasons.withdraw(version, "gain")

    @rule(version=versions, labels=st.sampled_from([99, 100]))
    def a_window_closes(self, version, labels) -> None:
        self.consider(version, labels)

    @rule(hours=st.integers(0, 6))
    def time_passes(self, hours) -> None:
        self.now_us += hours * HOUR
        before = self.policy.state
        for output in self.policy.tick(self.now_us):
            record = output.record
            assert before in IN_FLIGHT
            assert record["request_id"] == self.last["request_id"]
            assert record["attempt"] == self.attempts[record["request_id"]] + 1
            assert record["reasons"] == self.last["reasons"]
            self.attempts[record["request_id"]] = record["attempt"]
            self.last = record
        if self.policy.state is RequestState.UNANSWERED and before in IN_FLIGHT:
            assert self.attempts[self.last["request_id"]] == MAX_ATTEMPTS
            self.ended_us = self.now_us

    @precondition(lambda self: self.last is not None)
    @rule(state=st.sampled_from([*REPORTS, "ask", "nonsense"]), back=st.integers(-1, 1), other=st.booleans())
    def a_job_reports(self, state, back, other) -> None:
        request_id = "credit:7:99" if other else self.last["request_id"]
        before, known = self.policy.state, json.dumps(self.policy.to_state())
        try:
            self.policy.status(
                RetrainStatus(
                    request_id=request_id,
                    model="credit",
                    attempt=self.last["attempt"] - back,
                    state=state,
                    time_us=self.now_us,
                ),
                self.now_us,
            )
        except BadEvent:
            assert json.dumps(self.policy.to_state()) == known
            return
        assert not other
        assert state in REPORTS
        if self.policy.state not in IN_FLIGHT and self.policy.state is not before:
            self.ended_us = self.now_us

    @rule()
    def restarts(self) -> None:
        self.policy = RetrainPolicy.from_state("credit", json.loads(json.dumps(self.policy.to_state())))

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert all(1 <= attempt <= MAX_ATTEMPTS for attempt in self.attempts.values())

    @invariant()
    def an_unanswered_request_is_an_alert_and_nothing_else_is(self) -> None:
        assert (unanswered(self.policy) is not None) == (self.policy.state is RequestState.UNANSWERED)

    @staticmethod
    def alert(state, version, fingerprint, monitor="drift") -> Output:
        record = {
            "state": state,
            "version": version,
            "monitor": monitor,
            "metric": "psi",
            "severity": "warning",
            "value": None,
            "baseline": None,
            "limit": 0.2,
            "evidence_threshold": None,
            "n": 500,
            "fingerprint": fingerprint,
            "contributors": [],
            "segment": {},
            "related": [],
            "because": None,
        }
        return Output(ALERTS, b"credit", record)


Requests.TestCase.settings = examples(60, stateful_step_count=40)
test_every_story_of_requests_is_consistent = Requests.TestCase
