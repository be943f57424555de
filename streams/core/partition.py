"""One partition: its models, its offsets, its outbox. Messages and ticks in, checkpoints out."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Self

import numpy as np

from streamgauge.schemas.batch import Ints
from streamgauge.schemas.control import (
    ControlEvent,
    Define,
    Retire,
    RetrainStatus,
    Silence,
    decode_control,
    decode_retrain_status,
)
from streamgauge.schemas.dead_letter import dead_letter
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.message import (
    ALERTS,
    CONTROL,
    DATA_INPUTS,
    PREDICTIONS,
    RETRAIN_REQUESTS,
    Checkpoint,
    Message,
    Output,
)
from streamgauge.schemas.monitor import Fleet
from streamgauge.streams.core import persistence
from streamgauge.streams.core.asleep import Records, look_over, sort_out
from streamgauge.streams.core.cold_store import ColdStore
from streamgauge.streams.core.context import CoreSettings, definition_of, fleet_of
from streamgauge.streams.core.decoded import DecodedEvents
from streamgauge.streams.core.model import ModelState
from streamgauge.streams.core.models import Models
from streamgauge.streams.core.retired import Retired
from streamgauge.streams.core.shelf import Shelf

__all__ = ["CoreSettings", "Partition"]

_URGENT = (ALERTS, RETRAIN_REQUESTS)


class Partition:
    """All state of one partition number. Deterministic: no clock, no I/O, no randomness.

    >>> partition = Partition(0, CoreSettings(clock="events"))
    >>> value = b'{"prediction_id":"a","model":"m","time":"2026-11-21T10:00:00Z","prediction":"yes"}'
    >>> partition.apply([Message("predictions", 0, 0, b"m", value)])
    >>> partition.counts()["applied"], partition.applied
    (1, {'predictions': 0})
    """

    def __init__(self, number: int, settings: CoreSettings, shelf: Shelf | None = None) -> None:
        self.number = number
        self.settings = settings
        self._cold = None if shelf is None else ColdStore(shelf, settings.memory)
        self._models = Models(number, settings, self._cold)
        self._applied: dict[str, int] = {}
        #: Keys that are stored, of models that are no more.
        self._gone: set[bytes] = set()
        self._retired = Retired()
        self._outputs: list[Output] = []
        self._moved = False
        self._dead_lettered = 0
        settings.memory.join(self._models)

    @classmethod
    def restore(
        cls, number: int, settings: CoreSettings, records: Records, shelf: Shelf | None = None
    ) -> Self:
        """From the live records of a partition of `state`, or a shelf that has them. Raises `StateError`."""
        partition = cls(number, settings, shelf)
        asleep, common, unknown = sort_out(records) if shelf is None else look_over(shelf)
        partition._gone = unknown  # a newer release wrote them; it would find them old when it comes back
        partition._applied = persistence.restore_applied(common)
        partition._models.restore(asleep, *persistence.restore_told(common))
        partition._retired = Retired(persistence.restore_retired(common))
        return partition

    @property
    def models(self) -> Mapping[str, ModelState]:
        """All of them, decoded; not to be changed."""
        return self._models.look()

    @property
    def fleet(self) -> Fleet:
        """The fleet document in force."""
        return self._models.fleet

    @property
    def applied(self) -> Mapping[str, int]:
        """For each input that has been read, the offset of its last applied message."""
        return self._applied

    def apply(self, messages: Sequence[Message]) -> None:
        """Messages in the order of their offsets; those at or below `applied` are skipped."""
        for topic, run in groupby(messages, key=lambda message: message.topic):
            last = self._applied.get(topic, -1)
            fresh = [message for message in run if message.offset > last]
            if not fresh:
                continue
            if topic in DATA_INPUTS:
                self.take(DecodedEvents.of(topic, fresh, self.settings.resolve))
                continue
            self._applied[topic] = fresh[-1].offset
            self._moved = True
            for message in fresh:
                self._order(message)

    def take(self, events: DecodedEvents) -> None:
        """Decoded events, from wherever they come: after all that was applied of their input."""
        self._applied[events.topic] = events.last_offset
        self._moved = True
        self._dead_lettered += events.decoded.refused_rows
        for message, error in events.decoded.refused:
            self._refuse(message, error)
        for name, parts in events.by_model().items():
            try:
                model = self._take(name) or self._watch(name, {**self.fleet.defaults, "model": name})
            except BadEvent as error:
                self._refuse_rows(events, np.concatenate([offsets for _, offsets in parts]), error)
                continue
            appended_us = events.appended_times(parts) if self.settings.clock == "wall" else None
            if events.topic == PREDICTIONS:
                outputs, unfit = model.apply_predictions(parts, appended_us)
                self.settings.applied(np.concatenate([batch.time_us for batch, _ in parts]))
            else:
                outputs, unfit = model.apply_labels(parts, appended_us)
            self._outputs += outputs
            if len(unfit):
                detail = f"it is not of the kind that {name} predicts"
                self._refuse_rows(events, unfit, BadEvent(Reason.WRONG_TYPE, detail))

    def drain(self) -> tuple[Output, ...]:
        """The outputs since the last time, for a caller that keeps no snapshots."""
        outputs, self._outputs = self._outputs, []
        return tuple(outputs)

    def tick(self, now_us: int) -> None:
        """All data inputs have been applied up to this time. Has no effect with the clock ``events``."""
        if self.settings.clock == "wall":
            self._outputs += self._models.tick(now_us)

    def finish(self) -> None:
        """No more input will come: every window is final."""
        self._outputs += self._models.finish()

    @property
    def changed(self) -> bool:
        """Whether a checkpoint would carry anything."""
        return self._moved or bool(self._models.touched or self._outputs)

    @property
    def urgent(self) -> bool:
        """Whether an alert or a retrain request waits for the next checkpoint."""
        return any(output.topic in _URGENT for output in self._outputs)

    def checkpoint(self) -> Checkpoint:
        """What changed since the last one. Snapshot bytes are taken here; outputs are handed over once."""
        models, ended = self._models, self._retired.changes()
        changes = persistence.changes(self._applied, models.told, models.changed(), ended)
        models.cache.keep(changes)
        changes = [(key, None) for key in sorted(self._gone) if not models.cache.has(key)] + changes
        checkpoint = Checkpoint(tuple(changes), tuple(self._outputs), dict(self._applied))
        self._outputs, self._gone, self._moved = [], set(), False
        return models.carry(checkpoint)

    def settled(self) -> None:
        """What checkpoints have carried so far can be read back."""
        self._models.under_way = False
        self.settings.memory.settle()

    def counts(self) -> Mapping[str, int]:
        """The two ledgers, summed over the live models, and dead letters since this object was made."""
        found = self._models.sums().counts
        return {"dead_lettered": self._dead_lettered, "models": len(self._models), **found}

    def spending(self) -> tuple[float, Mapping[str, int]]:
        """What the live models were paid of the alarm budget, and the alerts they opened, by monitor."""
        return self._models.sums().spending

    def _refuse_rows(self, events: DecodedEvents, offsets: Ints, error: BadEvent) -> None:
        """Rows that came from these offsets: each counts, each message is quoted once."""
        self._dead_lettered += len(offsets)
        for message in events.quote(np.unique(offsets)):
            self._refuse(message, error)

    def _order(self, message: Message) -> None:
        resolve = self.settings.resolve
        try:
            if message.topic == CONTROL:
                self._control(decode_control(message, resolve=resolve))
            else:
                self._retrain_status(decode_retrain_status(message, resolve=resolve))
        except BadEvent as error:
            self._dead_lettered += 1
            self._refuse(message, error)

    def _control(self, order: ControlEvent) -> None:
        if order.model is None:
            self._fleet_order(order)
            return
        model = self._take(order.model)
        if isinstance(order, Retire) and order.version is None:
            self._outputs += self._retired.take(order.model, model).retire(order.time_us)
            self._gone |= self._models.remove(order.model)
        elif model is not None:
            self._outputs += model.control(order)
        elif isinstance(order, Define):
            self._watch(order.model, order.document)
        else:
            raise BadEvent(Reason.REFUSED, f"{order.model} is not watched")

    def _fleet_order(self, order: ControlEvent) -> None:
        fleet = self.fleet
        if isinstance(order, Define):
            fleet = fleet_of(order.document)
        elif isinstance(order, Silence):
            self._models.silences.add(order)
        else:
            raise BadEvent(Reason.MISSING_FIELD, f"{type(order).__name__} needs a model")
        self._outputs += self._models.order(order, fleet)

    def _retrain_status(self, status: RetrainStatus) -> None:
        model = self._take(status.model)
        if model is None:
            raise BadEvent(Reason.REFUSED, f"{status.model} asked for no retraining")
        self._outputs += model.retrain_status(status)

    def _take(self, name: str) -> ModelState | None:
        model, told = self._models.take(name)
        self._outputs += told
        return model

    def _watch(self, name: str, document: Mapping[str, Any]) -> ModelState:
        most = self.fleet.max_models
        if len(self._models) >= most:
            raise BadEvent(Reason.UNKNOWN_MODEL, f"{most} models are watched here already, the max_models")
        definition = definition_of(name, document, self.settings.metrics)
        model = self._retired.revive(ModelState(definition, self._models.context()))
        self._models.add(name, model)
        return model

    def _refuse(self, message: Message, error: BadEvent) -> None:
        settings = self.settings
        self._outputs.append(dead_letter(message, error, settings.prefix, self.number, settings.software))
