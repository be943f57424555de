"""What a model is told from outside: where it runs, its share of the fleet's budget, its definition."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from streamgauge.detectors.custom import Allowed, custom_metric, usable_metrics
from streamgauge.schemas.errors import BadEvent, Reason
from streamgauge.schemas.framing import Resolver
from streamgauge.schemas.monitor import Fleet, MonitorDefinition
from streamgauge.streams.core.cold_store import ColdStore
from streamgauge.streams.core.intake import Intake
from streamgauge.streams.core.memory import Memory
from streamgauge.streams.core.metering import Applied, Meter, unmetered, untold

#: A definition that changes any of these starts the model's windows and baselines anew.
_FRESH_START = ("window", "task", "pos_label", "fairness", "features", "segments", "ranking")
#: Of a model's share of the budget, what is paid in; the rest covers the tolerances of its references.
_PAID_IN = 0.9


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """What every partition is told at start. `prefix` is that of the topics, for the offsets in outputs.

    With the clock ``wall``, ticks drive time beside the events and an event time ahead of its record's
    timestamp is capped; with ``events`` (replay, demo) the events alone do. `metrics` are the classes that
    definitions may name, by import path.
    """

    fleet: Fleet = field(default_factory=Fleet)
    prefix: str = "streamgauge."
    clock: Literal["wall", "events"] = "wall"
    software: str = "streamgauge"
    metrics: Allowed = field(default_factory=dict)
    #: What all partitions with these settings may take of memory, if what leaves it can be read back.
    memory: Memory = field(default_factory=lambda: Memory(1 << 30))
    #: Around the work of detectors.
    meter: Meter = unmetered
    #: Is told what has been applied.
    applied: Applied = untold
    #: Of ids that whoever hands messages over has looked for.
    resolve: Resolver | None = None

    def context(self, partition: int, fleet: Fleet, cold: ColdStore | None) -> "Context":
        """What models of this partition are told."""
        where = partition, self.prefix, self.software
        return Context(*where, fleet, self.metrics, cold, self.meter, self.clock)


@dataclass(frozen=True, slots=True)
class Context:
    """What every model of a partition is told: where it runs, and its share of the fleet's budget.

    `cold` is where blocks of predictions may stay, if anything can be read back at all.
    """

    partition: int
    prefix: str
    software: str
    fleet: Fleet
    metrics: Allowed
    cold: ColdStore | None = None
    meter: Meter = unmetered
    clock: Literal["wall", "events"] = "wall"

    def terms(self, definition: MonitorDefinition) -> tuple[float, int]:
        """Of a model's account: false alarms that are paid in per horizon, and the horizon."""
        return paid_in(self.fleet, definition), self.fleet.alert_budget.horizon

    def intake(self, definition: MonitorDefinition) -> Intake:
        intake = Intake(definition, self.fleet.streams, self.fleet.alert_budget.false_alarms)
        intake.meter = self.meter
        intake.custom = usable_metrics(definition, self.metrics)
        if self.cold is not None:
            intake.join.predictions.read_from(self.cold.reader(definition.model), self.cold.loaded_rows)
        return intake


def paid_in(fleet: Fleet, definition: MonitorDefinition) -> float:
    """False alarms per horizon that a model's streams are paid for: its share by weight, less the tolerances.

    >>> round(paid_in(Fleet(models=10), MonitorDefinition(model="credit", weight=2)), 6)
    0.009
    """
    return _PAID_IN * fleet.alert_budget.false_alarms * definition.weight / fleet.models


def definition_of(model: str, document: Mapping[str, Any], metrics: Allowed) -> MonitorDefinition:
    """The definition of a model from a control event. Raises `BadEvent` that says what is wrong with it."""
    try:
        definition = MonitorDefinition.model_validate(document)
        for name in definition.metrics:
            custom_metric(definition, name, metrics)
    except ValueError as error:
        raise BadEvent(Reason.REFUSED, f"not a monitor definition: {error}") from error
    if definition.model != model:
        raise BadEvent(Reason.REFUSED, f"a definition of {definition.model} was sent for {model}")
    return definition


def fleet_of(document: Mapping[str, Any]) -> Fleet:
    """The fleet document from a control event. Raises `BadEvent` that says what is wrong with it."""
    try:
        return Fleet.model_validate(document)
    except ValueError as error:
        raise BadEvent(Reason.REFUSED, f"not a fleet document: {error}") from error


def starts_anew(old: MonitorDefinition, new: MonitorDefinition) -> bool:
    """Whether what is held under one definition is of no use under the other.

    Counts of classes serve any metric that a definition adds; of numbers, windows keep the sums it needs.
    """
    summed = new.task == "regression" and old.metrics != new.metrics
    return summed or any(getattr(old, name) != getattr(new, name) for name in _FRESH_START)
