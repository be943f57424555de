"""`Reference`: the baseline that a model's versions take which are new and are not to learn their own."""

from collections.abc import Mapping
from typing import Any

from streamgauge.schemas.profile import BaselineProfile


class Reference:
    """One profile at a time; `offset` is that of the prediction from which on it holds.

    >>> reference = Reference()
    >>> reference.take(BaselineProfile(500), offset=7)
    >>> reference.at(7), reference.at(8).rows
    (None, 500)
    """

    def __init__(self) -> None:
        self.profile: BaselineProfile | None = None
        self._before: BaselineProfile | None = None
        self._offset = -1
        self._changed = False

    def take(self, profile: BaselineProfile | None, offset: int = -1) -> None:
        """Another one. Offsets count within a run of messages: whatever comes later comes after."""
        self._before, self.profile, self._offset = self.profile, profile, offset
        self._changed = True

    def at(self, offset: int) -> BaselineProfile | None:
        """The one in force for a version whose first prediction has this offset."""
        return self.profile if offset > self._offset else self._before

    def changes(self) -> tuple[bool, dict[str, Any] | None]:
        """Whether it changed since the last call, and what it is now, for the snapshot."""
        changed, self._changed = self._changed, False
        return changed, self.profile.to_json() if changed and self.profile is not None else None

    def load(self, document: Mapping[str, Any]) -> None:
        """Back to what `changes` gave."""
        self.profile = BaselineProfile.from_json(document)
