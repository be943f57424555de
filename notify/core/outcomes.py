"""What can come of an attempt to deliver, and which HTTP status means what."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """Of one attempt."""

    DELIVERED = "delivered"
    FAILED = "failed"  # the target's fault or the network's: it is tried again
    REFUSED = "refused"  # the target takes everything but this: trying again does not help


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result, its reason for people, and the pause that the target asks for."""

    result: Result
    reason: str = ""
    pause_us: int = 0


#: What says that the message is wrong, not the address, the credentials or the moment.
_REFUSED = frozenset([400, 413, 422])


def of_status(status: int, answer: str = "", pause_us: int = 0) -> Outcome:
    """What an HTTP status means; `answer` is what the target says to it.

    >>> [of_status(status).result.value for status in (202, 302, 400, 401, 429, 503)]
    ['delivered', 'failed', 'refused', 'failed', 'failed', 'failed']
    """
    if 200 <= status < 300:
        return Outcome(Result.DELIVERED)
    reason = f"HTTP {status} {' '.join(answer.split())[:200]}".strip()
    if 300 <= status < 400:
        reason += " (redirects are not followed)"
    return Outcome(Result.REFUSED if status in _REFUSED else Result.FAILED, reason, pause_us)
