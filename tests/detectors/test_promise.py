"""The promise: no bet grows on average while nothing changed, and no more false alarms than were accepted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from streamgauge.detectors.baseline import categorical_profile, numeric_profile
from streamgauge.detectors.evidence.account import ROUND_US, UNPAID, Account
from streamgauge.detectors.evidence.bets import rate_bounds, tail
from streamgauge.detectors.evidence.categorical import CategoricalEvidence
from streamgauge.detectors.evidence.disparity import Band, bets_on
from streamgauge.detectors.evidence.edetector import EDetector
from streamgauge.detectors.evidence.gap import GapEvidence
from streamgauge.detectors.evidence.looks import LOOK
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.evidence.rare import RareEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.evidence.repeats import RepeatEvidence
from streamgauge.detectors.evidence.stakes import Bets
from streamgauge.detectors.evidence.traffic import _BETS, TrafficEvidence
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.estimator import ResidualProfile
from streamgauge.schemas.profile import RateProfile
from streamgauge.schemas.profile_rates import PairProfile

ALPHA, STREAMS = 0.05, 1_000
KINDS = ("normal", "ties", "zeros")


def means(bets: Bets, masses, stream=0):
    """Each watched bet's mean factor where events fall into bins with these masses."""
    watched = bets.weights[stream] > 0
    assert watched.any()
    return masses @ np.exp(bets.table[stream, :, : bets.weights.shape[1]][:, watched])


def assert_fair(of_bets, above=0.0):
    assert (of_bets <= 1 + 1e-9).all()
    assert of_bets.max() > above  # a bet that is lost at every event would be fair, and of no use


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([50, 500, 5_000]), st.sampled_from(KINDS))
def test_numbers(seed, m, kind):
    rng = np.random.default_rng(seed)
    values = {
        "normal": rng.normal(size=m),
        "ties": rng.integers(0, 7, m).astype(float),
        "zeros": np.where(rng.random(m) < 0.05, rng.random(m), 0.0),
    }[kind]
    profile = numeric_profile(values)
    evidence = NumericEvidence([profile], STREAMS, ALPHA)
    if evidence.weight:
        assert_fair(means(evidence.bets, np.array(profile.counts) / profile.n))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2_000), st.sampled_from([0.0, 0.5, 1.0]))
def test_rates_and_what_is_rare_anywhere_within_their_bounds(k, where):
    profile = RateProfile(k, 2_000)
    lower, upper = rate_bounds(profile, tail(ALPHA, 2, STREAMS))
    rate = lower + where * (upper - lower)
    evidence = RateEvidence([profile], STREAMS, ALPHA, up=True, down=True)
    assert_fair(means(evidence.bets, np.array([1 - rate, rate])))
    rare = RareEvidence(profile, STREAMS, ALPHA, "wrong_type")._opened(0.0)
    if rare.weight:
        _, upper = rate_bounds(profile, tail(ALPHA, 1, STREAMS))
        assert_fair(means(rare.bets, np.array([1 - upper, upper])), above=1 - 1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 1.0]))
