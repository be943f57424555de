"""Window counts against a baseline, and distances against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from streamgauge.detectors.baseline import build_profile
from streamgauge.detectors.binning import FeatureBinner
from streamgauge.detectors.distances import FeatureCounts
from streamgauge.detectors.divergence import chi2, js_distance, ks, psi, shares, wasserstein
from streamgauge.schemas.batch import Categories

COUNTS = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any).map(np.array)


@given(COUNTS, COUNTS)
def test_distances_of_counts_are_those_of_scipy(reference, counts):
    p, q = reference / reference.sum(), counts / counts.sum()
    expected = jensenshannon(p, q, base=2)
    assert js_distance(p, q) == pytest.approx(np.nan_to_num(expected), abs=1e-7)
    positions = np.arange(4.0)
    assert wasserstein(positions, reference, positions, counts) == pytest.approx(
        stats.wasserstein_distance(positions, positions, p, q), abs=1e-12
    )
    x, y = np.repeat(positions, reference), np.repeat(positions, counts)
    assert ks(reference, counts) == pytest.approx(stats.ks_2samp(x, y).statistic, abs=1e-12)
    used = (reference + counts) > 0
    if used.sum() > 1:
        table = np.stack([reference[used], counts[used]])
        statistic = stats.chi2_contingency(table, correction=False).statistic
        assert chi2(reference, counts) == pytest.approx(statistic / (used.sum() - 1), abs=1e-9)


def test_psi_of_windows_without_drift_stays_below_its_noise_level_in_95_percent():
    rng = np.random.default_rng(1)
    below = 0
    for _ in range(400):
        reference, counts = rng.multinomial(5_000, [0.1] * 10), rng.multinomial(500, [0.1] * 10)
        noise = (1 / 500 + 1 / 5_000) * stats.chi2.ppf(0.95, 9)
        below += psi(shares(reference), shares(counts)) <= noise
    assert 0.91 <= below / 400 <= 0.98


@pytest.fixture(scope="module")
def profile():
    rng = np.random.default_rng(2)
    return build_profile(
        {"x": rng.normal(10, 2, 5_000), "c": Categories.of(rng.choice(["a", "b"], 5_000).tolist())},
        ranges={"x": (0, 20)},
    )


def test_a_unit_change_is_as_far_as_it_is(profile):
    counts = FeatureCounts(profile)
    values = np.random.default_rng(3).normal(10, 2, 2_000) * 1_000
    counts.update_many({"x": values, "c": Categories.of(["a"] * 2_000)})
    x = counts.metrics()["x"]
    sd = profile.features["x"].sd
    assert x["wasserstein"].value == pytest.approx((values.mean() - 10) / sd, rel=0.01)
    assert x["out_of_range_rate"].value == 1.0
    assert x["ks"].value > 0.9
    assert x["psi"].value > x["psi_noise_level"].value


def test_small_drift_is_measured_as_scipy_does_from_the_rows(profile):
    rng = np.random.default_rng(4)
    values = rng.normal(10.6, 2.2, 5_000)
    counts = FeatureCounts(profile)
    counts.update_many({"x": values})
    reference = np.random.default_rng(2).normal(10, 2, 5_000)
    expected = stats.wasserstein_distance(reference, values) / profile.features["x"].sd
    got = counts.metrics()["x"]
    assert got["wasserstein"].value == pytest.approx(expected, abs=0.03)
    assert got["ks"].value == pytest.approx(stats.ks_2samp(reference, values).statistic, abs=0.02)


def test_missing_unseen_and_mistyped_values_are_counted_as_such(profile):
    counts = FeatureCounts(profile)
    counts.update_many({"x": np.array([np.nan, 10.0, 30.0, 10.0]), "c": Categories.of(["a", "z", None, "b"])})
    counts.update_many({"x": Categories.of(["ten"]), "c": np.array([1.0])})
    counts.update_many({}, n=2)
    metrics = counts.metrics()
    assert metrics["x"]["missing_rate"].value == pytest.approx(4 / 7)
    assert (metrics["x"]["wrong_type_rate"].value, metrics["x"]["wrong_type_rate"].n) == (1 / 4, 4)
    assert (metrics["c"]["wrong_type_rate"].value, metrics["c"]["wrong_type_rate"].n) == (1 / 4, 4)
    assert metrics["x"]["out_of_range_rate"].value == pytest.approx(1 / 3)
    assert metrics["c"]["missing_rate"].value == pytest.approx(4 / 7)
    assert metrics["c"]["unseen_category_rate"].value == pytest.approx(1 / 3)


@pytest.mark.parametrize("events", [3, 40, 500])
def test_a_feature_has_the_same_distances_alone_as_among_others_to_the_bit(events):
    rng = np.random.default_rng(events)

    def drawn(n):
        numbers = {f"x{i}": rng.normal(size=n).round(i % 3 + 1) for i in range(6)} | {"flat": np.ones(n)}
        words = {f"c{k}": Categories(rng.integers(0, k, n).astype(np.int32), NAMES[:k]) for k in KINDS}
        return numbers | words

    profile = build_profile(drawn(1_000))
    window = drawn(events) | {"c7": Categories.of(["new"] * events)}
    together = FeatureCounts(profile)
    together.update_many(window)
    for name, metrics in together.metrics().items():
        alone = FeatureCounts(FeatureBinner({name: profile.features[name]}))
        alone.update_many({name: window[name]})
        assert alone.metrics()[name] == metrics


KINDS, NAMES = (1, 2, 3, 6, 7, 8, 15, 16, 60), tuple(f"v{i}" for i in range(60))


def test_a_window_without_values_has_rates_and_no_distances(profile):
    counts = FeatureCounts(profile)
    counts.update_many({"x": np.array([np.nan]), "c": Categories.of([None])})
    assert set(counts.metrics()["x"]) == {"missing_rate", "out_of_range_rate", "wrong_type_rate"}
    assert counts.metrics()["x"]["out_of_range_rate"].value is None


def test_bins_of_some_events_are_the_bins_of_those_events(profile):
    binner = FeatureBinner(profile.features)
    features = {"x": np.array([8.0, np.nan, 11.0, 50.0]), "c": Categories.of(["b", "a", None, "q"])}
    mask = np.array([True, False, True, True])
    part = {"x": features["x"][mask], "c": Categories(features["c"].codes[mask], features["c"].values)}
    taken, direct = binner.bins(features).take(mask), binner.bins(part)
    for name in ("codes", "outside", "z"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(direct, name))


def test_the_fifty_most_common_categories_have_bins_and_the_others_share_one():
    names = [f"c{i:03}" for i in range(80) for _ in range(81 - i)]
    profile = build_profile({"c": Categories.of(names)})
    binner = FeatureBinner(profile.features)
    assert binner.width == 53
    codes = binner.bins({"c": Categories.of(["c000", "c049", "c050", "c079", "new", None])}).codes[0]
    assert codes.tolist() == [0, 49, 50, 50, 51, 52]
