"""Streams that are known to change, and who watches them: every detector that raises alarms, and its bounds.

A trial's stream is steady for 3,000 events and changes then for 2,000; events of traffic are minutes.
Evidence is of one stream that is alone in its fleet, with .05 false alarms in 10,000 events.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from streamgauge.detectors.baseline import build_profile, categorical_profile, numeric_profile, rate_profile
from streamgauge.detectors.calibration import learn_calibration, score_cells
from streamgauge.detectors.cbpe import classifier_cells, expected_correct
from streamgauge.detectors.checks import Trial
from streamgauge.detectors.evidence.categorical import UNSEEN, CategoricalEvidence
from streamgauge.detectors.evidence.disparity import DisparityEvidence
from streamgauge.detectors.evidence.gap import GapEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.evidence.rare import RareEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.evidence.repeats import RepeatEvidence
from streamgauge.detectors.evidence.traffic import TrafficEvidence
from streamgauge.detectors.river_drift import RiverDrift
from streamgauge.schemas.batch import Categories, Floats
from streamgauge.schemas.profile import RateProfile

STEADY, CHANGED, LOOK, REFERENCE = 3_000, 2_000, 50, 5_000
#: Paid in for each event: .05 false alarms in 10,000.
PAID = 0.05 / 10_000
FLEET: dict[str, Any] = {"streams": 1, "alpha": 0.05}
NEVER = np.inf
OURS = "concept_drift"
WRONG, SIZE = "wrong predictions, .1 → .2", "size of errors, × 1.5"

Rng = np.random.Generator
#: Columns of one batch, the events on their last axis.
Columns = tuple[np.ndarray, ...]


def later(n: int) -> np.ndarray:
    """Which of the trial's events come after the change."""
    return np.arange(n) >= STEADY


def watched(make: Callable[[Rng], Any], draw: Callable[[Rng, int], Columns]) -> Callable[[int], np.ndarray]:
    """Evidence with a reference of its own, on the stream of a seed."""

    def watch(seed: int) -> np.ndarray:
        one = make(np.random.default_rng(1_000 + seed))
        columns = draw(np.random.default_rng(seed), STEADY + CHANGED)
        fired, step = [], 1 if isinstance(one, Minutes) else LOOK
        for start in range(0, STEADY + CHANGED, step):
            stop = start + step
            some = (column[..., start:stop] for column in columns)
            one.update_many(*some, np.arange(start, stop), PAID * stop)
            if one.take_alarms():
                fired.append(stop - 1)
        return np.array(fired, np.intp)

    return watch


def errors(kind: str, seed: int) -> Floats:
    """Of a model that gets worse."""
    rng, n = np.random.default_rng(seed), STEADY + CHANGED
    if kind == WRONG:
        return (rng.random(n) < np.where(later(n), 0.2, 0.1)).astype(float)
    return rng.exponential(np.where(later(n), 1.5, 1.0))


def by_river(kind: str, name: str) -> Callable[[int], np.ndarray]:
    return lambda seed: RiverDrift(name).update_many(errors(kind, seed))


def numbers(rng: Rng) -> NumericEvidence:
    return NumericEvidence([numeric_profile(rng.normal(size=REFERENCE))], **FLEET)


def sizes(rng: Rng) -> NumericEvidence:
    return NumericEvidence([numeric_profile(rng.exponential(1.0, REFERENCE))], **FLEET)


def autoregressive(rng: Rng, n: int) -> Floats:
    values = rng.normal(size=n) * 0.75**0.5
    for i in range(1, n):
        values[i] += 0.5 * values[i - 1]
    return values


def rates(rate: float) -> Callable[[Rng], RateEvidence]:
    return lambda rng: RateEvidence([rate_profile((rng.random(REFERENCE) < rate).astype(float))], **FLEET)


def rate_rises(low: float, high: float) -> Callable[[Rng, int], Columns]:
    return lambda rng, n: ((rng.random(n) < np.where(later(n), high, low)).astype(np.int64)[None],)


