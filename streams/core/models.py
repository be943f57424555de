"""`Models`: a partition's models: who sleeps, who is due, and what all of them were told alike."""

from collections.abc import Iterator, Mapping

from streamgauge.schemas.control import Define, Silence
from streamgauge.schemas.message import Checkpoint, Output
from streamgauge.schemas.monitor import Fleet
from streamgauge.streams.core.asleep import Asleep
from streamgauge.streams.core.brief import Brief, Sums
from streamgauge.streams.core.cold_store import ColdStore
from streamgauge.streams.core.context import Context, CoreSettings
from streamgauge.streams.core.due import due_us
from streamgauge.streams.core.journal import FleetOrder, Journal, Place
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.model_cache import ModelCache
from streamgauge.streams.core.reading_on import read_on
from streamgauge.streams.core.schedule import Schedule
from streamgauge.streams.core.silences import Silences

#: What one tick may cost, in visits to models; those beyond it are visited after the next one, with what they
#: have missed. To wake a model costs as much as so many visits.
MOST_VISITS, WAKING = 500, 10
_LONG_JOURNAL = 256
#: A model for which nothing is due for so long is the first to sleep when memory is short.
_FAR_US = 3_600_000_000
#: What is not counted one by one: a producer's buffers.
_PARTITION_BYTES = 3_000_000
#: Of an output as it was told and as it is sent; a commit's snapshots are held by the producer too.
_OUTPUT_BYTES, _COPIES = 1_000, 2
#: A commit after windows have closed carries more than many before it. With one a second, a third is left of
#: it after a quarter of an hour.
_FADES = 0.999
#: This part of the memory for state.
_MUCH = 16


