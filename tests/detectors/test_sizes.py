"""Sizes of changes are read back from bins, small ones and large ones, with intervals that hold them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.detectors.baseline import numeric_profile
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.sizes import MOST_RATIO, MOST_SHIFT, Sizes

N = 200_000


@pytest.fixture(scope="module")
def normal():
    return Sizes(numeric_profile(np.random.default_rng(1).normal(size=N)))


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0])
def test_how_much_wider_a_number_became_is_read_back(normal, ratio):
    """It was 2.6 for 3, and 3.7 for 5."""
    scores = normal.binned(ratio * np.random.default_rng(2).normal(size=N))
    assert normal.ratio(float((scores**2).mean())) == pytest.approx(ratio, rel=0.04)


@pytest.mark.parametrize("shift", [-3.5, -1.0, 0.0, 0.25, 1.0, 2.0, 3.0, 3.5])
def test_how_far_a_number_moved_is_read_back(normal, shift):
    """It was 2.6 for 3, and 2.8 for all that is more."""
    scores = normal.binned(shift + np.random.default_rng(2).normal(size=N))
    assert normal.shift(float(scores.mean())) == pytest.approx(shift, abs=0.05)


def test_beyond_what_bins_can_tell_is_the_most_that_they_can(normal):
    far, flat = normal.binned(np.full(500, 40.0)), normal.binned(np.full(500, 0.01))
    assert normal.shift(float(far.mean())) == MOST_SHIFT
    assert normal.ratio(float((flat**2).mean())) == pytest.approx(1 / MOST_RATIO)
    assert normal.shift_interval(MOST_SHIFT, 500)[1] is None
    assert normal.ratio_interval(1 / MOST_RATIO, 500)[0] is None


@pytest.mark.parametrize(
    ("shift", "ratio", "n"), [(0.5, 1.0, 200), (2.0, 1.0, 200), (3.0, 1.0, 2_000), (0.0, 0.5, 200),
                              (0.0, 1.5, 200), (0.0, 3.0, 200), (0.0, 5.0, 2_000)]
)  # fmt: skip
def test_intervals_of_sizes_hold_the_truth(normal, shift, ratio, n):
    rng, held = np.random.default_rng(3), 0
    for _ in range(400):
        scores = normal.binned(shift + ratio * rng.normal(size=n))
        if ratio == 1.0:
            low, high = normal.shift_interval(normal.shift(float(scores.mean())), n)
            truth = shift
        else:
            low, high = normal.ratio_interval(normal.ratio(float((scores**2).mean())), n)
            truth = ratio
        held += (low is None or low <= truth) and (high is None or truth <= high)
    assert 0.92 <= held / 400 <= 0.985


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.floats(-5, 5))
def test_any_reference_gives_sizes_that_rise_with_location_and_are_finite(values, location):
    profile = numeric_profile(np.array(values, np.float64))
    sizes = Sizes(profile)
    found = [sizes.shift(location), sizes.shift(location + 0.1)]
    assert -MOST_SHIFT <= found[0] <= found[1] <= MOST_SHIFT
    assert 1 / MOST_RATIO <= sizes.ratio(abs(location)) * (1 + 1e-9) <= MOST_RATIO * (1 + 2e-9)
    for low, high in (sizes.shift_interval(found[0], 20), sizes.ratio_interval(1.0, 20)):
        assert low is None or high is None or low <= high


@pytest.mark.parametrize(
    ("shift", "ratio", "aspect", "direction", "size"),
    [
        (1.0, 1.0, "location", "up", 1.0),
        (3.0, 1.0, "location", "up", 3.0),  # it was told as 7 times as wide
        (-3.0, 1.0, "location", "down", -3.0),
        (0.0, 3.0, "spread", "up", 3.0),
        (0.5, 3.0, "spread", "up", 3.0),
        (0.0, 0.5, "spread", "down", 0.5),
    ],
)
def test_what_moved_far_is_not_told_as_wider(shift, ratio, aspect, direction, size):
    rng = np.random.default_rng(4)
    evidence = NumericEvidence([numeric_profile(rng.normal(size=5_000))], streams=1, alpha=0.05)
    evidence.update_many(rng.normal(size=(1, 2_000)), np.arange(2_000), np.arange(2_000) * 5e-6)
    time_us = np.arange(2_000, 3_000)
    evidence.update_many(shift + ratio * rng.normal(size=(1, 1_000)), time_us, time_us * 5e-6)
    alarms = evidence.take_alarms()
    assert {(alarm.aspect, alarm.direction) for alarm in alarms} == {(aspect, direction)}
    n = sum(alarm.n for alarm in alarms)
    assert sum(alarm.size * alarm.n for alarm in alarms) / n == pytest.approx(size, rel=0.15)


def test_a_reference_of_two_halves_cannot_tell_how_wide_a_number_is():
    sizes = Sizes(numeric_profile(np.repeat([0.0, 1.0], 50)))
    assert sizes.ratio(0.25) == 1.0
    assert sizes.ratio_interval(1.0, 100) == (None, None)
