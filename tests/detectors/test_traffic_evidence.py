"""Traffic evidence: quiet where traffic has a daily cycle and days differ, quick where it counts."""

import numpy as np
import pytest

from streamgauge.detectors.evidence.traffic import TrafficEvidence

#: What a fleet of 100 models pays one of twelve streams of a model: .05 false alarms a month.
A_MINUTE = 0.9 * 0.05 / 100 / (30 * 1440) / 12
#: A stream that has the whole budget of .05 in a month for itself.
ALONE = 0.9 * 0.05 / (30 * 1440)


def live(seed, days, mean):
    """A cycle by day and week, 15 % noise from day to day and 10 % from hour to hour."""
    rng = np.random.default_rng(seed)
    minute = np.arange(days * 1440)
    cycle = 1 + 0.8 * np.sin(2 * np.pi * (minute / 1440 - 0.3))
    week = np.where(minute // 1440 % 7 >= 5, 0.7, 1.0)
    noise = np.repeat(rng.lognormal(0, 0.15, days), 1440) * np.repeat(rng.lognormal(0, 0.1, days * 24), 60)
    return rng.poisson(mean * cycle * week * noise)


def fed(counts, a_minute=A_MINUTE):
    evidence = TrafficEvidence(0)
    for start in range(0, len(counts), 60):
        evidence.update_many(counts[start : start + 60], a_minute * (start + 60))
    return evidence


def delay(evidence, counts, a_minute=A_MINUTE):
    """Minutes until an alarm."""
    assert evidence.take_alarms() == []
    paid = evidence.minute * a_minute
    for number, count in enumerate(counts.tolist(), 1):
        evidence.update_many(np.array([count]), paid + number * a_minute)
        if evidence.take_alarms():
            return number
    return None


@pytest.mark.parametrize("mean", [0.2, 5, 200])
def test_a_week_of_noise_and_cycles_is_quiet(mean):
    for seed in range(2):
        assert fed(live(seed, 7, mean), ALONE).take_alarms() == []


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.2, 2, 50])
def test_two_months_of_noise_and_cycles_are_quiet(mean):
    alarms = [fed(live(seed, 60, mean), ALONE).take_alarms() for seed in range(20)]
    assert sum(map(len, alarms)) <= 3  # .1 each is the budget, 2 in all


@pytest.mark.parametrize(("mean", "days"), [(2, 17), (20, 2), (1_000, 17)])
def test_a_stop_at_the_busiest_hour_is_seen_within_half_an_hour(mean, days):
    counts = live(5, days, mean)
    noon = (days - 1) * 1440 + 13 * 60
    assert 1 <= delay(fed(counts[:noon]), np.zeros(60, np.int64)) <= 28


@pytest.mark.parametrize(("mean", "days"), [(20, 2), (20, 17)])
def test_a_jump_to_five_times_as_much_is_seen_within_half_an_hour(mean, days):
    counts = live(6, days, mean)
    noon = (days - 1) * 1440 + 13 * 60
    assert delay(fed(counts[:noon]), counts[noon:] * 5) <= 30


def test_after_two_weeks_a_stop_at_night_is_told_from_a_night():
    counts = live(7, 17, 20)
    night = 16 * 1440 + 1 * 60
    assert delay(fed(counts[:night]), np.zeros(60, np.int64)) <= 28
    assert delay(fed(counts[:night]), counts[night : night + 60]) is None


def test_bursts_by_the_quarter_of_an_hour_are_normal_where_they_always_were():
    counts = np.zeros(5 * 1440, np.int64)
    counts[::15] = 1_000
    assert fed(counts, ALONE).take_alarms() == []


def test_what_grew_for_good_is_normal_after_a_week():
    steady = np.random.default_rng(8)
    evidence = fed(np.concatenate([steady.poisson(10, 15 * 1440), steady.poisson(60, 8 * 1440)]))
    assert evidence.take_alarms() != []
    assert delay(evidence, steady.poisson(60, 1440)) is None
