"""How often two features agree: built as one would by hand, bet on within the promise."""

import numpy as np
import pytest

from streamgauge.detectors.baseline import build_profile
from streamgauge.detectors.binning import FeatureBinner
from streamgauge.detectors.evidence.bets import odds_bets, rate_bounds
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.pairs import MOST_FEATURES, Halves
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.profile import BaselineProfile
from streamgauge.schemas.profile_rates import RateProfile


def normal(seed, n, features=12, relation=0.0, phi=0.0):
    """Float64 (features, n): the first two are correlated; each depends on its own past by `phi`."""
    x = np.random.default_rng(seed).normal(size=(features, n))
    x[0] = relation * x[1] + np.sqrt(1 - relation**2) * x[0]
    for t in range(1, n if phi else 0):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * x[:, t]
    return x


def named(x):
    return {f"f{row:02}": column for row, column in enumerate(x)}


def sides_of(profile, x, names):
    binner = FeatureBinner(profile.features)
    return Halves(binner, names).sides(binner.bins(named(x)))


def test_a_pair_agrees_where_both_are_on_one_side_of_their_medians():
    x = normal(1, 2_000, 2, 0.6)
    [pair] = build_profile(named(x)).pairs
    above = x > np.median(x, axis=1, keepdims=True)
    assert pair.agree.k == (above[0] == above[1]).sum()
    assert pair.upper == tuple(above.sum(axis=1))
    assert abs(pair.agree.k / 2_000 - (0.5 + np.arcsin(0.6) / np.pi)) < 0.03


def test_rows_that_lack_one_of_both_do_not_count():
    x = normal(1, 2_000, 2, 0.6)
    x[0, ::2] = np.nan
    x[1, 1::4] = np.inf
    [pair] = build_profile(named(x)).pairs
    assert pair.agree.n == 500


def test_of_categories_the_most_common_ones_are_the_lower_half():
    rng = np.random.default_rng(2)
    job = rng.choice(["clerk", "cook", "vet"], 3_000, p=[0.5, 0.3, 0.2])
    size = np.where(job == "clerk", 0.0, 1.0) + rng.normal(size=3_000) / 100
    [pair] = build_profile({"job": Categories.of(job.tolist()), "size": size}).pairs
    assert pair.agree.k > 0.95 * pair.agree.n


@pytest.mark.parametrize(
    "x",
    [
        normal(1, 2_000, 2)[:1],
        normal(1, 400, 3),
        np.stack([normal(1, 2_000, 2)[0], np.full(2_000, 7.0)]),
        np.stack([normal(1, 2_000, 2)[0], np.repeat([0.0, 1.0], 1_000)]),
    ],
    ids=["one feature", "too few rows", "one of them constant", "one of them not stationary"],
)
def test_there_is_no_pair(x):
    assert build_profile(named(x)).pairs == ()


def test_of_many_features_those_that_hang_together_most_are_watched():
    x = normal(1, 2_000, 40)
    x[39] = x[7] + 0.1 * x[39]
    pairs = build_profile(named(x)).pairs
    names = {name for pair in pairs for name in (pair.first, pair.second)}
    assert len(names) == MOST_FEATURES
    assert {"f07", "f39"} <= names
    assert len(pairs) == MOST_FEATURES * (MOST_FEATURES - 1) // 2


def test_pairs_go_through_json_and_are_part_of_the_hash():
    profile = build_profile(named(normal(1, 2_000, 3)))
    assert BaselineProfile.from_json(profile.to_json()).pairs == profile.pairs
    without = profile.to_json()
    del without["pairs"]
    assert BaselineProfile.from_json(without).profile_id != profile.profile_id


@pytest.mark.parametrize(
    "change",
    [
        lambda pair: pair | {"first": "unknown"},
        lambda pair: pair | {"upper": [1, 2, 3]},
        lambda pair: pair | {"upper": [1, 10_000]},
        lambda pair: pair | {"agree": {"k": 0, "n": 0}},
        lambda pair: pair | {"third": "f02"},
        lambda _: None,
    ],
)
def test_a_pair_that_is_none_is_refused(change):
    document = build_profile(named(normal(1, 2_000, 3))).to_json()
    document["pairs"][0] = change(document["pairs"][0])
    with pytest.raises(ValueError, match="not a baseline profile"):
        BaselineProfile.from_json(document)


@pytest.mark.parametrize("k", [0, 1, 250, 500, 700, 999, 1_000])
def test_no_bet_gains_on_average_while_the_rate_is_within_its_bounds(k):
    low, high = rate_bounds(RateProfile(k, 1_000), 1e-6)
    unlike, like = np.exp(odds_bets((low, high), 1.0, (1.3, 2.5))).T
    for rate in np.linspace(low, high, 11):
        assert (rate * like + (1 - rate) * unlike <= 1 + 1e-9).all()


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_unchanged_features_raise_no_alarm(phi):
    """Of 40 models of 12 features, of which two are correlated; paid as one stream that takes .05."""
    alarms = 0
    for seed in range(40):
        x = normal(seed, 15_000, 12, 0.6, phi)
        profile = build_profile(named(x[:, :5_000]))
        evidence = PairEvidence(profile.pairs, 1, 0.05)
        rest = x[:, 5_000:]
        evidence.update_many(
            sides_of(profile, rest, evidence.names), np.arange(10_000), 0.05 * np.arange(10_000) / 1e4
        )
        alarms += bool(evidence.take_alarms())
    assert alarms <= 3


def test_only_the_pair_that_changed_is_named_with_its_sizes():
    profile = build_profile(named(normal(1, 5_000, 12, 0.6)))
    evidence = PairEvidence(profile.pairs, 1, 0.05)
    sides = sides_of(profile, normal(2, 1_000, 12, -0.6), evidence.names)
    evidence.update_many(sides, np.arange(1_000), 4.5e-6 * np.arange(1_000))
    alarm = evidence.take_alarms()[0]
    pair = evidence.pairs[alarm.stream]
    assert (pair.name, alarm.direction, alarm.onset_us) == ("f00 with f01", "down", 0)
    assert abs(alarm.value - 0.295) < 0.15
    assert alarm.size == alarm.value - alarm.baseline


def test_features_that_never_come_do_not_go_together_otherwise_whatever_was_paid_in():
    profile = build_profile(named(normal(0, 5_000, relation=0.8)))
    evidence, n = PairEvidence(profile.pairs, streams=1, alpha=0.05), 500
    assert evidence.pairs
    evidence.update_many(np.zeros((len(evidence.names), n), np.int8), np.arange(n), np.arange(n) / 10)
    assert evidence.take_alarms() == []