def categories(rng: Rng) -> CategoricalEvidence:
    drawn = rng.choice(list("abcd"), REFERENCE, p=CALM)
    return CategoricalEvidence([categorical_profile(Categories.of(drawn.tolist()))], **FLEET)


CALM = [0.5, 0.25, 0.15, 0.1]


def shares_change(after: Sequence[float]) -> Callable[[Rng, int], Columns]:
    """Codes are in the order of the reference's shares; the fifth is one that the reference never had."""

    def drawn(rng: Rng, n: int) -> Columns:
        before, changed = rng.choice(4, n, p=CALM), rng.choice(5, n, p=after)
        codes = np.where(later(n), changed, before)
        return (np.where(codes == 4, UNSEEN, codes)[None],)

    return drawn


def never_a_text(rng: Rng) -> RareEvidence:
    return RareEvidence(RateProfile(0, REFERENCE), aspect="wrong_type", **FLEET)


def texts(rng: Rng, n: int) -> Columns:
    return (rate_rises(0.0, 0.02)(rng, n)[0][0],)


def sticks(rng: Rng, n: int) -> Columns:
    return (np.where(later(n), 7.0, rng.normal(size=n))[None],)


def together(rng: Rng, n: int, correlation: Any) -> np.ndarray:
    x, noise = rng.normal(size=(2, n))
    return np.stack([x, correlation * x + np.sqrt(1 - correlation**2) * noise])


def pair(rng: Rng) -> PairEvidence:
    x, y = together(rng, REFERENCE, 0.6)
    return PairEvidence(build_profile({"x": x, "y": y}).pairs, **FLEET)


def loses_touch(rng: Rng, n: int) -> Columns:
    return (np.sign(together(rng, n, np.where(later(n), 0.0, 0.6))).astype(np.int8),)


def treated(before: tuple[float, float], after: tuple[float, float]) -> Callable[[Rng, int], Columns]:
    """How often each of two groups is selected."""

    def drawn(rng: Rng, n: int) -> Columns:
        group = rng.integers(0, 2, n)
        rate = np.where(later(n), np.array(after)[group], np.array(before)[group])
        return group, (rng.random(n) < rate).astype(np.int64)

    return drawn


