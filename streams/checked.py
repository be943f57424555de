"""`Checked`: one line of what `streamgauge doctor` found."""

from dataclasses import dataclass
from typing import Literal

#: `fail`: a worker, or who was asked for, cannot work. `warn`: it can, but something is not as it should be.
#: `skip`: it could not be looked at.
Status = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Checked:
    """`what` was found, and what to do about it where something is."""

    check: str
    status: Status
    what: str
    advice: str | None = None
