"""`ModelCache`: which models of a partition are in memory and which asleep; and what leaves memory first."""

from collections.abc import Callable, Iterable, Mapping

from streamgauge.streams.core.asleep import Asleep
from streamgauge.streams.core.brief import Brief
from streamgauge.streams.core.cold_store import ColdStore
from streamgauge.streams.core.context import Context
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.relief import Weight, cool, park, weigh
from streamgauge.streams.core.schedule import Schedule
from streamgauge.streams.core.shelf import parts_in

#: What is known of each model, asleep or awake.
_BRIEF_BYTES = 3_000
#: Each row is placed in an index when its model wakes: so many take 0.15 s.
_DEAR_ROWS = 200_000


class ModelCache:
    """Models by name. With `cold`, what was committed can leave memory at any time, and nothing shows it."""

    def __init__(self, cold: ColdStore | None) -> None:
        self.cold = cold
        self.asleep = Asleep(None if cold is None else cold.shelf)
        self._awake: dict[str, ModelState] = {}
        #: Of each that is awake, the keys of its records.
        self._keys: dict[str, set[bytes]] = {}
        self._weights: dict[str, Weight] = {}
        self._awake_bytes = self._growth_bytes = 0
        #: Changed since it was last thought of what may leave.
        self._used: set[str] = set()

    def __contains__(self, name: object) -> bool:
        """Whether it is awake."""
        return name in self._awake

    def __getitem__(self, name: str) -> ModelState:
        return self._awake[name]

    @property
    def awake(self) -> Mapping[str, ModelState]:
        return self._awake

    @property
    def held_bytes(self) -> int:
        """Memory that all of them take, about."""
        models = len(self._awake) + len(self.asleep)
        kept = 0 if self.cold is None else self.cold.held_bytes
        return self._awake_bytes + self.asleep.held_bytes + models * _BRIEF_BYTES + kept

    @property
    def growth_bytes(self) -> int:
        """What the largest column of all of them takes for a moment while it grows."""
        return self._growth_bytes

    def add(self, name: str, model: ModelState) -> None:
        """One that begins."""
        self._awake[name], self._keys[name] = model, set()
        self._weigh(name)

    def remove(self, name: str) -> set[bytes]:
        """One that is awake ends: the keys of what is stored of it."""
        del self._awake[name]
        self._weigh(name)
        return self._keys.pop(name)

    def wake(self, name: str, context: Context) -> ModelState:
        """One that slept. Raises `StateError`."""
        model, self._keys[name] = self.asleep.wake(name, context)
        self._awake[name] = model
        self._weigh(name)
        if self.cold is not None and self.cold.memory.room_bytes < 0:
            park(name, model, self.cold, spare_used=False)
            cool([model], self._weights[name].held)
            self._weigh(name)
        return model

    def checked(self, name: str) -> None:
        """It changed, and what it holds was taken for a checkpoint."""
        self._awake[name].intake.join.predictions.forget()
        self._used.add(name)
        self._weigh(name)

    def keep(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """These snapshots are to be stored, or deleted."""
        for key, snapshot in changes:
            _, *names = parts_in(key)
            if names and names[0] in self._keys:
                keys = self._keys[names[0]]
                (keys.discard if snapshot is None else keys.add)(key)

    def has(self, key: bytes) -> bool:
        """Whether it is that of a record of a model that is awake."""
        _, *names = parts_in(key)
        return bool(names) and key in self._keys.get(names[0], ())

    def relieve(
        self, most_bytes: int, far_us: int, schedule: Schedule, brief_of: Callable[[str], Brief | None]
    ) -> None:
        """All that was committed is on the shelf: what they take beyond `most_bytes` leaves memory.

        First what is dear to keep and is not looked at: models for which nothing is due before `far_us`,
        windows that did not change of late; then the oldest predictions; then all windows, and models that
        did not change of late, unless they are dear to wake. `brief_of` gives the brief of a model that may
        sleep, as what is stored of it is all there is.
        """
        if self.cold is None:
            return
        self.cold.forget()
        self._sleep((name for name in list(self._awake) if schedule[name] > far_us), brief_of)
        self._park(self.cold, spare_used=True)
        if self.held_bytes > most_bytes:
            cool(self._awake.values(), self.held_bytes - most_bytes)
            self._park(self.cold, spare_used=self.held_bytes <= most_bytes)
        idle = [name for name in self._awake.keys() - self._used if not self._is_dear(name)]
        idle.sort(key=lambda name: (-schedule[name], name))
        self._sleep((name for name in idle if self.held_bytes > most_bytes), brief_of)
        self._used.clear()
        self._growth_bytes = max((weight.growth for weight in self._weights.values()), default=0)

    def _is_dear(self, name: str) -> bool:
        return len(self._awake[name].intake.join.predictions) > _DEAR_ROWS

    def _sleep(self, names: Iterable[str], brief_of: Callable[[str], Brief | None]) -> None:
        for name in names:
            brief = brief_of(name)
            if brief is not None:
                self.asleep.add(name, brief)
                del self._awake[name], self._keys[name]
                self._weigh(name)

    def _park(self, cold: ColdStore, *, spare_used: bool) -> None:
        for name, model in self._awake.items():
            park(name, model, cold, spare_used=spare_used)
            self._weigh(name)

    def _weigh(self, name: str) -> None:
        before = self._weights.pop(name, None)
        self._awake_bytes -= 0 if before is None else before.held
        if name in self._awake:
            weight = self._weights[name] = weigh(self._awake[name])
            self._awake_bytes += weight.held
            self._growth_bytes = max(self._growth_bytes, weight.growth)