def test_categories_anywhere_within_their_bounds(seed, where):
    rng = np.random.default_rng(seed)
    drawn = rng.choice(list("abcde"), 3_000, p=[0.4, 0.3, 0.2, 0.08, 0.02])
    profile = categorical_profile(Categories.of(drawn.tolist()))
    evidence = CategoricalEvidence([profile], STREAMS, ALPHA)
    level = tail(ALPHA, 2 * len(profile.design_effects) + 1, STREAMS)
    table = np.exp(evidence.bets.table[0])
    bins = len(table)
    for place, effect in enumerate(profile.design_effects):
        lower, upper = rate_bounds(RateProfile(profile.counts[place], profile.n, effect), level)
        rate = lower + where * (upper - lower)
        mine = slice(4 * place, 4 * place + 4)
        other = bins - 2  # whichever bin an event without this category falls into, its factor is the same
        mean = rate * table[place, mine] ** effect + (1 - rate) * table[other, mine] ** effect
        assert_fair(mean)
    rates = [r for r in profile.novelty if r.n]
    bound = min(rate_bounds(r, level / len(rates))[1] for r in rates)
    first = 4 * len(profile.design_effects)
    new = slice(first, first + 2)
    assert_fair(bound * table[bins - 1, new] + (1 - bound) * table[0, new])


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(2, 16),
    st.floats(0, 0.95).map(lambda width: Band(1.0, width))
    | st.floats(0.05, 1).map(lambda of: Band(1 / of, 0.0)),
    st.sampled_from(["band", "edges"]),
)
def test_groups_that_differ_by_no_more_than_is_tolerated(seed, groups, band, where):
    """Whatever was seen before, however many rows each has: if all rates lie in such a band, anywhere."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2_000, (3, groups)) * rng.integers(0, 2, groups)
    seen = np.stack([rows, rng.binomial(rows, rng.random(groups))]).astype(float)
    n = rng.multinomial(128, rng.dirichlet(np.ones(groups))).astype(float)
    edges, kappa = bets_on(seen, n, band)
    part = rng.random(groups) if where == "band" else rng.integers(0, 2, groups)
    low = rng.random() * (1 - band.width) / band.scale
    high = band.scale * low + band.width
    rates = low + (high - low) * part
    against = np.where(kappa > 0, high, low)
    for p in (rates, *against):
        factors = 1 + (p - edges) * kappa
        assert (factors >= 0.1 - 1e-9).all()
        assert (np.log(factors) @ n <= 1e-9).all()
    # Where the rates that were seen go on, the bets on all of them win.
    rates = np.clip((seen[1] + 1) / (seen[0] + 2), 0.01, 0.99)[0]
    apart = np.abs(kappa[:2] * n).max() > 0.01 and rows.min() > 100
    assert (
        not apart
        or (rates * np.log1p((1 - edges[0]) * kappa[0]) + (1 - rates) * np.log1p(-edges[0] * kappa[0])) @ n
        > 0
    )


@settings(max_examples=20, deadline=None)
@given(st.floats(0.001, 0.95), st.floats(0, 1))
def test_values_that_repeat_no_more_often_than_the_bound_allows(repeats, where):
    """A look is all or nothing: it wins if all of its rows repeat, each as often as the bound allows."""
    profile = RateProfile(int(5_000 * repeats), 5_000)
    evidence = RepeatEvidence([profile], STREAMS, ALPHA)
    _, upper = rate_bounds(profile, tail(ALPHA, 1, STREAMS))
    chance = where * upper
    # The first look of a run has one row less to repeat; those that follow none.
    for rows in (LOOK - 1, LOOK):
        mean = (chance * np.exp(evidence._gain[0])) ** rows
        assert mean <= 1 + 1e-9
    assert not evidence.weight or np.exp(evidence._gain[0]) > 1


@pytest.mark.parametrize("share", [0.9, 0.97])
def test_values_that_repeat_by_chance_win_nothing_on_average(share):
    """By what looks really do to the stakes: a flag that is set in as many rows as the bound allows."""
    rng = np.random.default_rng(4)
    profile = RateProfile(int(5_000 * share), 5_000)
    _, upper = rate_bounds(profile, tail(ALPHA, 1, STREAMS))
    paid, won, looks = 1e-9, [], 3_000
    evidence = RepeatEvidence([profile], STREAMS, ALPHA)
    # Of the value that repeats most; all others differ from each other.
    keys = np.where(rng.random(looks * LOOK) < upper, -1.0, np.arange(looks * LOOK))[None]
    for look in range(looks):
        rows, before = slice(look * LOOK, (look + 1) * LOOK), float(evidence._r[0])
        evidence.update_many(keys[:, rows], np.arange(LOOK), paid * (look + 1))
        won.append(float(evidence._r[0]) / (before + paid))
    error = np.std(won) / np.sqrt(len(won))
    assert 0 < np.mean(won) <= 1 + 3 * error


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5), st.integers(0, 10_000))
def test_predictions_that_are_right_as_often_as_was_expected(expected, seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(len(expected)))
    residuals = ResidualProfile(5_000, 0.0, 0.3, 0.0, 0.3)
    evidence = GapEvidence(np.array(expected), residuals, STREAMS, ALPHA)
    table = evidence.bets.table[0, :, : evidence.bets.weights.shape[1]]
    level = np.minimum((np.array(expected) * 256).astype(int), 255)
    right = np.array(expected)[:, None]
    mean = shares @ (right * np.exp(table[2 * level + 1]) + (1 - right) * np.exp(table[2 * level]))
    assert_fair(mean)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 5_000), st.integers(0, 1), st.floats(0, 1))
def test_minutes_anywhere_within_the_band_of_traffic(an_hour, spread, where):
    evidence = TrafficEvidence(0)
    hours = an_hour + spread * np.arange(24)
    evidence.update_many(np.repeat(hours // 60, 60), 0.0)
    base, scatter = evidence._factors()
    low, high, _ = evidence._normal()
    rate = (low / 2 + where * (2 * high + 10 - low / 2)) / 60
    counts = np.arange(int(rate + 40 * np.sqrt(rate + 1)) + 50)
    masses = stats.poisson(rate).pmf(counts)
    multiples = np.log(np.array(_BETS))
    factors = np.exp((counts[:, None] * multiples - np.array(base)) / scatter)
    assert (masses @ factors <= 1 + 1e-6).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.sampled_from([0.05, 0.5, 0.8]))
def test_pairs_that_agree_as_often_as_the_bounds_allow(where, rate):
    agree = RateProfile(int(2_000 * rate), 2_000)
    evidence = PairEvidence([PairProfile("x", "y", (1_000, 1_000), agree)], STREAMS, ALPHA)
    lower, upper = rate_bounds(agree, tail(ALPHA, 2, STREAMS))
    p = lower + where * (upper - lower)
    like, unlike = evidence._by_row + evidence._by_product, evidence._by_row - evidence._by_product
    assert_fair(p * np.exp(like) + (1 - p) * np.exp(unlike))


@pytest.mark.slow
def test_over_ten_horizons_with_churn_restarts_and_mixed_rates_no_more_alarms_than_were_accepted():
    """α = 5. Nothing changes: events fall into bins as the reference says, and bets are exactly fair.

    Half of the streams live from time to time only, some weigh more, some see hundreds of events while others
    see one, four are copies of one stream, and the worker starts over from its state.
    """
    rng = np.random.default_rng(5)
    streams, alpha, horizon_us, horizons = 60, 5.0, 100 * ROUND_US, 10
    rates = rng.choice([0.2, 1.0, 3.0], streams)  # looks a round
    weights = rng.choice([0.5, 1.0, 4.0], streams)
    p = 0.3
    sizes = np.array([-0.4, -0.2, 0.15, 0.3])
    factors = np.log1p(np.stack([-sizes * p / (1 - p), sizes]))  # mean 1 under p
    account = Account(0.9 * alpha, horizon_us)  # as paid_in does
    account.advance(0)

    def joining(stream):
        share = np.full((1, 4), weights[stream] / 4)
        return EDetector([Bets(factors[None], share, np.zeros((1, 2, 1)), np.zeros(4, int))], UNPAID)

    live = {stream: joining(stream) for stream in range(streams)}
    alarms = np.zeros(horizons)
    for number in range(100 * horizons):
        balance = account.begin_round(weights[list(live)].sum())
        for detector in live.values():
            detector.join(balance)
        paid = account.advance((number + 1) * ROUND_US)
        common = rng.random(3 * LOOK) < p
        for stream, detector in list(live.items()):
            looks = rng.poisson(rates[stream])
            events = common if stream < 4 else rng.random(looks * LOOK) < p
            if len(events):
                detector.update_many(events[None].astype(np.int64), np.arange(len(events)), paid)
            alarms[number // 100] += len(detector.take_crossings())
            if stream >= 30 and rng.random() < 0.05:
                del live[stream]
            elif rng.random() < 0.01:
                state, live[stream] = detector.to_state(), joining(stream)
                live[stream].restore(state)
        for stream in range(30, streams):
            if stream not in live and rng.random() < 0.1:
                live[stream] = joining(stream)
    print(f"\nα = 5, ten horizons: {alarms.mean():.1f} alarms a horizon, {alarms.astype(int).tolist()}")
    assert account.paid_in_all == pytest.approx(0.9 * alpha * horizons, rel=0.02)
    assert alarms.mean() <= 5
    assert alarms.mean() > 1
