"""Seeded traffic of three models for the acceptance tests: what is sent, in which order, by which route.

Events are in the contract's JSON form; a route is the way one takes: through `PredictionLogger`, or through
a producer of the user's own as columnar message, single Avro record or JSON.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS

Event = dict[str, Any]
Route = Literal["logger", "columnar", "avro", "json"]
ROUTES: tuple[Route, ...] = ("logger", "columnar", "avro", "json")

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
#: Eight windows of five minutes; shorter than `lateness`, so no order of arrival makes any event late.
START_US = 1_795_248_000_000_000  # 2026-11-21T08:00:00Z, the start of a window
SPAN_US = 40 * MINUTE_US
#: An event of this time ends every window above: their ends, ttl, lateness and grace have passed.
AFTERWARDS_US = START_US + 300 * MINUTE_US

#: The keys of these models lead to three different ones of four partitions.
CREDIT, FLOWERS, PRICE = "credit", "flowers", "price"
PARTITIONS = 4
BASELINE_ROWS = 1_000
#: From here on half of credit's labels are drawn by lot: accuracy falls from about .9 to about .7.
CHANGE_US = START_US + 20 * MINUTE_US


def definitions(speed: float = 1.0) -> list[Mapping[str, Any]]:
    """What is watched in the three models, with windows, graces and times to live for `speed`."""
    common: Mapping[str, Any] = {
        "window": 300 / speed,
        "grace": 30 / speed,
        "lateness": 7_200 / speed,
        "labels": {"ttl": 7_200 / speed, "min_coverage": 0.3},
        "baseline": {"first": BASELINE_ROWS},
    }
    return [
        {
            **common,
            "model": CREDIT,
            "task": "binary",
            "pos_label": "approved",
            "fairness": {"min_n": 30},
            "latency": {"objective_ms": 500.0},
            "monitors": {"accuracy": {"min": 0.8, "severity": "critical"}},
            "retrain": {"on": ["accuracy"], "min_labels": 200},
        },
        {**common, "model": FLOWERS, "task": "multiclass"},
        {**common, "model": PRICE, "task": "regression"},
    ]


_SPECIES = ("setosa", "versicolor", "virginica")


@dataclass(frozen=True, slots=True)
class Parcel:
    """Events of one model and version that take one route together, in order, not before `due_us`."""

    topic: str
    route: Route
    events: Sequence[Event]
    due_us: int = 0


@dataclass(slots=True)
class Traffic:
    """`parcels` in the order in which they are sent, and `afterwards`, to be sent once those are applied.

    The first of `afterwards` lie so much later that every window closes; the rest are then too late.
    """

    parcels: list[Parcel] = field(default_factory=list)
    afterwards: list[Parcel] = field(default_factory=list)
    late: int = 0
    orphans: int = 0

    @property
    def predictions(self) -> list[Event]:
        """Every prediction but those that come too late, repeated ones as often as they are sent."""
        return [e for p in self.parcels if p.topic == PREDICTIONS for e in p.events]

    @property
    def labels(self) -> list[Event]:
        return [e for p in self.parcels if p.topic == GROUND_TRUTH for e in p.events]

    @property
    def sent(self) -> int:
        return sum(len(parcel.events) for parcel in (*self.parcels, *self.afterwards))


def make_traffic(
    seed: int, predictions: int = 24_000, start_us: int = START_US, speed: float = 1.0
) -> Traffic:
    """About twice as many events as `predictions`, over 40 minutes / `speed` from `start_us` on.

    Labels come late, early, repeated, corrected, retracted and reinstated, or never; some name predictions
    that never come. Predictions are repeated, fail, and are answered by a shadow version too.
    """
    chance = random.Random(seed)
    traffic = Traffic()
    scheduled: list[tuple[int, int, str, Event]] = []  # (when it is sent, tie, topic, event)

    def mapped(time_us: int) -> int:
        return start_us + round((time_us - START_US) / speed)

    def at(when_us: int, topic: str, event: Event) -> None:
        event = {**event, "time": mapped(event["time"])}
        scheduled.append((mapped(when_us), len(scheduled), topic, event))

    for number in range(predictions):
        model = (CREDIT, FLOWERS, PRICE)[number % 3]
        time_us = START_US + number * SPAN_US // predictions
        time_us = min(max(START_US, time_us + chance.randint(-90, 90) * SECOND_US), START_US + SPAN_US - 1)
        event, truth = predict(
            chance, model, f"{model}-{seed}-{number}", time_us, doubtful=time_us > CHANGE_US
        )
        at(time_us, PREDICTIONS, event)
        if chance.random() < 0.04:
            at(time_us + chance.randint(0, 120) * SECOND_US, PREDICTIONS, event)
        if model == CREDIT and chance.random() < 0.2:
            shadow = {**event, "version": "8", "prediction": chance.choice(("approved", "rejected"))}
            at(time_us + chance.randint(0, 60) * SECOND_US, PREDICTIONS, shadow)
        for when_us, label in _labels(chance, event, truth):
            at(when_us, GROUND_TRUTH, label)
    for number in range(40):
        model = chance.choice((CREDIT, FLOWERS, PRICE))
        label = {"prediction_id": f"never-{seed}-{number}", "model": model, "time": START_US + number}
        at(label["time"], GROUND_TRUTH, {**label, "label": 1.0 if model == PRICE else "none of ours"})
        traffic.orphans += 1
    scheduled.sort()
    traffic.parcels = list(_parcels(chance, [(when, topic, event) for when, _, topic, event in scheduled]))
    for model in (CREDIT, FLOWERS, PRICE):
        last, _ = predict(chance, model, f"last-{model}", AFTERWARDS_US, doubtful=True)
        too_late = [
            predict(chance, model, f"late-{model}-{i}", START_US + i, doubtful=False)[0] for i in range(10)
        ]
        traffic.afterwards.append(Parcel(PREDICTIONS, "json", [last, *too_late]))
        traffic.late += len(too_late)
    return traffic


def predict(
    chance: random.Random, model: str, prediction_id: str, time_us: int, *, doubtful: bool
) -> tuple[Event, Any]:
    """A prediction, and what will turn out to be true; of credit half by lot, if it is `doubtful`."""
    event: Event = {
        "prediction_id": prediction_id,
        "model": model,
        "version": "7",
        "time": time_us,
        "latency_ms": chance.lognormvariate(3, 0.8) if chance.random() < 0.95 else None,
    }
    truth: Any
    if model == CREDIT:
        score = chance.betavariate(0.2, 0.2)
        truth = "approved" if chance.random() < score else "rejected"
        decided = "approved" if score > 0.5 else "rejected"
        if doubtful and chance.random() < 0.5:
            truth = chance.choice(("approved", "rejected"))
        event |= {
            "prediction": decided,
            "score": score,
            "features": {
                "age": float(chance.randint(18, 90)),
                "income": chance.lognormvariate(10, 0.5),
                "job": chance.choice(("clerk", "nurse", "smith", "cook")),
                "balance": chance.gauss(0, 100) if chance.random() < 0.9 else None,
            },
            "groups": {"sex": chance.choice("fm"), "age_band": chance.choice(("young", "middle", "old"))},
            "segments": {"country": chance.choice(("NO", "SE", "DK"))} if chance.random() < 0.9 else {},
        }
    elif model == FLOWERS:
        truth = chance.choice(_SPECIES)
        event |= {
            "prediction": truth if chance.random() < 0.8 else chance.choice(_SPECIES),
            "features": {"petal_length": chance.gauss(3, 1), "petal_width": chance.gauss(1, 0.3)},
            "segments": {"site": chance.choice(("north", "south"))},
        }
    else:
        rooms = chance.randint(1, 8)
        truth = 50_000.0 * rooms + chance.gauss(0, 20_000)
        event |= {
            "prediction": 50_000.0 * rooms + chance.gauss(500, 10_000),
            "features": {"rooms": float(rooms), "city": chance.choice(("Oslo", "Bergen"))},
            "segments": {"city": chance.choice(("Oslo", "Bergen"))},
        }
    if chance.random() < 0.02:
        event |= {"prediction": None, "score": None, "error": "timeout"}
    return event, truth


def _labels(chance: random.Random, event: Event, truth: Any) -> Iterator[tuple[int, Event]]:
    """The labels of a prediction, each with the time when it is sent."""
    if chance.random() < 0.15:
        return
    time_us: int = event["time"]
    early = chance.random() < 0.08
    wait_us = chance.randint(-60, 5) if early else round(chance.expovariate(1 / 240))
    when_us = time_us + min(wait_us, 1_800) * SECOND_US
    label = {
        "prediction_id": event["prediction_id"],
        "model": event["model"],
        "time": when_us,
        "label": truth,
    }
    yield when_us, label
    fate = chance.random()
    later_us = when_us + chance.randint(1, 300) * SECOND_US
    if fate < 0.04:
        yield later_us, label
    elif fate < 0.1:
        wrong = truth + 1_000.0 if isinstance(truth, float) else other_class(chance, event["model"], truth)
        yield later_us, {**label, "time": later_us, "label": wrong, "revision": 1}
    elif fate < 0.14:
        yield later_us, {**label, "time": later_us, "label": None, "revision": 1, "retracted": True}
        if fate < 0.12:
            yield later_us + SECOND_US, {**label, "time": later_us + SECOND_US, "revision": 2}


def other_class(chance: random.Random, model: str, label: str) -> str:
    """A class of the model that `label` is not."""
    return chance.choice(
        [c for c in (_SPECIES if model == FLOWERS else ("approved", "rejected")) if c != label]
    )


def _parcels(chance: random.Random, events: Sequence[tuple[int, str, Event]]) -> Iterator[Parcel]:
    """Events of one model, version and topic travel in parcels of 1 to 300, each by a route of its own.

    Those that a version's baseline is learnt from all take one producer, the user's own: order counts.
    """
    open_: dict[tuple[str, ...], tuple[Route, int, list[Event]]] = {}
    ids: dict[tuple[str, ...], set[str]] = {}
    due_us = 0
    for due_us, topic, event in events:
        lane = (topic, event["model"], event.get("version", ""))
        seen = ids.setdefault(lane, set())
        if lane not in open_:
            learning = topic == PREDICTIONS and len(seen) < BASELINE_ROWS
            route = chance.choices(ROUTES, (0 if learning else 35, 35, 15, 15))[0]
            open_[lane] = route, chance.randint(1, 300), []
        route, size, waiting = open_[lane]
        waiting.append(event)
        seen.add(event["prediction_id"])
        if len(waiting) >= size:
            yield Parcel(topic, route, waiting, due_us)
            del open_[lane]
    for (topic, *_), (route, _, waiting) in open_.items():
        yield Parcel(topic, route, waiting, due_us)
