"""`RetrainPolicy`: when to ask for a new model, and what becomes of the request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamgauge.schemas.control import RetrainStatus
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import RETRAIN_REQUESTS, Output
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.alert_context import AlertContext
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.findings import Finding, OffsetRange
from streamgauge.streams.core.retrain_reasons import RetrainReasons
from streamgauge.streams.core.retrain_states import (
    IN_FLIGHT,
    REPORTS,
    TRANSITIONS,
    RequestEvent,
    RequestState,
)

#: The monitor under which an alert says that nobody answered.
UNANSWERED = "retrain_unanswered"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a new model can learn from: an event-time range in microseconds (end exclusive), where it lies in
    the input topics, how many of its predictions have a label, and their share of all (0..1)."""

    start_us: int | None
    end_us: int | None
    labels: int
    coverage: float | None = None
    offsets: tuple[OffsetRange, ...] = ()


class RetrainPolicy:
    """At most one request of a model is in flight. Times are microseconds since the epoch, in event time.

    >>> policy, definition = RetrainPolicy("credit"), MonitorDefinition(model="credit")
    >>> alert = Output("alerts", b"credit", {"state": "opened", "version": "7", "monitor": "concept_drift",
    ...     "metric": "zero_one_loss", "severity": "critical", "value": 0.21, "baseline": 0.1, "limit": None,
    ...     "evidence_threshold": 1.0, "n": 3200, "fingerprint": "9f2c", "contributors": [], "segment": {},
    ...     "related": [], "because": None})
    >>> policy.consider("7", [alert], TrainingData(0, 10, labels=999), 10, definition)
    []
    >>> [request] = policy.consider("7", [], TrainingData(0, 20, labels=1_000), 20, definition)
    >>> request.record["request_id"], request.record["priority"]
    ('credit:7:1', 'high')
    """

    def __init__(self, model: str, last_number: int = 0) -> None:
        self.model = model
        self.state = RequestState.NONE
        self._sequence = last_number
        self._request: dict[str, Any] = {}  # the latest record, unless it was a dry run
        self._terms: dict[str, int] = {}  # of the definition when it was made
        self._requested_us = 0
        self._deadline_us = 0
        self._rest_until_us: int | None = None
        self._reasons = RetrainReasons()

    @property
    def version(self) -> str | None:
        """The version that the latest request was about."""
        return self._request.get("version")

    @property
    def last_number(self) -> int:
        """Of the requests made so far."""
        return self._sequence

    def waiting(self, version: str, now_us: int) -> bool:
        """Whether it would ask now, given enough labels; if not, and no alert is new, `consider` can wait."""
        resting = self._rest_until_us is not None and now_us < self._rest_until_us
        return not resting and self.state not in IN_FLIGHT and self._reasons.waiting(version)

    def consider(
        self,
        version: str,
        alerts: Sequence[Output],
        data: TrainingData,
        now_us: int,
        definition: MonitorDefinition,
        *,
        baseline_id: str | None = None,
        software: str | None = None,
    ) -> list[Output]:
        """Takes note of `alerts`, of any version, and asks for a successor of `version` if it should.

        An alert of a monitor in `retrain.on` is a reason from opened to its end. One that comes while labels
        are too few, a request is in flight or the cooldown lasts, waits.
        """
        settings = definition.retrain
        self._reasons.note(alerts, settings.on)
        if data.labels < settings.min_labels or not self.waiting(version, now_us):
            return []
        self._sequence += 1
        record = {
            "request_id": f"{self.model}:{version}:{self._sequence}",
            "model": self.model,
            "version": version,
            "attempt": 1,
            **self._reasons.ask(version),
            "data": {
                "start": None if data.start_us is None else format_time(data.start_us),
                "end": None if data.end_us is None else format_time(data.end_us),
                "offsets": [offsets.record() for offsets in data.offsets],
            },
            "label_coverage": data.coverage,
            "labels": data.labels,
            "dry_run": settings.dry_run,
            "time": format_time(now_us),
            "expires_at": format_time(now_us + settings.expiry),
            "definition_id": definition.definition_id,
            "baseline_id": baseline_id,
            "software": software,
        }
        if settings.dry_run:
            self._step(RequestEvent.REHEARSE)
            self._request = {}
            self._reasons.answered(version)
            self._rest_until_us = now_us + settings.cooldown
        else:
            self._step(RequestEvent.ASK)
            self._request = record
            self._terms = {
                "expiry_us": settings.expiry,
                "cooldown_us": settings.cooldown,
                "max_attempts": settings.max_attempts,
            }
            self._requested_us = now_us
            self._deadline_us = now_us + settings.expiry
        return [self._output(record)]

    def status(self, status: RetrainStatus, now_us: int) -> None:
        """A training job reports. Raises `BadEvent` (refused), and changes nothing, if it cannot be so.

        Each report moves the deadline; the same one again is a sign of life. Of an attempt that was given up
        only the success counts.
        """
        current = self._request.get("request_id")
        if status.request_id != current:
            raise BadEvent(Reason.REFUSED, f"{status.request_id} is not the latest request of {self.model}")
        attempt = self._request["attempt"]
        if status.attempt != attempt and not (status.attempt < attempt and status.state == "succeeded"):
            raise BadEvent(
                Reason.REFUSED, f"attempt {status.attempt} of {current} is not in force; {attempt} is"
            )
        if status.state not in REPORTS or self.state not in TRANSITIONS[RequestEvent(status.state)]:
            raise BadEvent(Reason.REFUSED, f"{current} is {self.state.value}; it cannot be {status.state}")
        before = self.state
        if before is RequestState.UNANSWERED:
            self._reasons.ask(self._request["version"])
        self._step(RequestEvent(status.state))
        if self.state in IN_FLIGHT:
            self._deadline_us = now_us + self._terms["expiry_us"]
        elif self.state is not before:
            self._end(now_us)

    def tick(self, now_us: int, *, superseded: bool = False) -> list[Output]:
        """After silence beyond the deadline asks again, `max_attempts` times in all; then gives up.

        If the version is superseded, gives up at once: a successor is there.
        """
        if self.state not in IN_FLIGHT or (now_us < self._deadline_us and not superseded):
            return []
        if superseded or self._request["attempt"] >= self._terms["max_attempts"]:
            self._step(RequestEvent.GIVE_UP)
            self._end(now_us)
            return []
        self._step(RequestEvent.OVERDUE)
        self._deadline_us = now_us + self._terms["expiry_us"]
        self._request = self._request | {
            "attempt": self._request["attempt"] + 1,
            "time": format_time(now_us),
            "expires_at": format_time(self._deadline_us),
        }
        return [self._output(self._request)]

    def unanswered(self) -> Finding | None:
        """For an alert about `version`, as long as the latest request was given up and nobody answers."""
        if self.state is not RequestState.UNANSWERED:
            return None
        attempts = self._request["attempt"]
        return Finding(
            UNANSWERED,
            "unanswered_retrain_requests",
            "warning",
            value=float(attempts),
            n=attempts,
            onset_us=self._requested_us,
        )

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "state": self.state.value,
            "sequence": self._sequence,
            "request": self._request,
            "terms": self._terms,
            "requested_us": self._requested_us,
            "deadline_us": self._deadline_us,
            "rest_until_us": self._rest_until_us,
            "reasons": self._reasons.to_state(),
        }

    @classmethod
    def from_state(cls, model: str, state: Mapping[str, Any]) -> "RetrainPolicy":
        """The policy that `to_state` was called on."""
        policy = cls(model)
        policy.state = RequestState(state["state"])
        policy._sequence = state["sequence"]
        policy._request = state["request"]
        policy._terms = state["terms"]
        policy._requested_us = state["requested_us"]
        policy._deadline_us = state["deadline_us"]
        policy._rest_until_us = state["rest_until_us"]
        policy._reasons = RetrainReasons.from_state(state["reasons"])
        return policy

    def _step(self, event: RequestEvent) -> None:
        self.state = TRANSITIONS[event][self.state]

    def _end(self, now_us: int) -> None:
        """A success speaks for the whole version, a refusal for its reasons; otherwise they wait again."""
        version = self._request["version"]
        self._rest_until_us = now_us + self._terms["cooldown_us"]
        if self.state is RequestState.SUCCEEDED:
            self._reasons.forget(version)
        elif self.state is RequestState.DECLINED:
            self._reasons.answered(version)
        else:
            self._reasons.put_back(version)

    def _output(self, record: Mapping[str, Any]) -> Output:
        return Output(RETRAIN_REQUESTS, self.model.encode(), record)


def tell_unanswered(
    policy: RetrainPolicy, book: AlertBook, definition: MonitorDefinition, now_us: int, software: str
) -> list[Output]:
    """Opens the alert that nobody answers, goes on with it, or ends it."""
    version, finding = policy.version, policy.unanswered()
    if version is None or (finding is None and not book.is_open(version, UNANSWERED, ())):
        return []
    rule, context = definition.rule(UNANSWERED), AlertContext.of(definition, software=software)
    return book.observe(version, UNANSWERED, (), finding, now_us, rule, context)
