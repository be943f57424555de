"""The states of an alert, and the table of what leads from one to the next."""

from collections.abc import Mapping, Sequence
from enum import StrEnum


class State(StrEnum):
    """Where a fingerprint stands. The last three end an episode, and lead back to NONE."""

    NONE = "none"
    OPENED = "opened"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to a fingerprint."""

    FIRES = "fires"  # a finding that opens, or whose value moved materially
    FLAPS = "flaps"  # a finding that opens once more after having opened again and again
    WORSENS = "worsens"  # a finding graver than all before it in the episode
    JOINED = "joined"  # another monitor's finding that has the same cause
    ESCALATES = "escalates"  # a warning that went on for too long, and that nobody has acknowledged
    HELD = "held"  # a finding that is silenced, cooling down, or no news
    QUIET = "quiet"  # a window without a finding
    CALM = "calm"  # the last of enough quiet windows in a row
    ACKNOWLEDGE = "acknowledge"  # somebody has seen it
    RESOLVE = "resolve"  # somebody says it is over
    REBASE = "rebase"  # what it is judged against was replaced
    SUPERSEDE = "supersede"  # its version gets no more traffic
    EXPLAINED = "explained"  # an alert has opened that is nearer to the cause, and tells of it from now on
    EXPIRE = "expire"  # nothing has judged it for too long


_COLUMNS = (State.NONE, State.OPENED, State.UPDATED, State.ACKNOWLEDGED)


def _row(*cells: str) -> dict[State, tuple[State, bool]]:
    return {
        state: (State(cell.rstrip("!")), cell.endswith("!"))
        for state, cell in zip(_COLUMNS, cells, strict=True)
        if cell
    }


#: Event × state → the next state; "!" tells subscribers of it. Empty: cannot happen.
#: An acknowledgement covers what was known: only a graver finding reopens it; what joins is told, and time
#: makes nothing graver that somebody looks after.
TRANSITIONS: Mapping[Event, Mapping[State, tuple[State, bool]]] = {
    #                       NONE       OPENED      UPDATED     ACKNOWLEDGED
    Event.FIRES: _row("opened!", "updated!", "updated!", "acknowledged"),
    Event.FLAPS: _row("opened!", "opened", "updated", "acknowledged"),
    Event.WORSENS: _row("", "updated!", "updated!", "updated!"),
    Event.JOINED: _row("", "updated!", "updated!", "acknowledged!"),
    Event.ESCALATES: _row("", "updated!", "updated!", "acknowledged"),
    Event.HELD: _row("none", "opened", "updated", "acknowledged"),
    Event.QUIET: _row("none", "opened", "updated", "acknowledged"),
    Event.CALM: _row("", "resolved!", "resolved!", "resolved!"),
    Event.ACKNOWLEDGE: _row("", "acknowledged!", "acknowledged!", "acknowledged"),
    Event.RESOLVE: _row("", "resolved!", "resolved!", "resolved!"),
    Event.REBASE: _row("", "resolved!", "resolved!", "resolved!"),
    Event.SUPERSEDE: _row("", "superseded!", "superseded!", "superseded!"),
    Event.EXPLAINED: _row("", "superseded!", "superseded!", "superseded!"),
    Event.EXPIRE: _row("", "expired!", "expired!", "expired!"),
}


ENDED = (State.RESOLVED, State.SUPERSEDED, State.EXPIRED)

#: An alert that opens for the `FLAPS_AT`-th time within `FLAP_SPAN_US` flaps: until it has been quiet for
#: `HELD_OPEN_US` it stays open, and meanwhile only what is graver is told.
FLAPS_AT, FLAP_SPAN_US, HELD_OPEN_US = 3, 86_400_000_000, 21_600_000_000


def flaps(recent_us: Sequence[int]) -> bool:
    """Whether an alert flaps before whose opening so many others of its fingerprint opened lately.

    >>> flaps([10]), flaps([10, 20])
    (False, True)
    """
    return len(recent_us) >= FLAPS_AT - 1


#: How the summary goes on.
ENDINGS: Mapping[Event, str] = {
    Event.ESCALATES: "critical, as nobody has acknowledged it for {waited}",
    Event.CALM: "resolved after {lasted}",
    Event.ACKNOWLEDGE: "acknowledged by {actor}",
    Event.RESOLVE: "resolved by {actor} after {lasted}",
    Event.REBASE: "resolved after {lasted}: {actor} changed what it is judged against",
    Event.SUPERSEDE: "superseded after {lasted}",
    Event.EXPLAINED: "{because} tells of it from now on",
    Event.EXPIRE: "expired: nothing judged it any more",
}