class Models:
    """By name. A tick visits those that are due; the others read on when something concerns them."""

    def __init__(self, number: int, settings: CoreSettings, cold: ColdStore | None) -> None:
        self._number, self._settings, self._cold = number, settings, cold
        self.fleet = settings.fleet
        #: Those of the whole fleet, for models to come: each model that is there is told.
        self.silences = Silences()
        self.journal = Journal()
        self.cache = ModelCache(cold)
        #: Whether a checkpoint was taken that cannot be read back yet.
        self.under_way = False
        #: What the largest of late took, about, and the next one may.
        self._carried_bytes = 0
        self._places: dict[str, Place] = {}
        self._schedule = Schedule()
        self._sums = Sums()
        #: Changed since the last checkpoint, and since the sums were made.
        self.touched: set[str] = set()
        self._uncounted: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)

    def restore(self, asleep: Asleep, fleet: Fleet | None, silences: Silences, journal: Journal) -> None:
        """Goes on with what was stored; nothing is decoded yet. Raises `StateError`."""
        self.fleet, self.silences, self.journal = fleet or self._settings.fleet, silences, journal
        self.cache.asleep = asleep
        for name, brief in asleep.briefs():
            self._places[name] = brief.place
            self._schedule.put(name, brief.due_us)
            self._sums.put(name, brief)

    def take(self, name: str) -> tuple[ModelState | None, list[Output]]:
        """A model that is about to change, and what it told when it read on."""
        if name not in self._places:
            return None, []
        self._give_back()
        outputs = self._read_on(name, fully=True)
        self._change(name)
        return self.cache[name], outputs

    def add(self, name: str, model: ModelState) -> None:
        """One that begins."""
        model.book.silence(self.silences)
        self._places[name] = self.journal.end
        self.cache.add(name, model)
        self._change(name)

    def remove(self, name: str) -> set[bytes]:
        """One that was taken, and ends: the keys of what is stored of it."""
        del self._places[name]
        self._schedule.drop(name)
        self._sums.drop(name)
        self._uncounted.discard(name)
        self.touched.discard(name)
        return self.cache.remove(name)

    def tick(self, now_us: int) -> list[Output]:
        """All data has been applied up to `now_us`: visits who is due."""
        if now_us <= self.journal.end.ticked_us:
            return []
        self.journal.tick(now_us, self._schedule.first_us)
        outputs: list[Output] = []
        visits = 0
        while visits < MOST_VISITS:
            self._give_back()
            name = self._schedule.pop(now_us)
            if name is None:
                break
            visits += 1 if name in self.cache else WAKING
            outputs += self._read_on(name, fully=False)
            self.touched.add(name)
            self._uncounted.add(name)
            self._schedule.put(name, max(due_us(self.cache[name]), self._places[name].ticked_us + 1))
        return outputs

    def order(self, said: Define | Silence, fleet: Fleet) -> list[Output]:
        """Something was said to the whole fleet, whose document is `fleet` from now on.

        Those that sleep are told when they wake, and wake one after the other.
        """
        self._forget_read()  # or each checkpoint would carry what was ordered long ago
        self.journal.order(said, self.fleet, fleet)
        self.fleet = fleet
        outputs: list[Output] = []
        for name in sorted(self._places):
            if name in self.cache:
                outputs += self.take(name)[1]
            else:
                next_us = self.journal.end.ticked_us + 1
                self._schedule.put(name, min(self._schedule[name], next_us))
        return outputs

    def finish(self) -> list[Output]:
        """No more input will come: every window is final."""
        outputs: list[Output] = []
        for name in sorted(self._places):
            model, told = self.take(name)
            assert model is not None
            outputs += told + model.finish()
        return outputs

    def look(self) -> Mapping[str, ModelState]:
        """All of them, awake, as far as each has read; not to be changed."""
        for name in [name for name in self._places if name not in self.cache]:
            self._wake(name)
        return dict(sorted(self.cache.awake.items()))

    @property
    def told(self) -> tuple[Fleet, Silences, Journal]:
        """What the whole fleet was told: its document, its silences, and what not all have read."""
        return self.fleet, self.silences, self.journal

    def changed(self) -> Iterator[tuple[str, ModelState, Brief]]:
        """Those that changed since the last time, by name."""
        for name in sorted(self.touched):
            yield name, self.cache[name], self._brief(name)
            self.cache.checked(name)
        self.touched = set()
        if len(self.journal) > _LONG_JOURNAL:
            self._forget_read()

    def sums(self) -> Sums:
        """Over all models; of those that sleep, as they fell asleep."""
        for name in self._uncounted:
            self._sums.put(name, self._brief(name))
        self._uncounted = set()
        return self._sums

    @property
    def held_bytes(self) -> int:
        """Memory that the partition takes, about."""
        return _PARTITION_BYTES + self._carried_bytes + self.cache.held_bytes

    def carry(self, checkpoint: Checkpoint) -> Checkpoint:
        """It was taken, and is under way."""
        snapshots = sum(len(key) + len(snapshot or b"") for key, snapshot in checkpoint.changes)
        carried = _COPIES * snapshots + _OUTPUT_BYTES * len(checkpoint.outputs)
        self._carried_bytes = max(carried, int(self._carried_bytes * _FADES))
        self.under_way = True
        return checkpoint

    @property
    def growth_bytes(self) -> int:
        """What its largest column takes for a moment while it grows."""
        return self.cache.growth_bytes

    def relieve(self, most_bytes: int) -> None:
        """As `ModelCache.relieve`, unless a commit is under way: then after it."""
        if not self.under_way:
            far_us = self.journal.end.ticked_us + _FAR_US
            rest = most_bytes - _PARTITION_BYTES - self._carried_bytes
            self.cache.relieve(rest, far_us, self._schedule, self._brief_asleep)

    def context(self) -> Context:
        """What a model that begins is told."""
        return self._settings.context(self._number, self.fleet, self._cold)

    def _give_back(self) -> None:
        """So much may have been read back that something is to leave before the next commit."""
        cold = self.cache.cold
        if cold is None or self.under_way or cold.windows_bytes <= cold.memory.most_bytes // _MUCH:
            return
        if cold.memory.room_bytes < 0:
            cold.memory.settle()

    def _forget_read(self) -> None:
        places = self._places.values()
        orders = min((place.orders for place in places), default=self.journal.end.orders)
        ticked_us = min((place.ticked_us for place in places), default=self.journal.end.ticked_us)
        self.journal.forget_before(Place(orders, ticked_us))

    def _change(self, name: str) -> None:
        self.touched.add(name)
        self._uncounted.add(name)
        self._schedule.put(name, self.journal.end.ticked_us + 1)

    def _brief(self, name: str) -> Brief:
        return Brief.of(self.cache[name], self._schedule[name], self._places[name])

    def _wake(self, name: str) -> ModelState:
        fleet = self.journal.fleet_at(self._places[name], self.fleet)
        context = self._settings.context(self._number, fleet, self._cold)
        return self.cache.wake(name, context)

    def _brief_asleep(self, name: str) -> Brief | None:
        """What is known of a model that falls asleep; None of one that changed since the last checkpoint."""
        if name in self.touched:
            return None
        brief = self._brief(name)
        self._sums.put(name, brief)
        self._uncounted.discard(name)
        return brief

    def _read_on(self, name: str, *, fully: bool) -> list[Output]:
        model = self.cache[name] if name in self.cache else self._wake(name)
        place = self._places[name]
        if place == self.journal.end:
            return []
        self._places[name], outputs = read_on(model, place, self.journal, self._obey, fully=fully)
        return outputs

    def _obey(self, model: ModelState, order: FleetOrder) -> list[Output]:
        if isinstance(order.said, Silence):
            return model.control(order.said)
        model.rebudget(self._settings.context(self._number, order.said[1], self._cold))
        return []
