"""River's drift detectors behind their guard."""

import numpy as np
import pytest
import river
from river import drift

from streamgauge.detectors.river_drift import BINARY, DETECTORS, RiverDrift
from streamgauge.schemas.monitor_names import ERROR_DETECTORS


def stream(seed=1):
    rng = np.random.default_rng(seed)
    return (rng.random(4_000) < np.repeat([0.1, 0.4], 2_000)).astype(float)


#: It takes most of a millisecond for each error.
KSWIN = pytest.param("kswin", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["adwin", "hddm_w", "hddm_a", "ddm", "fhddm", "page_hinkley"])
def test_a_rising_error_rate_is_found_soon_after_it_rose(name):
    fired = RiverDrift(name).update_many(stream())
    assert any(2_000 <= index < 2_300 for index in fired.tolist())


def test_adwin_is_as_it_is_by_single_errors_however_many_come_at_once():
    errors = np.concatenate([stream(1), stream(2), np.random.default_rng(3).normal(size=1_000)])
    alone, at_once = RiverDrift("adwin"), RiverDrift("adwin")
    fired = [index for index, error in enumerate(errors) if len(alone.update_many(np.array([error])))]
    assert at_once.update_many(errors[:5_000]).tolist() == [index for index in fired if index < 5_000]
    assert (at_once.update_many(errors[5_000:]) + 5_000).tolist() == [
        index for index in fired if index >= 5_000
    ]
    assert at_once.to_state() == alone.to_state()
    assert fired


@pytest.mark.parametrize("name", ["adwin", "page_hinkley", KSWIN])
def test_errors_that_became_fewer_are_no_alarm(name):
    fired = RiverDrift(name).update_many(1 - stream())
    assert not any(2_000 <= index < 2_200 for index in fired.tolist())


def test_a_definition_can_name_each_of_them():
    assert set(ERROR_DETECTORS) == set(DETECTORS)


def test_it_fires_where_river_itself_fires():
    ours, theirs, expected = RiverDrift("adwin"), drift.ADWIN(delta=0.002), []
    for index, error in enumerate(stream()):
        theirs.update(error)
        if theirs.drift_detected:
            expected.append(index)
    assert ours.update_many(stream()).tolist() == expected


@pytest.mark.parametrize("name", [*(name for name in DETECTORS if name != "kswin"), KSWIN])
def test_values_it_cannot_take_are_ignored_and_change_nothing(name):
    clean, dirty = RiverDrift(name), RiverDrift(name)
    clean.update_many(stream())
    nasty = [np.nan, np.inf, -np.inf] + ([0.5, 7.0] if name in BINARY else [])
    mixed = np.insert(stream(), 1_000, nasty)
    dirty.update_many(mixed)
    assert dirty.ignored == len(nasty)
    assert dirty.to_state()["detector"] == clean.to_state()["detector"]


def test_indices_count_the_values_that_were_given_ignored_ones_too():
    nans = np.full(100, np.nan)
    shifted = RiverDrift("adwin").update_many(np.concatenate([nans, stream()]))
    assert (shifted - 100).tolist() == RiverDrift("adwin").update_many(stream()).tolist()


def test_a_state_of_another_river_starts_over_with_its_counts():
    detector = RiverDrift("adwin")
    detector.update_many(stream())
    state = detector.to_state() | {"river": "0.0.1"}
    again = RiverDrift.from_state(state)
    assert again.n == 4_000
    assert again.to_state()["river"] == river.__version__
    assert again.to_state()["detector"] == RiverDrift("adwin").to_state()["detector"]


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="adwin"):
        RiverDrift("fortune_teller")