def scored(rng: Rng, n: int, flipped: Any = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, what was said, what is true: right in 83 %, and in 76 % where a tenth of labels is wrong."""
    x = rng.normal(size=n) * 3
    true = (rng.random(n) < 1 / (1 + np.exp(-x - 0.3))) ^ (rng.random(n) < flipped)
    score = 1 / (1 + np.exp(-1.8 * x))
    return score, score > 0.5, true


def gap(rng: Rng) -> GapEvidence:
    score, said, true = scored(rng, REFERENCE)
    profile = learn_calibration(score_cells(score), said, true)
    return GapEvidence(expected_correct(profile), profile.residuals, **FLEET)


def falls_short(rng: Rng, n: int) -> Columns:
    score, said, true = scored(rng, n, np.where(later(n), 0.105, 0.0))
    return classifier_cells(score, said), said == true


class Minutes:
    """`TrafficEvidence` that is fed as the others are."""

    def __init__(self, rng: Rng) -> None:
        self.evidence = TrafficEvidence(0)
        self.evidence.update_many(rng.poisson(10, 1_440), 0.0)
        self.take_alarms = self.evidence.take_alarms

    def update_many(self, counts: np.ndarray, time_us: np.ndarray, paid: float) -> None:
        self.evidence.update_many(counts, paid)


def requests(factor: float) -> Callable[[Rng, int], Columns]:
    return lambda rng, n: (rng.poisson(np.where(later(n), 10.0 * factor, 10.0)),)


Make, Draw = Callable[[Rng], Any], Callable[[Rng, int], Columns]
#: Who tells it, what changes, the evidence and its stream, most false alarms in 10,000 and most delay.
EVIDENCE: list[tuple[str, str, Make, Draw, float, float]] = [
    (OURS, WRONG, rates(0.1), rate_rises(0.1, 0.2), 0.2, 400),
    (OURS, SIZE, sizes, lambda rng, n: (rng.exponential(np.where(later(n), 1.5, 1.0))[None],), 0.2, 400),
    ("drift", "a number, up by .5 σ", numbers,
     lambda rng, n: ((rng.normal(size=n) + 0.5 * later(n))[None],), 0.2, 250),
    ("drift", "a number, variance × 1.5", numbers,
     lambda rng, n: ((rng.normal(size=n) * np.where(later(n), 1.5**0.5, 1.0))[None],), 0.2, 700),
    ("drift", "an autoregressive number (.5), up by .5 σ",
     lambda rng: NumericEvidence([numeric_profile(autoregressive(rng, REFERENCE))], **FLEET),
     lambda rng, n: ((autoregressive(rng, n) + 0.5 * later(n))[None],), 0.2, 600),
    ("drift", "a category, .1 → .2", categories, shares_change([0.4, 0.25, 0.15, 0.2, 0.0]), 0.2, 500),
    ("drift", "a new category, .02", categories, shares_change([0.48, 0.25, 0.15, 0.1, 0.02]), 0.2, 600),
    ("data_quality", "missing values, .01 → .05", rates(0.01), rate_rises(0.01, 0.05), 0.2, 450),
    ("data_quality", "values of another type, 0 → .02", never_a_text, texts, 0.2, 500),
    ("data_quality", "a number that gets stuck",
     lambda rng: RepeatEvidence([RateProfile(0, REFERENCE)], **FLEET), sticks, 0.2, 100),
    ("multivariate_drift", "two numbers, correlation .6 → 0", pair, loses_touch, 0.2, 350),
    ("fairness", "two groups selected, .3 and .4 (the tolerance) → .3 and .5",
     lambda rng: DisparityEvidence(0.1), treated((0.3, 0.4), (0.3, 0.5)), 0.2, 2_000),
    ("fairness", "two groups selected, .4 and .5 (four fifths) → .2 and .5",
     lambda rng: DisparityEvidence(0.8, ratio=True), treated((0.4, 0.5), (0.2, 0.5)), 0.2, 1_000),
    ("estimate_gap", "accuracy .83 as estimated → .76", gap, falls_short, 0.2, 700),
    ("traffic", "minutes of 10 requests → none", Minutes, requests(0.0), 0.2, 10),
    ("traffic", "minutes of 10 requests → 50", Minutes, requests(5.0), 0.2, 10),
]  # fmt: skip
#: (errors, River's detector) → the same bounds.
RIVER: dict[tuple[str, str], tuple[float, float]] = {
    (WRONG, "adwin"): (0.5, 450),
    (WRONG, "hddm_w"): (0.5, NEVER),
    (WRONG, "hddm_a"): (0.5, 650),
    (WRONG, "ddm"): (8, 500),
    (WRONG, "eddm"): (30, 200),
    (WRONG, "fhddm"): (0.5, NEVER),
    (WRONG, "page_hinkley"): (0.5, 600),
    (WRONG, "kswin"): (2, NEVER),
    (SIZE, "adwin"): (1, 250),
    (SIZE, "page_hinkley"): (5, 150),
    (SIZE, "kswin"): (12, NEVER),
}


def trials() -> Iterator[tuple[str, Trial]]:
    """What changes, and who watches; in the order of the page."""
    for name, change, make, draw, most_false, most_delay in EVIDENCE:
        yield change, Trial(name, watched(make, draw), STEADY, CHANGED, most_false, most_delay)
    for (kind, name), bounds in RIVER.items():
        yield kind, Trial(name, by_river(kind, name), STEADY, CHANGED, *bounds)
