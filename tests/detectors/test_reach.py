"""The smallest change that is said to be seen within 1,000 events is, about every second time."""

import numpy as np
import pytest

from streamgauge.detectors.baseline import categorical_profile, numeric_profile
from streamgauge.detectors.evidence.categorical import CategoricalEvidence
from streamgauge.detectors.evidence.disparity import DisparityEvidence
from streamgauge.detectors.evidence.gap import GapEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.evidence.reach import (
    least_agreement,
    least_gap,
    least_jump,
    least_minutes,
    least_rate,
    least_ratio,
    least_share,
    least_shift,
    least_shortfall,
)
from streamgauge.detectors.evidence.traffic import TrafficEvidence
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.estimator import ResidualProfile
from streamgauge.schemas.profile import RateProfile
from streamgauge.schemas.profile_rates import PairProfile

STREAMS, EVENTS = 60, 1_000
AT = np.arange(EVENTS)
#: .05 false alarms in 10,000 events of one stream, and in a month of 100,000 events of each of a thousand.
BUDGETS = {"single": (1, 0.045 / 10_000), "fleet": (1_000, 0.045 / 10**8)}


def seen(evidence, values, paid):
    """The share of the streams that alarm."""
    for start in range(0, EVENTS, 50):
        rows = slice(start, start + 50)
        evidence.update_many(values[:, rows], np.arange(start, start + 50), paid * (start + 50))
    return len({alarm.stream for alarm in evidence.take_alarms()}) / STREAMS


@pytest.mark.parametrize("budget", BUDGETS)
def test_numbers_that_move_or_widen(budget):
    fleet, paid = BUDGETS[budget]
    rng = np.random.default_rng(1)
    profile = numeric_profile(rng.normal(size=5_000))

    def share(shift, ratio):
        evidence = NumericEvidence([profile] * STREAMS, fleet, 0.05)
        return seen(evidence, rng.normal(size=(STREAMS, EVENTS)) * ratio + shift, paid)

    bets = NumericEvidence([profile], fleet, 0.05).bets
    shift, ratio = (least(profile, bets, 0, paid) for least in (least_shift, least_ratio))
    assert 0.1 < shift < 0.6
    assert 1.1 < ratio < 1.6
    for size, widened in ((shift, 1.0), (0.0, ratio)):
        assert 0.15 <= share(size, widened) <= 0.9
        assert share(1.5 * size, 1 + 1.5 * (widened - 1)) >= 0.95
        assert share(0.5 * size, 1 + 0.5 * (widened - 1)) <= 0.1


@pytest.mark.parametrize("budget", BUDGETS)
def test_rates_and_shares_that_grow(budget):
    fleet, paid = BUDGETS[budget]
    rng = np.random.default_rng(2)
    rate = RateProfile(500, 5_000)
    bets = RateEvidence([rate], fleet, 0.05).bets
    least = least_rate(rate, bets, 0, paid)
    letters = rng.permutation(["a"] * 3_000 + ["b"] * 2_000)
    category = categorical_profile(Categories.of(letters.tolist()))
    kind = CategoricalEvidence([category], fleet, 0.05)
    shares = np.pad(np.array([0.6, 0.4]), (0, kind.bets.log_factors.shape[1] - 2))
    largest = least_share(shares, 0, kind.bets, 0, paid)

    def of_rates(p):
        outcomes = (rng.random((STREAMS, EVENTS)) < p).astype(np.int64)
        return seen(RateEvidence([rate] * STREAMS, fleet, 0.05), outcomes, paid)

    def of_shares(p):
        codes = (rng.random((STREAMS, EVENTS)) >= p).astype(np.int64)
        return seen(CategoricalEvidence([category] * STREAMS, fleet, 0.05), codes, paid)

    for share, before, after in ((of_rates, 0.1, least), (of_shares, 0.6, largest)):
        assert before + 0.02 < after < before + 0.2
        assert 0.15 <= share(after) <= 0.9
        assert share(after + 0.5 * (after - before)) >= 0.95
        assert share(after - 0.5 * (after - before)) <= 0.1


