"""False alarms and delays of every detector that raises alarms, and the table of them in the docs."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import streamgauge.detectors.evidence
from streamgauge.detectors import checks
from streamgauge.detectors.checks import Detection, Trial
from streamgauge.detectors.evidence.kinds import JointEvidence
from streamgauge.detectors.river_drift import BINARY, DETECTORS
from streamgauge.schemas.monitor_names import ERROR_DETECTORS
from streamgauge.schemas.monitor_names import EVIDENCE as MONITORS
from tests.detectors.trials import EVIDENCE, OURS, RIVER, SIZE, WRONG, Minutes, trials

PAGE = Path(__file__).parents[2] / "docs/reference/detectors.md"
TRIALS = list(trials())
#: These are watched by the evidence of `drift` and of `concept_drift`, on other columns.
LIKE_OTHERS = {"label_drift", "prediction_drift"}


def test_every_detector_of_errors_has_its_bounds_on_every_kind_of_error_that_it_takes() -> None:
    assert set(DETECTORS) == set(ERROR_DETECTORS)
    assert {name for kind, name in RIVER if kind == WRONG} == set(ERROR_DETECTORS)
    assert {name for kind, name in RIVER if kind == SIZE} == set(ERROR_DETECTORS) - BINARY
    assert {change for name, change, *_ in EVIDENCE if name == OURS} == {WRONG, SIZE}


def test_every_kind_of_evidence_and_every_monitor_in_the_budget_has_its_bounds() -> None:
    raises_alarms = set()
    package = streamgauge.detectors.evidence
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if hasattr(found, "take_alarms") and not inspect.isabstract(found):
                raises_alarms.add(found)
    made = [make(np.random.default_rng(1)) for _, _, make, *_ in EVIDENCE]
    tried = {type(one.evidence if isinstance(one, Minutes) else one) for one in made}
    assert tried == raises_alarms - {JointEvidence}  # which holds several of the others
    assert {name for name, *_ in EVIDENCE} == set(MONITORS) - LIKE_OTHERS


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    ("change", "trial"), TRIALS, ids=[f"{trial.name}: {change}" for change, trial in TRIALS]
)
def test_false_alarms_and_delays_stay_within_their_bounds_as_the_page_says(change: str, trial: Trial) -> None:
    seeds = range(4 if trial.name == "kswin" else 20)  # it takes most of a millisecond for each event
    told = checks.check_false_alarms_and_delay(trial, seeds)
    assert line(change, trial, told) in PAGE.read_text().splitlines()


def test_the_page_has_a_row_of_each_trial_and_no_other() -> None:
    rows = [row.split(" | ")[:2] for row in PAGE.read_text().splitlines() if row.startswith("| `")]
    assert rows == [[f"| `{trial.name}`", change] for change, trial in TRIALS]


def line(change: str, trial: Trial, told: Detection) -> str:
    """The detector's row of the page."""
    cells = (
        f"`{trial.name}`",
        change,
        f"{told.false_alarms:.1f} (≤ {trial.most_false:g})",
        "not by half" if np.isinf(told.delay) else f"{told.delay:,.0f}",
        "none" if np.isinf(trial.most_delay) else f"≤ {trial.most_delay:,g}",
        f"{told.found:.0%}".replace("%", " %"),
    )
    return f"| {' | '.join(cells)} |"
