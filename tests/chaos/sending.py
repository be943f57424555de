"""The traffic of a chaos run: what is sent, by which route, and how often each kind comes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamgauge.schemas.encode import encode_prediction
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.schemas.registry import Schema, schema
from tests.acceptance.garbage import named_pieces
from tests.acceptance.traffic import PRICE, ROUTES, Parcel
from tests.chaos.batches import Batch
from tests.chaos.scale import MODELS, Scale
from tests.chaos.world import World

#: Names the reason for which a record is to be refused: whoever reads the topics later needs no other ledger.
REASON_HEADER = "chaos-reason"
#: What is refused only as long as nobody has asked for a retraining or opened an alert.
_DEPENDS = ("a report on a request that was never made", "an acknowledgement of no alert")
POISON = {name: piece for name, piece in named_pieces().items() if name not in _DEPENDS}
#: So far behind that every window of it has been sealed.
_LAST_NIGHT_S = 36_000.0


def predict(
    world: World, batch: dict[str, Any], route: str, version: str = "7", time_shift_s: float = 0.0
) -> None:
    """Predictions; the same numbers again are duplicates, whatever the route."""
    start_us = world.start_us + round(time_shift_s * 1e6)
    events = Batch.of(batch).predictions(start_us, version)
    world.send(Parcel(PREDICTIONS, route, events))  # type: ignore[arg-type]


def label(world: World, batch: dict[str, Any], route: str, time_s: float, **how: Any) -> None:
    """Labels of a batch, whether or not its predictions were sent, or ever are."""
    events = Batch.of(batch).labels(world.start_us, time_s, **how)
    if events:
        world.send(Parcel(GROUND_TRUTH, route, events))  # type: ignore[arg-type]


def poison(world: World, piece: str, model: str) -> None:
    """A message that must be refused, among the good ones of a model."""
    topic, message, reason = POISON[piece]
    if b'"price"' in (message.value or b""):  # refused by what is known of this model, so by its partition
        model = PRICE
    headers = [*message.headers, (REASON_HEADER, reason.value.encode())]
    world.produce(topic, message.value, model, headers)


def oversized(world: World, model: str) -> None:
    """As large as the broker takes, and larger than an event may be."""
    value = encode_prediction(Batch(0, model, 1, 0.0).predictions(world.start_us)[0], "json")
    world.produce(PREDICTIONS, b" " * 1_900_000 + value, model, [(REASON_HEADER, b"oversized")])


def evolve(world: World, batch: dict[str, Any], format: str) -> None:
    """A newer schema of a sender has a field more. In JSON it can be left out; in Avro it is unknown here."""
    for event in Batch.of(batch).predictions(world.start_us):
        if format == "json":
            value = encode_prediction(event, "json")[:-1] + b',"explanation":{"method":"shap"}}'
            world.produce(PREDICTIONS, value, event["model"], [])
        else:
            value = newer_schema().write(event | {"explanation": "shap"})
            world.produce(PREDICTIONS, value, event["model"], [(REASON_HEADER, b"unknown_schema")])


def newer_schema() -> Schema:
    """That of predictions, with an optional field more."""
    document = schema("prediction").document
    field = {"name": "explanation", "type": ["null", "string"], "default": None}
    return Schema.of("prediction", {**document, "fields": [*document["fields"], field]})


@dataclass(frozen=True, slots=True)
class Kind:
    """What a step does, and how often it is among the steps of its sort; `propose` draws its arguments."""

    weight: float
    act: Callable[..., None]
    propose: Callable[[random.Random, Scale, float], dict[str, Any]]


def batch_numbers(chance: random.Random, at_s: float, model: str | None = None) -> dict[str, Any]:
    """The numbers of a batch whose events are `at_s` into the run."""
    return {
        "seed": chance.randrange(2**40),
        "model": model or chance.choice(MODELS),
        "events": chance.randint(5, 60),
        "time_s": round(at_s, 3),
    }


def _one(chance: random.Random, scale: Scale, at_s: float) -> dict[str, Any]:
    return {"batch": batch_numbers(chance, at_s)}


def _late(chance: random.Random, scale: Scale, at_s: float) -> dict[str, Any]:
    return {
        "batch": batch_numbers(chance, at_s) | {"events": 3},
        "route": chance.choice(ROUTES[1:]),
        "time_shift_s": -_LAST_NIGHT_S,
    }


def _orphans(chance: random.Random, scale: Scale, at_s: float) -> dict[str, Any]:
    numbers = batch_numbers(chance, at_s) | {"events": 4}
    return {"batch": numbers, "route": chance.choice(ROUTES), "time_s": round(at_s, 3)}


#: What comes between the ordinary traffic, which `drawing.py` draws.
ODDITIES: Mapping[str, Kind] = {
    "poison": Kind(
        6, poison, lambda c, scale, at: {"piece": c.choice(sorted(POISON)), "model": c.choice(MODELS)}
    ),
    "oversized": Kind(0.3, oversized, lambda c, scale, at: {"model": c.choice(MODELS)}),
    "evolve": Kind(
        1, evolve, lambda c, scale, at: _one(c, scale, at) | {"format": c.choice(("json", "avro"))}
    ),
    "late": Kind(1, predict, _late),
    "orphan": Kind(1, label, _orphans),
}
SENDING: Mapping[str, Callable[..., None]] = {
    "predict": predict,
    "label": label,
    **{name: kind.act for name, kind in ODDITIES.items()},
}
