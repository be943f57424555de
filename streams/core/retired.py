"""What stays of models that are no longer watched: the numbers of their alerts and retrain requests.

Should a model come back, its next alert and request must not have an id that was given before.
"""

from collections.abc import Mapping

from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.streams.core.alerts import AlertBook
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.retrain import RetrainPolicy


class Retired:
    """The last episode and request number of each retired model."""

    def __init__(self, numbers: Mapping[str, tuple[int, int]] | None = None) -> None:
        self._numbers = dict(numbers or {})
        self._changed: set[str] = set()

    def take(self, name: str, model: ModelState | None) -> ModelState:
        """One that was live. Raises `BadEvent` (refused) if it was not."""
        if model is None:
            raise BadEvent(Reason.REFUSED, f"{name} is not watched")
        numbers = (model.book.last_number, model.retrain.last_number)
        if any(numbers):
            self._numbers[name] = numbers
            self._changed.add(name)
        return model

    def revive(self, model: ModelState) -> ModelState:
        """A model that begins: if it was here, it counts on."""
        name = model.definition.model
        if name in self._numbers:
            episode, request = self._numbers.pop(name)
            model.book, model.retrain = AlertBook(name, episode), RetrainPolicy(name, request)
            self._changed.add(name)
        return model

    def changes(self) -> list[tuple[str, tuple[int, int] | None]]:
        """(name, numbers, or None if it is live again) of what changed since the last call."""
        changed, self._changed = self._changed, set()
        return [(name, self._numbers.get(name)) for name in sorted(changed)]
