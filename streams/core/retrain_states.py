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

_COLUMNS = tuple(RequestState)


def _row(*cells: str) -> dict[RequestState, RequestState]:
    return {state: RequestState(cell) for state, cell in zip(_COLUMNS, cells, strict=True) if cell}


#: Event × state → the next state; empty: refused. The same again is no news, but a sign of life.
#: A job may answer late, or without having said that it accepted; it cannot take back an ending.
TRANSITIONS: Mapping[RequestEvent, Mapping[RequestState, RequestState]] = {
    RequestEvent.ACCEPTED: _row("", "accepted", "accepted", "started", "", "", "", "accepted"),
    RequestEvent.STARTED: _row("", "started", "started", "started", "", "", "", "started"),
    RequestEvent.SUCCEEDED: _row("", *["succeeded"] * 4, "", "", "succeeded"),
    RequestEvent.FAILED: _row("", "failed", "failed", "failed", "", "failed", "", "failed"),
    RequestEvent.DECLINED: _row("", "declined", "declined", "", "", "", "declined", "declined"),
    RequestEvent.ASK: _row("requested", "", "", "", *["requested"] * 4),
    RequestEvent.REHEARSE: _row("none", "", "", "", *["none"] * 4),
    RequestEvent.OVERDUE: _row("", "requested", "requested", "requested", "", "", "", ""),
    RequestEvent.GIVE_UP: _row("", "unanswered", "unanswered", "unanswered", "", "", "", ""),
}
