"""Every class of detectors/ with a state passes the conformance kit; none may stay away."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import streamgauge.detectors
from streamgauge.detectors import checks
from streamgauge.detectors.baseline import build_profile, categorical_profile
from streamgauge.detectors.binning import bin_count
from streamgauge.detectors.cell_counts import CellCounts
from streamgauge.detectors.checks import Case
from streamgauge.detectors.classification import ConfusionCounts, classification_metrics
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.detectors.evidence.account import Account
from streamgauge.detectors.evidence.categorical import UNSEEN, CategoricalEvidence
from streamgauge.detectors.evidence.disparity import DisparityEvidence
from streamgauge.detectors.evidence.edetector import EDetector
from streamgauge.detectors.evidence.gap import GapEvidence
from streamgauge.detectors.evidence.kinds import JointEvidence
from streamgauge.detectors.evidence.looks import Looks
from streamgauge.detectors.evidence.numeric import NumericEvidence
from streamgauge.detectors.evidence.pairs import PairEvidence
from streamgauge.detectors.evidence.rare import RareEvidence
from streamgauge.detectors.evidence.rates import RateEvidence
from streamgauge.detectors.evidence.repeats import RepeatEvidence
from streamgauge.detectors.evidence.season import Season
from streamgauge.detectors.evidence.stakes import Bets, View
from streamgauge.detectors.evidence.suffixes import Suffixes
from streamgauge.detectors.evidence.traffic import TrafficEvidence
from streamgauge.detectors.exact_sum import ExactSum, ExactSums
from streamgauge.detectors.fairness import GroupCounts, fairness_metrics
from streamgauge.detectors.log_histogram import LogHistogram
from streamgauge.detectors.regression import RegressionErrors
from streamgauge.detectors.river_drift import DETECTORS, RiverDrift
from streamgauge.detectors.score_counts import ScoreCounts
from streamgauge.detectors.scores import ScoreHistogram
from streamgauge.detectors.sparse_counts import SparseCounts
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.estimator import ResidualProfile
from streamgauge.schemas.profile import RateProfile

NASTY = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324, 1.7e308, 2.0**63, -(2.0**63), 1.0]
)
FLAT = np.full(300, 7.0)


def floats(seed, n):
    rng = np.random.default_rng(seed)
    return (rng.lognormal(2, 2, n),)


def matrix(seed, n):
    return (np.random.default_rng(seed).normal(size=(3, n)) * [[1e-200], [1.0], [1e200]],)


def pairs_of_codes(seed, n):
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 4, n).astype(np.int32), rng.integers(-1, 4, n).astype(np.int32)


def scored(seed, n):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return score, rng.random(n) < score


def combinations(seed, n):
    """Few at first, so that they are counted as a table, then too many for one."""
    codes = np.random.default_rng(seed).integers(-1, 60, (2, n))
    codes[:, n // 2 :] *= 16
    return tuple(codes)


def few_scored(seed, n):
    """Scores of which there are not many: who tells all apart has as many as there are."""
    score, positive = scored(seed, n)
    return score.round(2), positive


def pairs_of_numbers(seed, n):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(size=n)


def grouped(seed, n):
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(-1, 4, n).astype(np.int32) for _ in range(3))


def errors(seed, n):
    rng = np.random.default_rng(seed)
    return ((rng.random(n) < np.where(np.arange(n) < n // 2, 0.1, 0.6)).astype(float),)


REFERENCE = np.random.default_rng(99)
PROFILE = build_profile(
    {
        "a": REFERENCE.normal(size=2_000),
        "b": REFERENCE.exponential(size=2_000).round(1),
        "c": Categories.of(REFERENCE.choice(["x", "y", "z"], 2_000).tolist()),
    }
)
NUMBERS = [PROFILE.features["a"], PROFILE.features["b"]]
RATES = [RateProfile(200, 2_000), RateProfile(0, 2_000), RateProfile(20, 2_000, 3.0)]


def columns(seed, n):
    rng = np.random.default_rng(seed)
    a = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    return a, rng.exponential(size=n), rng.integers(-1, 4, n).astype(np.int32)


def feed_columns(counts, a, b, c):
    counts.update_many({"a": a, "b": b, "c": Categories(c, ("x", "y", "z", "new"))})


def take_back_columns(counts, a, b, c):
    columns = {"a": a, "b": b, "c": Categories(c, ("x", "y", "z", "new"))}
    counts.subtract_bins(counts.binner.bins(columns, len(a)))


def moved(seed, n):
    rng = np.random.default_rng(seed)
    values = rng.normal(np.where(np.arange(n) > n // 2, 1.5, 0.0), size=(2, n))
    values[rng.random((2, n)) < 0.05] = np.nan
    return values, np.arange(n) + 1_000_000 * seed


def outcomes(seed, n):
    rng = np.random.default_rng(seed)
    values = (rng.random((3, n)) < np.where(np.arange(n) > n // 2, 0.5, 0.05)).astype(np.int64)
    values[rng.random((3, n)) < 0.05] = -1
    return values, np.arange(n) + 1_000_000 * seed


def places(seed, n):
    rng = np.random.default_rng(seed)
    values = rng.integers(-1, 3, (1, n))
    values[rng.random((1, n)) < 0.2] = UNSEEN
    return values, np.arange(n) + 1_000_000 * seed


def treated(seed, n):
    rng = np.random.default_rng(seed)
    group = rng.integers(-1, 3, n)
    return group, (rng.random(n) < np.where(group == 2, 0.9, 0.3)).astype(np.int64), np.arange(n)


def cells(seed, n):
    return (np.random.default_rng(seed).integers(-1, 40, n),)


def verified(seed, n):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, n), rng.random(n) < np.where(np.arange(n) > n // 2, 0.5, 0.9), np.arange(n)


def halves(seed, n):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (3, n)) * 2 - 1
    x[1] = np.where(rng.random(n) < np.where(np.arange(n) > n // 2, 0.1, 0.7), x[0], x[1])
    x[rng.random((3, n)) < 0.02 * (seed % 2)] = 0
    return x.astype(np.int8), np.arange(n) + 1_000_000 * seed


def pairs():
    a, b, c = np.sign(np.random.default_rng(9).normal(size=(3, 3_000)))
    return PairEvidence(build_profile({"a": a, "b": np.where(c > 0, a, b), "c": c}).pairs, 1, 0.05)


def runs(seed, n):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, (3, n)).astype(float)
    values[0] = np.where(np.arange(n) // 130 % 2, 2.0, values[0])
    values[1] = np.where(rng.random(n) < 0.97, 1.0, values[1])
    values[rng.random((3, n)) < 0.05] = np.nan
    return values, np.arange(n) + 1_000_000 * seed


def repeats():
    return RepeatEvidence([RateProfile(0, 500), RateProfile(900, 1_000), RateProfile(0, 0)], 1, 0.05)


def hours(seed, n):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 22, n), (np.arange(n) + n * seed) * 10_000_000 + rng.integers(0, 10**9, n)


def season():
    return Season(NUMBERS[0], width=22, began_us=None)


MANY = categorical_profile(Categories.of([f"c{i}" for i in REFERENCE.geometric(0.02, 3_000)]))


def crowds(seed, n):
    codes, time_us = hours(seed, n)
    return codes % (bin_count(MANY) + 2), time_us


def crowded():
    """More categories than bins: those beyond share one."""
    return Season(MANY, width=bin_count(MANY) + 2, began_us=None)


def gap():
    residuals = ResidualProfile(5_000, 0.0, 0.35, 0.0, 0.15, 1.5)
    return GapEvidence(np.array([0.9, 0.8]), residuals, streams=1, alpha=0.05)


def times(seed, n):
    return (np.cumsum(np.random.default_rng(seed).integers(0, 10**9, n)) + seed * 10**13,)


def winnings(seed, n):
    return (np.random.default_rng(seed).integers(-20, 20, (6, n)) * 1.0,)


def winning(suffixes, looks):
    if looks.shape[1]:
        suffixes.extend(looks[:3].T, looks[3:5].T, looks[5].astype(np.int64))


def restored(make):
    def restore(state):
        one = make()
        one.restore(state)
        return one

    return restore


def bets():
    factors = np.log(np.array([[[0.9, 0.6], [1.1, 1.4]]] * 3))
    return EDetector(
        [Bets(factors, np.full((3, 2), 0.5), np.tile([[[0.0], [1.0]]], (3, 1, 1)), np.zeros(2, int))], 0.0
    )


def feed_bets(one, *batch):
    one.update_many(*batch, 1e-6)


def suffixes():
    return Suffixes(np.array([[0, 1], [0, 0], [1, 0]]), 2)


def looks():
    return Looks(3, 3)


def take_looks(one, codes, time_us):
    if len(time_us):
        one.take(codes % 3, time_us, np.zeros(len(time_us)))


def joint():
    """Two numbers, and whether each is there."""
    missing = np.array([*np.zeros(20, int), 1])
    views = [View(slice(2), np.array([*range(20), -1])), View(slice(2), missing)]
    return JointEvidence([numeric(), RateEvidence(RATES[:2], 3, 0.05)], views, 2, paid=0.0)


def feed_joint(one, codes, time_us):
    if len(time_us):
        one.take(codes[:2] % 21, time_us, np.full(len(time_us), 1e-6))


def numeric():
    return NumericEvidence(NUMBERS, streams=2, alpha=0.05)


def rates():
    return RateEvidence(RATES, streams=3, alpha=0.05, up=True, down=True)


def categorical():
    return CategoricalEvidence([PROFILE.features["c"]], streams=1, alpha=0.05)


def feed(one, *batch):
    one.update_many(*batch)


def take_back(one, *batch):
    one.subtract_many(*batch)


def minutes(seed, n):
    rng = np.random.default_rng(seed)
    return (np.where(rng.random(n) < 0.01, 400, rng.poisson(8, n)),)


def hits(seed, n):
    rng = np.random.default_rng(seed)
    return (rng.random(n) < np.where(np.arange(n) > n // 2, 0.3, 0.002)).astype(np.int64), np.arange(n)


def rare():
    return RareEvidence(RateProfile(0, 2_000), 1, 0.05, "wrong_type")


def feed_paid(one, *batch):
    one.update_many(*batch, 1e-6)


def advance(account, time_us):
    for now in time_us.tolist():
        account.advance(now)


def read_metrics(one):
    for estimate in one.metrics().values():
        estimates = estimate.values() if isinstance(estimate, dict) else [estimate]
        for e in estimates:
            assert all(x is None or np.isfinite(x) for x in (e.value, e.low, e.high))


def feed_groups(counts, group, true, pred):
    counts.update_predictions(group, pred)
    counts.update_labels(group, true, pred)


CODES = np.array([-1, 0, 3, -(2**31)], np.int32)
CASES = [
    Case("LogHistogram", LogHistogram, LogHistogram.from_state, floats, feed, take_back, True,
         [(NASTY,), (FLAT,)], lambda one: one.estimate(0.5)),
    Case("ExactSum", ExactSum, ExactSum.from_state, floats, feed, take_back, True,
         [(NASTY,), (FLAT,)], lambda one: one.value()),
    Case("ExactSums", lambda: ExactSums(3), ExactSums.from_state, matrix, feed, take_back, True,
         [(np.tile(NASTY, (3, 1)),)], lambda one: one.values()),
    Case("ConfusionCounts", ConfusionCounts, ConfusionCounts.from_state, pairs_of_codes, feed, take_back,
         True,
         [(CODES, CODES[::-1])], lambda one: classification_metrics(*one.named("abcd"), "a")),
    Case("ScoreHistogram", ScoreHistogram, ScoreHistogram.from_state, scored, feed, take_back, True,
         [(NASTY, NASTY > 0), (np.ones(300), np.ones(300, bool))], read_metrics),
    Case("ScoreHistogram exact", lambda: ScoreHistogram(exact=True), ScoreHistogram.from_state, few_scored,
         feed, take_back, True,
         [(NASTY, NASTY > 0), (np.ones(300), np.ones(300, bool))], read_metrics),
    Case("ScoreCounts", ScoreCounts, ScoreCounts.from_state, scored, feed, take_back, True,
         [(np.array([0.0, -0.0, 5e-324, 1.0]), np.array([True, False, True, False]))],
         lambda one: one.by_outcome()),
    Case("SparseCounts", SparseCounts, SparseCounts.from_state, combinations,
         lambda one, *codes: one.add_codes(codes, 1), lambda one, *codes: one.add_codes(codes, -1), True,
         [(np.array([-1, 999, -(2**31)]), np.array([999, 999, 0]))], lambda one: (one.n, one.codes(2))),
    Case("RegressionErrors", RegressionErrors, RegressionErrors.from_state, pairs_of_numbers, feed, take_back,
         True, [(NASTY, NASTY[::-1]), (FLAT, FLAT)], read_metrics),
    Case("GroupCounts", GroupCounts, GroupCounts.from_state, grouped, feed_groups, None, True,
         [(CODES, CODES, CODES)], lambda one: fairness_metrics(one, list("abcd"), list("wxyz"), "w", 1)),
    Case("FeatureCounts", lambda: FeatureCounts(PROFILE), lambda s: FeatureCounts.from_state(s, PROFILE),
         columns, feed_columns, take_back_columns, True,
         [(NASTY, NASTY[::-1], np.full(len(NASTY), -1, np.int32))],
         lambda one: [read_metrics(one)]),
    Case("CellCounts", CellCounts, CellCounts.from_state, cells, feed, None, True,
         [(np.array([-1, -1, 3]),)], lambda one: one.n),
    Case("GapEvidence", gap, restored(gap), verified, feed_paid, None, False,
         [(np.ones(300, np.int64), np.zeros(300, np.bool_), np.arange(300))], lambda one: one.evidence),
    Case("RiverDrift", lambda: RiverDrift("adwin"), RiverDrift.from_state, errors, feed, None, False,
         [(NASTY[:3],), (FLAT,)]),
    *(Case(f"RiverDrift {name}", lambda name=name: RiverDrift(name), RiverDrift.from_state, errors, feed)
      for name in DETECTORS if name != "adwin"),
    Case("Account", lambda: Account(0.05, 10**12, 7.0), lambda s: Account.from_state(s, 0.05, 10**12), times,
         advance),
    Case("EDetector", bets, restored(bets), outcomes, feed_bets, None, False,
         [(np.full((3, 2), 2**62), np.array([2**62, -(2**62)]))], lambda one: one.evidence),
    Case("Suffixes", suffixes, restored(suffixes), winnings, winning),
    Case("Looks", looks, restored(looks), outcomes, take_looks),
    Case("JointEvidence", joint, restored(joint), outcomes, feed_joint),
    Case("NumericEvidence", numeric, restored(numeric), moved, feed_paid, None, False,
         [(np.tile(NASTY, (2, 1)), np.arange(len(NASTY))), (np.tile(FLAT, (2, 1)), np.arange(300))],
         lambda one: one.evidence),
    Case("RateEvidence", rates, restored(rates), outcomes, feed_paid, None, False,
         [(np.ones((3, 300), np.int64), np.arange(300)), (np.zeros((3, 300), np.int64), np.arange(300))],
         lambda one: one.evidence),
    Case("CategoricalEvidence", categorical, restored(categorical), places, feed_paid, None, False,
         [(np.full((1, 300), 999), np.arange(300))], lambda one: one.evidence),
    Case("DisparityEvidence", lambda: DisparityEvidence(0.1), lambda s: DisparityEvidence.from_state(s, 0.1),
         treated, feed_paid, None, False, [(np.array([500, -1]), np.array([1, -1]), np.array([0, 2**62]))],
         lambda one: one.evidence),
]  # fmt: skip
CASES.append(
    Case("TrafficEvidence", lambda: TrafficEvidence(59), TrafficEvidence.from_state, minutes, feed_paid, None,
         False, [(np.zeros(3_000, np.int64),), (np.full(3_000, 10**9),)], lambda one: one.evidence)
)  # fmt: skip
CASES.append(
    Case("RareEvidence", rare, restored(rare), hits, feed_paid, None, False,
         [(np.ones(300, np.int64), np.arange(300)), (np.zeros(3_000, np.int64), np.arange(3_000))])
)  # fmt: skip
CASES.append(
    Case("PairEvidence", pairs, restored(pairs), halves, feed_paid, None, False,
         [(np.zeros((3, 300), np.int8), np.arange(300)), (np.ones((3, 300), np.int8), np.arange(300))],
         lambda one: (one.evidence, one.strongest))
)  # fmt: skip
CASES.append(
    Case("RepeatEvidence", repeats, restored(repeats), runs, feed_paid, None, False,
         [(np.tile(NASTY, (3, 1)), np.arange(len(NASTY))), (np.tile(FLAT, (3, 1)), np.arange(300)),
          (np.full((3, 200), np.nan), np.arange(200)), (np.full((3, 200), np.inf), np.arange(200))],
         lambda one: one.explains(0, 50))
)  # fmt: skip
CASES.append(
    Case("Season", season, restored(season), hours, feed, None, False,
         [(np.full(300, 21), np.arange(300)), (np.zeros(3, np.int64), np.array([0, 2**60, -(2**60)]))],
         lambda one: one.is_usual(0, 0.1, 50))
)  # fmt: skip
CASES.append(
    Case("Season of many categories", crowded, restored(crowded), crowds, feed, None, False, [],
         lambda one: one.is_usual(0, 0.1, 50))
)  # fmt: skip
IDS = [case.name for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_restored_one_goes_on_as_if_never_interrupted(case, seed):
    checks.check_a_restored_one_goes_on_as_if_never_interrupted(case, seed)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_any_split_into_batches_gives_the_same(case, seed):
    checks.check_any_split_into_batches_gives_the_same(case, seed)


@pytest.mark.parametrize("case", [c for c in CASES if c.merges], ids=[c.name for c in CASES if c.merges])
def test_merging_is_having_seen_both(case):
    checks.check_merging_is_having_seen_both(case, 1)


@pytest.mark.parametrize("case", [c for c in CASES if c.subtract], ids=[c.name for c in CASES if c.subtract])
def test_what_is_subtracted_leaves_no_trace(case):
    checks.check_what_is_subtracted_leaves_no_trace(case, 1)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_hostile_values_poison_nothing(case):
    checks.check_hostile_values_poison_nothing(case, 1)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_its_size_is_bounded(case):
    n = 200 if case.name.endswith("kswin") else 10_000  # it takes most of a millisecond for each
    checks.check_its_size_is_bounded(case, 1, n)


def test_every_class_with_a_state_is_enrolled():
    enrolled = {case.name.split()[0] for case in CASES}
    found = set()
    for module in pkgutil.walk_packages(streamgauge.detectors.__path__, "streamgauge.detectors."):
        for name, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            stateful = hasattr(member, "to_state") and not inspect.isabstract(member)
            if stateful and member.__module__ == module.name:
                found.add(name)
    assert found == enrolled


def test_the_kit_tells_states_apart_that_differ_in_one_bit():
    assert checks.same({"a": [np.array([0.1])]}, {"a": [np.array([0.1])]})
    assert not checks.same({"a": np.array([0.1])}, {"a": np.array([np.nextafter(0.1, 1)])})
    assert not checks.same([0.0], [-0.0])
    assert not checks.same([1], [1.0])
    assert not checks.is_plain({"a": object()})
    assert not checks.is_plain([1 << 63])
