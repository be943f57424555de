"""False alarms and delays of every detector that watches errors, and the table of them in the docs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamgauge.detectors import checks
from streamgauge.detectors.baseline import numeric_profile, rate_profile
from streamgauge.detectors.checks import Detection, Trial
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.river_drift import BINARY, DETECTORS, RiverDrift
from streamgauge.schemas.batch import Floats
from streamgauge.schemas.monitor_names import ERROR_DETECTORS

PAGE = Path(__file__).parents[2] / "docs/reference/detectors.md"
STEADY, CHANGED, LOOK, REFERENCE = 3_000, 2_000, 50, 5_000
#: Paid in for each event: .05 false alarms in 10,000.
PAID = 0.05 / 10_000
OURS = "concept_drift"
WRONG, SIZE = "wrong predictions, .1 → .2", "size of errors, × 1.5"
NEVER = np.inf
#: (errors, detector) → most false alarms in 10,000 steady events, and most events of a median delay.
BOUNDS: dict[tuple[str, str], tuple[float, float]] = {
    (WRONG, OURS): (0.2, 400),
    (WRONG, "adwin"): (0.5, 450),
    (WRONG, "hddm_w"): (0.5, NEVER),
    (WRONG, "hddm_a"): (0.5, 650),
    (WRONG, "ddm"): (8, 500),
    (WRONG, "eddm"): (30, 200),
    (WRONG, "fhddm"): (0.5, NEVER),
    (WRONG, "page_hinkley"): (0.5, 600),
    (WRONG, "kswin"): (2, NEVER),
    (SIZE, OURS): (0.2, 400),
    (SIZE, "adwin"): (1, 250),
    (SIZE, "page_hinkley"): (5, 150),
    (SIZE, "kswin"): (12, NEVER),
}


def errors(kind: str, seed: int) -> Floats:
    """Of a model that gets worse after `STEADY` events."""
    rng, n = np.random.default_rng(seed), STEADY + CHANGED
    before = np.arange(n) < STEADY
    if kind == WRONG:
        return (rng.random(n) < np.where(before, 0.1, 0.2)).astype(float)
    return rng.exponential(np.where(before, 1.0, 1.5))


def evidence(kind: str, rng: np.random.Generator) -> RateEvidence | NumericEvidence:
    """Against a reference of its own, as a model alone in its fleet has it."""
    if kind == WRONG:
        return RateEvidence([rate_profile((rng.random(REFERENCE) < 0.1).astype(float))], 1, 0.05)
    profile = numeric_profile(rng.exponential(1.0, REFERENCE))
    assert profile is not None
    return NumericEvidence([profile], 1, 0.05)


def by_evidence(kind: str) -> Callable[[int], np.ndarray]:
    def watch(seed: int) -> np.ndarray:
        one, stream = evidence(kind, np.random.default_rng(1_000 + seed)), errors(kind, seed)[None]
        fired = []
        for start in range(0, stream.shape[1], LOOK):
            stop = start + LOOK
            some = stream[:, start:stop]
            one.update_many(
                some.astype(np.int64) if kind == WRONG else some, np.arange(start, stop), PAID * stop
            )
            if one.take_alarms():
                fired.append(stop - 1)
        return np.array(fired, np.intp)

    return watch


def by_river(kind: str, name: str) -> Callable[[int], np.ndarray]:
    return lambda seed: RiverDrift(name).update_many(errors(kind, seed))


TRIALS = {
    (kind, name): Trial(
        name, by_evidence(kind) if name == OURS else by_river(kind, name), STEADY, CHANGED, *bounds
    )
    for (kind, name), bounds in BOUNDS.items()
}


def test_every_detector_of_errors_has_its_bounds_on_every_kind_of_error_that_it_takes() -> None:
    named = {OURS, *ERROR_DETECTORS}
    assert set(DETECTORS) == set(ERROR_DETECTORS)
    assert {name for kind, name in BOUNDS if kind == WRONG} == named
    assert {name for kind, name in BOUNDS if kind == SIZE} == named - BINARY


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(("kind", "name"), TRIALS, ids=[f"{name}: {kind}" for kind, name in TRIALS])
def test_false_alarms_and_delays_stay_within_their_bounds_as_the_page_says(kind: str, name: str) -> None:
    seeds = range(4 if name == "kswin" else 20)  # it takes most of a millisecond for each event
    told = checks.check_false_alarms_and_delay(TRIALS[kind, name], seeds)
    assert line(kind, name, told) in PAGE.read_text().splitlines()


def line(kind: str, name: str, told: Detection) -> str:
    """The detector's row of the page."""
    most_false, most_delay = BOUNDS[kind, name]
    cells = (
        f"`{name}`",
        kind,
        f"{told.false_alarms:.1f} (≤ {most_false:g})",
        "not by half" if np.isinf(told.delay) else f"{told.delay:,.0f}",
        "none" if np.isinf(most_delay) else f"≤ {most_delay:g}",
        f"{told.found:.0%}".replace("%", " %"),
    )
    return f"| {' | '.join(cells)} |"
