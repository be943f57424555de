"""`Models`: a partition's models: who sleeps, who is due, and what all of them were told alike."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from streamgauge.detectors.evidence.account import MAX_STEP_US
from streamgauge.schemas.control import Define, Silence
from streamgauge.schemas.message import Output
from streamgauge.schemas.monitor import Fleet
from streamgauge.streams.core.asleep import Asleep
from streamgauge.streams.core.brief import Brief, Sums
from streamgauge.streams.core.cold_store import ColdStore
from streamgauge.streams.core.context import Context, CoreSettings
from streamgauge.streams.core.due import due_us
from streamgauge.streams.core.journal import FleetOrder, Journal, Place, Ticks
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.schedule import Schedule
from streamgauge.streams.core.silences import Silences

#: What one tick may cost, in visits to models; those beyond it are visited after the next one, with what they
#: have missed. To wake a model costs as much as so many visits.
MOST_VISITS, WAKING = 500, 10
_LONG_JOURNAL = 256


class Models:
    """By name. A tick visits those that are due; the others read on when something concerns them."""

    def __init__(self, number: int, settings: CoreSettings, cold: ColdStore | None) -> None:
        self._number, self._settings, self._cold = number, settings, cold
        self.fleet = settings.fleet
        #: Those of the whole fleet, for models to come: each model that is there is told.
        self.silences = Silences()
        self.journal = Journal()
        self._asleep = Asleep()
        self._awake: dict[str, ModelState] = {}
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
        self._asleep = asleep
        for name, brief in asleep.briefs():
            self._places[name] = brief.place
            self._schedule.put(name, brief.due_us)
            self._sums.put(name, brief)

    def take(self, name: str) -> tuple[ModelState | None, list[Output]]:
        """A model that is about to change, and what it told when it read on."""
        if name not in self._places:
            return None, []
        outputs = self._read_on(name, fully=True)
        self._change(name)
        return self._awake[name], outputs

    def add(self, name: str, model: ModelState) -> None:
        """One that begins."""
        model.book.silence(self.silences)
        self._awake[name], self._places[name] = model, self.journal.end
        self._change(name)

    def remove(self, name: str) -> None:
        """One that ends."""
        if name in self._asleep:
            self._asleep.drop(name)
        self._awake.pop(name, None)
        del self._places[name]
        self._schedule.drop(name)
        self._sums.drop(name)
        self._uncounted.discard(name)
        self.touched.discard(name)

    def tick(self, now_us: int) -> list[Output]:
        """All data has been applied up to `now_us`: visits who is due."""
        if now_us <= self.journal.end.ticked_us:
            return []
        self.journal.tick(now_us, self._schedule.first_us)
        outputs: list[Output] = []
        visits = 0
        while visits < MOST_VISITS:
            name = self._schedule.pop(now_us)
            if name is None:
                break
            visits += 1 if name in self._awake else WAKING
            outputs += self._read_on(name, fully=False)
            self.touched.add(name)
            self._uncounted.add(name)
            self._schedule.put(name, max(due_us(self._awake[name]), self._places[name].ticked_us + 1))
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
            if name in self._awake:
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
        for name in [name for name in self._places if name in self._asleep]:
            self._wake(name)
        return dict(sorted(self._awake.items()))

    @property
    def told(self) -> tuple[Fleet, Silences, Journal]:
        """What the whole fleet was told: its document, its silences, and what not all have read."""
        return self.fleet, self.silences, self.journal

    def changed(self) -> Iterator[tuple[str, ModelState, Brief]]:
        """Those that changed since the last time, by name."""
        for name in sorted(self.touched):
            yield name, self._awake[name], self._brief(name)
        self.touched = set()
        if len(self.journal) > _LONG_JOURNAL:
            self._forget_read()

    def sums(self) -> Sums:
        """Over all models; of those that sleep, as they fell asleep."""
        for name in self._uncounted:
            self._sums.put(name, self._brief(name))
        self._uncounted = set()
        return self._sums

    def awake(self) -> Iterable[ModelState]:
        """Those that are decoded."""
        return self._awake.values()

    def context(self) -> Context:
        """What a model that begins is told."""
        return self._settings.context(self._number, self.fleet, self._cold)

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
        return Brief.of(self._awake[name], self._schedule[name], self._places[name])

    def _wake(self, name: str) -> ModelState:
        fleet = self.journal.fleet_at(self._places[name], self.fleet)
        context = self._settings.context(self._number, fleet, self._cold)
        model = self._awake[name] = self._asleep.wake(name, context)
        return model

    def _read_on(self, name: str, *, fully: bool) -> list[Output]:
        """Up to the end of the journal: orders, and of the ticks those at which the model is due.

        `fully`: also the last one, at which nothing is due: something else is about to happen to it.
        """
        model, place = self._awake.get(name) or self._wake(name), self._places[name]
        if place == self.journal.end:
            return []
        outputs: list[Output] = []
        idle: list[Ticks] = []
        due = due_us(model)
        for entry in self.journal.after(place):
            if isinstance(entry, FleetOrder):
                outputs += _pass(model, idle, place)
                outputs += self._obey(model, entry)
                place = Place(entry.number, idle[-1].last_us if idle else place.ticked_us)
                idle, due = [], place.ticked_us + 1
            elif entry.last_us < due:
                idle.append(entry)
            else:
                if entry.last_us - place.ticked_us > MAX_STEP_US:
                    outputs += _pass(model, idle, place)
                outputs += model.tick(entry.last_us)
                place, idle = Place(place.orders, entry.last_us), []
                due = due_us(model)
        if fully and idle:
            outputs += _pass(model, idle, place)
            place = Place(place.orders, idle[-1].last_us)
        self._places[name] = place
        return outputs

    def _obey(self, model: ModelState, order: FleetOrder) -> list[Output]:
        if isinstance(order.said, Silence):
            return model.control(order.said)
        model.rebudget(self._settings.context(self._number, order.said[1], self._cold))
        return []


def _pass(model: ModelState, idle: list[Ticks], place: Place) -> list[Output]:
    """Ticks at which nothing is due: the last of each run, and so many that an account is paid for all."""
    outputs: list[Any] = []
    runs: list[Ticks] = []
    for ticks in idle:
        if runs and ticks.follows(runs[-1]):
            runs[-1] = Ticks(runs[-1].first_us, ticks.last_us)
        else:
            runs.append(ticks)
    for run in runs:
        at_us = max(run.first_us, place.ticked_us)
        if run.first_us > place.ticked_us:
            outputs += model.tick(run.first_us)
        while run.last_us - at_us > MAX_STEP_US:
            at_us += MAX_STEP_US
            outputs += model.tick(at_us)
        outputs += model.tick(run.last_us)
    return outputs
