"""How soon evidence sees a change: the project's own promises, median events from the change to the alarm.

A reference of 5,000 events; one stream at .05 expected false alarms in 10,000 events, or one of a fleet of
1,000 at .05 in 100,000 events of each. ADWIN of River (δ .002) beside it, on the same streams.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.detection.rivals import ALPHA, RIVER
from benchmarks.detection.streams import AR5, NORMAL, rate
from streamgauge.detectors.baseline import categorical_profile, numeric_profile, rate_profile
from streamgauge.detectors.evidence.categorical import UNSEEN, CategoricalEvidence
from streamgauge.detectors.evidence.disparity import DisparityEvidence
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.schemas.batch import Categories, Floats

REFERENCE, BEFORE, AFTER = 5_000, 2_000, 8_000
#: Streams of the fleet, and what is paid in by event: nine tenths of the budget.
BUDGETS: Mapping[str, tuple[int, float]] = {
    "single": (1, 0.9 * ALPHA / 10_000),
    "fleet": (1_000, 0.9 * ALPHA / (1_000 * 100_000)),
}
Evidence = NumericEvidence | RateEvidence | CategoricalEvidence


@dataclass(frozen=True, slots=True)
class Case:
    """A change, and the median delays that are promised: of a single stream, of one of the fleet."""

    name: str
    draw: Callable[[np.random.Generator, int], tuple[Floats, Floats]]
    watch: Callable[[Floats, int], Evidence]
    promised: tuple[int | None, int | None]
    adwin: bool = True


@dataclass(frozen=True, slots=True)
class Delay:
    """Median events until it was seen (infinite: by fewer than half), and alarms before the change."""

    median: float
    false: int


def _numbers(reference: Floats, streams: int) -> Evidence:
    profiles = [numeric_profile(row) for row in reference]
    return NumericEvidence([p for p in profiles if p], streams, ALPHA)


def _rates(reference: Floats, streams: int) -> Evidence:
    return RateEvidence([rate_profile(row) for row in reference], streams, ALPHA)


def _categories(reference: Floats, streams: int) -> Evidence:
    names = [[f"{value:.0f}" for value in row] for row in reference.tolist()]
    return CategoricalEvidence([categorical_profile(Categories.of(row)) for row in names], streams, ALPHA)  # type: ignore[arg-type]


def _moved(
    draw: Callable[[np.random.Generator, tuple[int, int]], Floats], change: Callable[[Floats], Floats]
) -> Callable[[np.random.Generator, int], tuple[Floats, Floats]]:
    def drawn(rng: np.random.Generator, streams: int) -> tuple[Floats, Floats]:
        rows = draw(rng, (streams, REFERENCE + BEFORE + AFTER))
        reference, values = rows[:, :REFERENCE], rows[:, REFERENCE:].copy()
        values[:, BEFORE:] = change(values[:, BEFORE:])
        return reference, values

    return drawn


def _rate_rises(low: float, high: float) -> Callable[[np.random.Generator, int], tuple[Floats, Floats]]:
    def drawn(rng: np.random.Generator, streams: int) -> tuple[Floats, Floats]:
        before, after = rate(low)(rng, (streams, REFERENCE + BEFORE)), rate(high)(rng, (streams, AFTER))
        return before[:, :REFERENCE], np.concatenate([before[:, REFERENCE:], after], axis=1)

    return drawn


def _shares_change(after: tuple[float, ...]) -> Callable[[np.random.Generator, int], tuple[Floats, Floats]]:
    def drawn(rng: np.random.Generator, streams: int) -> tuple[Floats, Floats]:
        calm = rng.choice(5, (streams, REFERENCE + BEFORE), p=[0.5, 0.25, 0.15, 0.1, 0.0]).astype(np.float64)
        changed = rng.choice(5, (streams, AFTER), p=after).astype(np.float64)
        return calm[:, :REFERENCE], np.concatenate([calm[:, REFERENCE:], changed], axis=1)

    return drawn


CASES = (
    Case("moved by .25 standard deviations", _moved(NORMAL.draw, lambda x: x + 0.25), _numbers, (560, 1_600)),
    Case("moved by .5", _moved(NORMAL.draw, lambda x: x + 0.5), _numbers, (200, 400)),
    Case("moved by 1", _moved(NORMAL.draw, lambda x: x + 1.0), _numbers, (90, 150)),
    Case("variance × 1.5", _moved(NORMAL.draw, lambda x: x * 1.5**0.5), _numbers, (560, 1_700)),
    Case("AR(.5), moved by .25", _moved(AR5.draw, lambda x: x + 0.25), _numbers, (1_800, None)),
    Case("AR(.5), moved by .5", _moved(AR5.draw, lambda x: x + 0.5), _numbers, (480, None)),
    Case("error rate .1 → .2", _rate_rises(0.1, 0.2), _rates, (300, 900)),
    Case("missing values .01 → .05", _rate_rises(0.01, 0.05), _rates, (330, 1_100)),
    Case(
        "category .1 → .2", _shares_change((0.4, 0.25, 0.15, 0.2, 0.0)), _categories, (450, None), adwin=False
    ),
    Case(
        "new category at .02", _shares_change((0.48, 0.25, 0.15, 0.1, 0.02)), _categories, (450, None),
        adwin=False,
    ),
)  # fmt: skip


def delays(case: Case, streams: int = 61) -> dict[str, Delay]:
    """By budget, and of ADWIN where it has something to watch."""
    rng = np.random.default_rng([9, *case.name.encode()])
    reference, values = case.draw(rng, streams)
    found = {}
    for name, (of_fleet, paid) in BUDGETS.items():
        evidence = case.watch(reference, of_fleet)
        first, false = np.full(streams, np.inf), 0
        for start in range(0, values.shape[1], LOOK):
            at = np.arange(start, start + LOOK)
            evidence.update_many(_codes(evidence, values[:, at]), at, paid * (at + 1))  # type: ignore[arg-type]
            for alarm in evidence.take_alarms():
                false += at[-1] < BEFORE
                if at[-1] >= BEFORE:
                    first[alarm.stream] = min(first[alarm.stream], at[-1] + 1 - BEFORE)
        found[name] = Delay(float(np.median(first)), int(false))
    if case.adwin:
        alarms = RIVER["ADWIN"](reference, values)
        late = [row[row >= BEFORE] for row in alarms]
        median = float(np.median([row[0] + 1 - BEFORE if len(row) else np.inf for row in late]))
        found["ADWIN"] = Delay(median, sum(int((row < BEFORE).sum()) for row in alarms))
    return found


def _codes(evidence: Evidence, values: Floats) -> Floats:
    if isinstance(evidence, NumericEvidence):
        return values
    codes = values.astype(np.int64)
    if isinstance(evidence, CategoricalEvidence):
        codes = np.where(
            codes == 4, UNSEEN, codes
        )  # the others are named in the order of how common they are
    return codes  # type: ignore[return-value]


def disparity(groups: int, gap: float, seed: int, events: int = 60 * 500) -> int | None:
    """Events until groups whose rates lie `gap` apart, every other one, are told; a tolerance of .1."""
    rng = np.random.default_rng([10, seed])
    group = rng.integers(0, groups, events)
    selected = (rng.random(events) < np.where(group % 2, 0.3 + gap, 0.3)).astype(np.int64)
    evidence, at = DisparityEvidence(0.1), np.arange(events)
    paid = 0.9 * ALPHA / (60 * 500) * (at + 1)
    for start in range(0, events, 500):
        rows = slice(start, start + 500)
        evidence.update_many(group[rows], selected[rows], at[rows], paid[rows])
        if evidence.take_alarms():
            return start + 500
    return None
