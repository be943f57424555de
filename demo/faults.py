"""The faults of a demo: what comes, to which model and when is drawn from a seed; what it does to answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from streamgauge.demo.services import Features, Pool, Service, Transform
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.durations import SECOND_US

Kind = Literal["latency", "unit", "concept", "group"]
MINUTE_US = 60 * SECOND_US

#: How long a fault lasts that is repaired: at least, and less than.
LENGTH_US = (30 * MINUTE_US, 40 * MINUTE_US)

#: Which monitor must notice which kind.
MONITORS: dict[Kind, str] = {
    "latency": "latency",
    "unit": "drift",
    "concept": "concept_drift",
    "group": "fairness",
}

#: Units that an upstream team may change unannounced, by model: the feature, the factor, how people say it.
UNIT_CHANGES: dict[str, tuple[tuple[str, float, str], ...]] = {
    "phishing": (
        ("long_url", 100.0, "now comes as a percentage"),
        ("is_popular", 10.0, "is now rated 0 to 10"),
        ("request_from_other_domain", 1000.0, "now comes in thousandths"),
    ),
    "approval": (
        ("gallup", 0.01, "now comes as a fraction, not in percent"),
        ("rasmussen", 10.0, "now comes in per mille"),
        ("you_gov", 0.01, "now comes as a fraction, not in percent"),
    ),
}
#: The feature along which a model's concept drifts: labels change for rows above its median.
DRIFTING: dict[str, tuple[str, ...]] = {
    "phishing": ("popup_window", "anchor_from_other_domain", "https"),
    "approval": ("ipsos", "morning_consult"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, from `start_us` until `end_us` in event time.

    `target` is the feature or the group concerned, `size` a factor, a share or a shift, as the kind has it.
    Nobody repairs a concept that drifts: the world is another one, until the end.
    """

    kind: Kind
    model: str
    start_us: int
    end_us: int
    target: str
    size: float
    story: str

    @property
    def monitor(self) -> str:
        """The monitor that must open an alert because of it."""
        return MONITORS[self.kind]

    @property
    def stays(self) -> bool:
        """Whether only a new model helps."""
        return self.kind == "concept"

    def reaches(self, monitor: str) -> bool:
        """Whether it can be the cause of an alert of `monitor`: slow answers change nothing but latency."""
        return (monitor == MONITORS["latency"]) == (self.kind == "latency")

    def active(self, time_us: int, slack_us: int = 0) -> bool:
        """Whether it lasts at `time_us`, or ended no longer than `slack_us` before."""
        return self.start_us <= time_us < self.end_us + slack_us


def draw_faults(seed: int, start_us: int, quiet_us: int, latest_us: int, span_us: int) -> tuple[Fault, ...]:
    """One fault of each kind, in order of start: the first at `start_us + quiet_us` or after, none after
    `start_us + latest_us`. The world ends at `start_us + span_us`.

    Each starts in its own quarter of that time, so that a viewer can follow. The unit change, the concept
    drift and the group's fate meet three different models, so that what one opens cannot hide another. The
    concept drifts first: a new model has to be trained, to be compared, and to take over.

    >>> faults = draw_faults(1, 0, 60 * MINUTE_US, latest_us=150 * MINUTE_US, span_us=240 * MINUTE_US)
    >>> faults[0].kind, sorted(fault.kind for fault in faults[1:])
    ('concept', ['group', 'latency', 'unit'])
    """
    rng = np.random.default_rng([seed, 0xFA17])
    drifting, changing = rng.permutation(["phishing", "approval"]).tolist()
    models: dict[Kind, str] = {
        "latency": str(rng.choice(["phishing", "approval", "credit"])),
        "unit": changing,
        "concept": drifting,
        "group": "credit",
    }
    slot_us = (latest_us - quiet_us) // len(models)
    others: list[Kind] = [kind for kind in models if kind != "concept"]
    kinds = ["concept", *rng.permutation(others).tolist()]
    faults = []
    for slot, kind in enumerate(kinds):
        begin = start_us + quiet_us + slot * slot_us + int(rng.integers(slot_us))
        length = int(rng.integers(*LENGTH_US))
        end = start_us + span_us if kind == "concept" else begin + length
        target, size, story = _DRAW[kind](rng, models[kind])
        faults.append(Fault(kind, models[kind], begin, end, target, size, story))
    return tuple(faults)


def impaired(service: Service, pool: Pool, fault: Fault, rng: np.random.Generator) -> Pool:
    """The pool as requests are answered, and turn out, while `fault` lasts."""
    if fault.kind == "unit":
        return service.pool(_scaled(fault.target, fault.size))
    if fault.kind == "concept":
        return _relabelled(pool, fault, rng)
    if fault.kind == "group":
        return _stricter(pool, fault)
    return pool


def _scaled(feature: str, factor: float) -> Transform:
    def transform(row: Features) -> Features:
        return {name: v * factor if name == feature else v for name, v in row.items()}  # type: ignore[operator]

    return transform


def _relabelled(pool: Pool, fault: Fault, rng: np.random.Generator) -> Pool:
    values = pool.columns[fault.target]
    assert not isinstance(values, Categories)
    above = values >= np.median(values)
    if isinstance(pool.label, Categories):
        flipped = above & (rng.random(len(pool)) < fault.size)
        codes = np.where(flipped, 1 - pool.label.codes, pool.label.codes).astype(np.int32)
        return replace(pool, label=Categories(codes, pool.label.values))
    return replace(pool, label=pool.label + np.where(above, fault.size, 0.0))


def _stricter(pool: Pool, fault: Fault) -> Pool:
    """A stricter cut-off for one group: `size` of those it approved are now rejected, the lowest scores."""
    assert isinstance(pool.prediction, Categories)
    band = pool.groups["age_band"]
    member = band.codes == band.values.index(fault.target)
    approved = member & (pool.prediction.codes == 1)
    cutoff = np.quantile(pool.score[approved], fault.size)
    codes = np.where(approved & (pool.score < cutoff), 0, pool.prediction.codes).astype(np.int32)
    return replace(pool, prediction=Categories(codes, pool.prediction.values))


def _latency(rng: np.random.Generator, model: str) -> tuple[str, float, str]:
    factor = float(rng.choice([8.0, 10.0, 12.0]))
    return "", factor, f"answers take {factor:.0f} times as long"


def _unit(rng: np.random.Generator, model: str) -> tuple[str, float, str]:
    changes = UNIT_CHANGES[model]
    feature, factor, how = changes[rng.integers(len(changes))]
    return feature, factor, f"{feature} {how}"


def _concept(rng: np.random.Generator, model: str) -> tuple[str, float, str]:
    feature = str(rng.choice(DRIFTING[model]))
    if model == "approval":
        shift = float(rng.choice([-3.0, 3.0]))
        return feature, shift, f"where {feature} is high, the truth moves by {shift:+.0f} points"
    return feature, 0.9, f"where {feature} is high, 90 % of labels turn round"


def _group(rng: np.random.Generator, model: str) -> tuple[str, float, str]:
    band = str(rng.choice(["under 35", "35 to 49", "50 to 64", "65 and over"]))
    return band, 0.6, f"applicants {band}: 60 % of approvals become rejections"


_DRAW: dict[Kind, Callable[[np.random.Generator, str], tuple[str, float, str]]] = {
    "latency": _latency,
    "unit": _unit,
    "concept": _concept,
    "group": _group,
}
