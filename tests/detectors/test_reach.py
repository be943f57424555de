"""The smallest change that is said to be seen within 1,000 events is, about every second time."""

import numpy as np
import pytest

from streamgauge.detectors.baseline import categorical_profile, numeric_profile
from streamgauge.detectors.evidence.categorical import CategoricalEvidence
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.evidence.reach import least_rate, least_ratio, least_share, least_shift
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.profile import RateProfile

STREAMS, EVENTS = 60, 1_000
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
