"""The states of a retrain request, and the table of what leads from one to the next."""

from collections.abc import Mapping
from enum import StrEnum


class RequestState(StrEnum):
    """Where the latest request of a model stands. Those in `IN_FLIGHT` keep another one from being made."""

    NONE = "none"  # no request yet, or a dry run, which nobody answers
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DECLINED = "declined"
    UNANSWERED = "unanswered"


class RequestEvent(StrEnum):
    """What can happen to it. The first five are what a training job reports."""

    ACCEPTED = "accepted"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DECLINED = "declined"
    ASK = "ask"  # there is a reason, and no guard against it
    REHEARSE = "rehearse"  # the same, in a dry run
    OVERDUE = "overdue"  # silence beyond the deadline
    GIVE_UP = "give_up"  # the same, after the last attempt


IN_FLIGHT = (RequestState.REQUESTED, RequestState.ACCEPTED, RequestState.STARTED)
REPORTS = ("accepted", "started", "succeeded", "failed", "declined")

_E = RequestEvent
_TABLE = (
    # event, from any of these states, to
    (_E.ACCEPTED, "requested accepted unanswered", "accepted"),
    (_E.ACCEPTED, "started", "started"),
    (_E.STARTED, "requested accepted started unanswered", "started"),
    (_E.SUCCEEDED, "requested accepted started unanswered succeeded", "succeeded"),
    (_E.FAILED, "requested accepted started unanswered failed", "failed"),
    (_E.DECLINED, "requested accepted unanswered declined", "declined"),
    (_E.ASK, "none succeeded failed declined unanswered", "requested"),
    (_E.REHEARSE, "none succeeded failed declined unanswered", "none"),
    (_E.OVERDUE, "requested accepted started", "requested"),
    (_E.GIVE_UP, "requested accepted started", "unanswered"),
)
#: Event × state → the next state; what is missing is refused. The same again is no news, but a sign of life;
#: a job may answer late, or without having said that it accepted; it cannot take back an ending.
TRANSITIONS: Mapping[RequestEvent, Mapping[RequestState, RequestState]] = {
    event: {
        RequestState(state): RequestState(following)
        for row_event, states, following in _TABLE
        if row_event is event
        for state in states.split()
    }
    for event in RequestEvent
}
