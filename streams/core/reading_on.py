"""How a model reads on in the journal, from its place: orders, and of the ticks those at which it is due."""

from collections.abc import Callable
from typing import Any

from streamgauge.detectors.evidence.account import MAX_STEP_US
from streamgauge.schemas.message import Output
from streamgauge.streams.core.due import due_us
from streamgauge.streams.core.journal import FleetOrder, Journal, Place, Ticks
from streamgauge.streams.core.model import ModelState

#: What a model does when it comes to an order.
Obey = Callable[[ModelState, FleetOrder], list[Output]]


def read_on(
    model: ModelState, place: Place, journal: Journal, obey: Obey, *, fully: bool
) -> tuple[Place, list[Output]]:
    """Up to the end: where it is then, and what it told.

    `fully`: also the last tick, at which nothing is due: something else is about to happen to it.
    """
    outputs: list[Output] = []
    idle: list[Ticks] = []
    due = due_us(model)
    for entry in journal.after(place):
        if isinstance(entry, FleetOrder):
            outputs += _pass(model, idle, place)
            outputs += obey(model, entry)
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
    return place, outputs


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
