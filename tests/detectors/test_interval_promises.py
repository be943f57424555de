"""The coverage that the project promises of its 95 % intervals, and the table in the documentation."""

import re
from pathlib import Path

import pytest

from benchmarks.intervals import SIZES, Coverage, coverages

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]


@pytest.fixture(scope="module")
def simulated() -> list[Coverage]:
    return list(coverages())


def test_intervals_hold_the_truth_as_often_as_is_promised(simulated: list[Coverage]) -> None:
    promised = [(found, found.promised) for found in simulated if found.promised is not None]
    broken = [found for found, (low, high) in promised if not low <= found.percent <= high]
    assert not broken


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    "metric", ["accuracy", "precision", "recall", "f1", "mean_error", "demographic_parity_difference"]
)
def test_what_must_be_promised_is_promised_in_small_and_in_large_windows(
    simulated: list[Coverage], metric: str, n: int
) -> None:
    assert any(found.metric == metric and found.n == n and found.promised for found in simulated)


def test_the_page_tells_what_is_simulated(simulated: list[Coverage]) -> None:
    told = {}
    for row in re.findall(r"(?m)^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| .*\|$", PAGE.read_text()):
        for percent, n in re.findall(r"([\d.]+) % \(n = ([\d,]+)\)", " ".join(row[2:])):
            told[row[0], row[1], int(n.replace(",", ""))] = float(percent)
    # to half a per cent: numpy may draw otherwise in another version
    assert told == {(f.metric, f.stream, f.n): pytest.approx(f.percent, abs=0.5) for f in simulated}
