"""`draw`: a plan from a seed: ordinary traffic, oddities in it, and one disturbance after the other."""

import random
from collections.abc import Container, Iterator, Mapping

from tests.acceptance.traffic import CREDIT, ROUTES
from tests.chaos.disturbing import DISTURBANCES
from tests.chaos.plan import Plan, Step
from tests.chaos.scale import MODELS, SHADOW, Scale
from tests.chaos.sending import ODDITIES, Kind, batch_numbers

_EVERY_S = 0.25
#: The share of batches that something odd comes with.
_ODD = 0.25
#: When nothing is disturbed: a start needs its peace, and the end is waited for.
_CALM_S = 3.0


def draw(seed: int, seconds: float, scale: Scale, without: Container[str] = (), gap_s: float = 9.0) -> Plan:
    """`without` names actions that cannot be had here; `gap_s` lies between two disturbances, on average.

    The last step, `recreate`, is carried out when everything else has been judged.
    """
    chance = random.Random(seed)
    steps = [*_traffic(chance, seconds, scale), *_disturbances(chance, seconds, scale, without, gap_s)]
    steps.sort(key=lambda step: step.at_s)
    if "recreate" not in without:
        steps.append(Step(max(step.at_s for step in steps), "recreate"))
    return Plan(seed, seconds, scale, tuple(steps))


def _traffic(chance: random.Random, seconds: float, scale: Scale) -> Iterator[Step]:
    """Batches by all routes, delayed, repeated, with their labels; from half-time on, bad ones of credit."""
    for number in range(round(seconds / _EVERY_S)):
        at_s = round(number * _EVERY_S, 3)
        batch = batch_numbers(chance, at_s, MODELS[number % len(MODELS)])
        batch["doubtful"] = at_s > seconds / 2
        delay_s = chance.uniform(0, scale.delay_s) if chance.random() < 0.15 else 0.0
        sent_s = round(at_s + delay_s + 0.3, 3)  # no event lies ahead of the broker's clock
        yield Step(sent_s, "predict", {"batch": batch, "route": chance.choice(ROUTES)})
        if chance.random() < 0.1:
            again_s = round(sent_s + chance.uniform(0, scale.delay_s), 3)
            yield Step(again_s, "predict", {"batch": batch, "route": chance.choice(ROUTES)})
        if batch["model"] == CREDIT and chance.random() < 0.4:
            shadow = {"batch": batch, "route": chance.choice(ROUTES), "version": SHADOW}
            yield Step(sent_s, "predict", shadow)
        yield from _labels(chance, batch, sent_s, scale)
        if chance.random() < _ODD:
            name, kind = _choose(chance, ODDITIES)
            yield Step(sent_s, name, kind.propose(chance, scale, at_s))


def _labels(chance: random.Random, batch: dict[str, object], sent_s: float, scale: Scale) -> Iterator[Step]:
    """Early or late, of most of a batch; then again, corrected, retracted, reinstated."""
    if chance.random() < 0.1:
        return
    early = chance.random() < 0.15
    at_s = max(0.3, sent_s + (-chance.uniform(0.3, 3) if early else chance.uniform(0, scale.delay_s)))
    share = round(chance.uniform(0.6, 1.0), 2)
    fate = chance.random()
    for revision, kind in enumerate(
        ("true", "true")
        if fate < 0.08
        else ("true", "wrong")
        if fate < 0.2
        else ("true", "retract")
        if fate < 0.26
        else ("true", "retract", "true")
        if fate < 0.3
        else ("true",)
    ):
        given = {"batch": batch, "route": chance.choice(ROUTES), "time_s": round(at_s - 0.3, 3), "kind": kind}
        revised = 0 if fate < 0.08 else revision
        yield Step(round(at_s, 3), "label", given | {"share": share, "revision": revised})
        at_s += chance.uniform(0, scale.delay_s / 2)


def _disturbances(
    chance: random.Random, seconds: float, scale: Scale, without: Container[str], gap_s: float
) -> Iterator[Step]:
    possible = {name: kind for name, kind in DISTURBANCES.items() if name not in without}
    at_s = _CALM_S + chance.uniform(0, gap_s)
    while at_s < seconds - _CALM_S:
        name, kind = _choose(chance, possible)
        yield Step(round(at_s, 3), name, kind.propose(chance, scale, at_s))
        at_s += chance.uniform(0.3, 1.7) * gap_s


def _choose(chance: random.Random, kinds: Mapping[str, Kind]) -> tuple[str, Kind]:
    names = list(kinds)
    [name] = chance.choices(names, [kinds[n].weight for n in names])
    return name, kinds[name]
