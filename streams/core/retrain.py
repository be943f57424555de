"""`RetrainPolicy`: when to ask for a new model, and what becomes of the request."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from streamgauge.schemas.control import RetrainStatus
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import RETRAIN_REQUESTS, Output
from streamgauge.schemas.monitor import MonitorDefinition
from streamgauge.schemas.monitor_retrain import Retrain
from streamgauge.schemas.times import format_time
from streamgauge.streams.core.retrain_guards import Held, TrainingData, held_by
from streamgauge.streams.core.retrain_reasons import RetrainReasons
from streamgauge.streams.core.retrain_states import (
    IN_FLIGHT,
    REPORTS,
    TRANSITIONS,
    RequestEvent,
    RequestState,
)

#: Of the definition, what holds for a request from when it was made to its end.
_TERMS = ("expiry", "cooldown", "max_attempts")


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
        self.deadline_us = 0
        self.rest_until_us: int | None = None
        self.reasons = RetrainReasons()
        #: What held the latest request back, if one was wanted.
        self.held: Held | None = None
        #: Who demanded one that is not made yet, and why.
        self._demanded: tuple[str, str | None] | None = None
        #: When the latest request was made, and how many labels there had been; then, how many there are.
        self.since: tuple[int, int] | None = None
        self._labels = 0

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
        resting = self.rest_until_us is not None and now_us < self.rest_until_us
        return not resting and self.state not in IN_FLIGHT and self.reasons.waiting(version)

    @property
    def asked(self) -> tuple[int, int]:
        """The attempt of the latest request, and when it was first made."""
        return self._request["attempt"], self._requested_us

    def remind(self, version: str, labels: int, now_us: int, terms: Retrain) -> None:
        """By the clock, and by `labels`, all that the model ever had: whether it is time for a request."""
        self._labels = labels
        if self.since is None:
            self.since = now_us, labels
        since_us, before = self.since
        if terms.every is not None and now_us - since_us >= terms.every:
            self.reasons.prompt(version, "schedule", labels - before)
        if terms.fresh_labels is not None and labels - before >= terms.fresh_labels:
            self.reasons.prompt(version, "fresh_labels", labels - before)

    def demand(self, version: str, actor: str, note: str | None) -> None:
        """An operator wants a request now, whatever guards say. Raises `BadEvent` while one is in flight."""
        if self.state in IN_FLIGHT:
            raise BadEvent(Reason.REFUSED, f"{self._request['request_id']} is {self.state.value}")
        self.rest_until_us, self._demanded = None, (actor, note)
        self.reasons.prompt(version, "manual", 0)

    def consider(
        self,
        version: str,
        alerts: Sequence[Output],
        data: TrainingData,
        now_us: int,
        definition: MonitorDefinition,
        *,
        open_monitors: Collection[str] = (),
        baseline_id: str | None = None,
        software: str | None = None,
    ) -> list[Output]:
        """Takes note of `alerts`, of any version, and asks for a successor of `version` if it should.

        An alert of a monitor in `retrain.on` is a reason from opened to its end. One that comes while labels
        are too few, another guard holds, a request is in flight or the cooldown lasts, waits.
        """
        settings = definition.retrain
        self.reasons.note(alerts, settings.on)
        self.held = None
        if not self.waiting(version, now_us):
            return []
        if self._demanded is None:
            self.held = held_by(settings, data, now_us, open_monitors)
        if self.held is not None:
            return []
        self.since = now_us, self._labels
        self._sequence += 1
        record = {
            "request_id": f"{self.model}:{version}:{self._sequence}",
            "model": self.model,
            "version": version,
            "attempt": 1,
            **self.reasons.ask(version),
            **data.record(),
            "dry_run": settings.dry_run,
            "time": format_time(now_us),
            "expires_at": format_time(now_us + settings.expiry),
            "definition_id": definition.definition_id,
            "baseline_id": baseline_id,
            "software": software,
            "actor": self._demanded and self._demanded[0],
            "note": self._demanded and self._demanded[1],
        }
        self._demanded = None
        if settings.dry_run:
            self._step(RequestEvent.REHEARSE)
            self._request = {}
            self.reasons.answered(version)
            self.rest_until_us = now_us + settings.cooldown
        else:
            self._step(RequestEvent.ASK)
            self._request = record
            self._terms = {name: getattr(settings, name) for name in _TERMS}
            self._requested_us = now_us
            self.deadline_us = now_us + settings.expiry
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
            self.reasons.ask(self._request["version"])
        self._step(RequestEvent(status.state))
        if self.state in IN_FLIGHT:
            self.deadline_us = now_us + self._terms["expiry"]
        elif self.state is not before:
            self._end(now_us)

    def tick(self, now_us: int, *, superseded: bool = False) -> list[Output]:
        """After silence beyond the deadline asks again, `max_attempts` times in all; then gives up.

        If the version is superseded, gives up at once: a successor is there.
        """
        if self.state not in IN_FLIGHT or (now_us < self.deadline_us and not superseded):
            return []
        if superseded or self._request["attempt"] >= self._terms["max_attempts"]:
            self._step(RequestEvent.GIVE_UP)
            self._end(now_us)
            return []
        self._step(RequestEvent.OVERDUE)
        self.deadline_us = now_us + self._terms["expiry"]
        self._request = self._request | {
            "attempt": self._request["attempt"] + 1,
            "time": format_time(now_us),
            "expires_at": format_time(self.deadline_us),
        }
        return [self._output(self._request)]

    def to_state(self) -> dict[str, Any]:
        """Plain structures, for the snapshot."""
        return {
            "state": self.state.value,
            "sequence": self._sequence,
            "request": self._request,
            "terms": self._terms,
            "requested_us": self._requested_us,
            "deadline_us": self.deadline_us,
            "rest_until_us": self.rest_until_us,
            "reasons": self.reasons.to_state(),
            "held": None if self.held is None else self.held.to_state(),
            "since": None if self.since is None else list(self.since),
            "labels": self._labels,
            "demanded": None if self._demanded is None else list(self._demanded),
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
        policy.deadline_us = state["deadline_us"]
        policy.rest_until_us = state["rest_until_us"]
        policy.reasons = RetrainReasons.from_state(state["reasons"])
        policy.held = Held.from_state(state["held"])
        policy.since = None if state["since"] is None else tuple(state["since"])
        policy._labels = state["labels"]
        policy._demanded = None if state["demanded"] is None else tuple(state["demanded"])
        return policy

    def _step(self, event: RequestEvent) -> None:
        self.state = TRANSITIONS[event][self.state]

    def _end(self, now_us: int) -> None:
        """A success speaks for the whole version, a refusal for its reasons; otherwise they wait again."""
        version = self._request["version"]
        self.rest_until_us = now_us + self._terms["cooldown"]
        if self.state is RequestState.SUCCEEDED:
            self.reasons.forget(version)
        elif self.state is RequestState.DECLINED:
            self.reasons.answered(version)
        else:
            self.reasons.put_back(version)

    def _output(self, record: Mapping[str, Any]) -> Output:
        return Output(RETRAIN_REQUESTS, self.model.encode(), record)