def test_what_is_never_paid_sees_nothing():
    profile = numeric_profile(np.random.default_rng(3).normal(size=1_000))
    bets = NumericEvidence([profile], 1, 0.05).bets
    assert least_shift(profile, bets, 0, 0.0) is None


def alarmed(make, feed):
    """The share of 40 like streams that alarm."""
    found = 0
    for _ in range(40):
        evidence = make()
        feed(evidence)
        found += bool(evidence.take_alarms())
    return found / 40


def assert_about_every_second_time(share, least):
    assert share(0.5 * least) <= 0.1
    assert 0.15 <= share(least) <= 0.95
    assert share(1.5 * least) >= 0.95


@pytest.mark.parametrize("budget", BUDGETS)
def test_outcomes_that_fall_short_of_what_was_expected(budget):
    fleet, paid = BUDGETS[budget]
    rng = np.random.default_rng(3)
    residuals = ResidualProfile(5_000, mean=0.0, sd=0.3, sure_mean=0.0, sure_sd=0.16)

    def make():
        return GapEvidence(np.array([0.9]), residuals, fleet, 0.05)

    def share(gap):
        def feed(one):
            good = rng.random(EVENTS) < 0.9 - gap
            one.update_many(np.zeros(EVENTS, int), good, AT, paid * (AT + 1))

        return alarmed(make, feed)

    assert_about_every_second_time(share, least_shortfall(make(), paid))


@pytest.mark.parametrize("budget", BUDGETS)
def test_groups_that_come_apart(budget):
    _, paid = BUDGETS[budget]
    rng = np.random.default_rng(4)
    calm = DisparityEvidence(0.1)
    group = rng.integers(0, 3, 20_000)
    calm.update_many(group, (rng.random(20_000) < 0.4).astype(np.int64), np.arange(20_000), 0.0)
    low, high = np.argsort(-calm.rates[0], kind="stable")[:2]

    def share(gap):
        rates = np.full(3, 0.4)
        rates[[low, high]] += -gap / 2, gap / 2

        def feed(one):
            groups = rng.integers(0, 3, EVENTS)
            one.update_many(
                groups, (rng.random(EVENTS) < rates[groups]).astype(np.int64), AT, paid * (AT + 1)
            )

        return alarmed(lambda: DisparityEvidence.from_state(calm.to_state(), 0.1), feed)

    assert_about_every_second_time(share, least_gap(calm, paid))
    assert least_gap(DisparityEvidence(0.99), paid) is None


@pytest.mark.parametrize("budget", BUDGETS)
def test_pairs_that_agree_more_often(budget):
    fleet, paid = BUDGETS[budget]
    rng = np.random.default_rng(5)
    agree = RateProfile(2_500, 5_000)
    pairs = [PairProfile("x", "y", (2_500, 2_500), agree), PairProfile("x", "z", (2_500, 2_500), agree)]

    def make():
        return PairEvidence(pairs, fleet, 0.05)

    def share(change):
        def feed(one):
            x, z = rng.choice([-1, 1], (2, EVENTS))
            y = np.where(rng.random(EVENTS) < 0.5 + change, x, -x)
            one.update_many(np.stack([x, y, z]).astype(np.int8), AT, paid * (AT + 1))

        return alarmed(make, feed)

    assert_about_every_second_time(share, least_agreement(make(), 0, paid))


@pytest.mark.parametrize("budget", BUDGETS)
def test_traffic_that_stops_or_jumps(budget):
    paid = 100 * BUDGETS[budget][1]
    rng = np.random.default_rng(6)
    calm = TrafficEvidence(0)
    calm.update_many(rng.poisson(100, 25 * 60), 0.0)

    def share(rate, minutes):
        def feed(one):
            for minute in range(minutes):
                one.update_many(rng.poisson(rate, 1), paid * (minute + 1))

        return alarmed(lambda: TrafficEvidence.from_state(calm.to_state()), feed)

    stop, jump = least_minutes(calm, paid), least_jump(calm, paid, 10)
    assert share(0, stop) == 1.0
    assert stop == 1 or share(0, stop - 1) == 0.0
    assert 2 < jump / calm.normal[2] < 3
    assert share(0.9 * jump, 10) <= 0.2 <= share(jump, 10)
    assert share(1.1 * jump, 10) >= 0.9
