"""A merged profile is that of all the rows: exactly in what is counted, closely in what is binned anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from streamgauge.detectors.baseline import build_profile, categorical_profile, numeric_profile
from streamgauge.detectors.profile_comparison import compare_features
from streamgauge.detectors.profile_merge import merge_profiles, rebinned, whole_counts
from streamgauge.detectors.profile_review import review
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.profile import BaselineProfile, CategoricalProfile, NumericProfile

NUMBERS = st.lists(
    st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.just(float("nan"))),
    min_size=1,
    max_size=120,
)
NAMES = st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=60)


def profile(numbers: list[float], names: "list[str | None] | None" = None) -> BaselineProfile:
    columns = {"x": np.array(numbers)}
    return build_profile({**columns, "c": Categories.of(names)} if names else columns)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_counts_and_moments_of_numbers_are_those_of_all_rows(left: list[float], right: list[float]) -> None:
    merged = merge_profiles(profile(left), profile(right))
    rows = np.array(left + right)
    finite = rows[np.isfinite(rows)]
    assert merged.rows == len(rows)
    if len(finite) == 0:
        assert "x" not in merged.features
        return
    x = merged.features["x"]
    assert isinstance(x, NumericProfile)
    assert (x.n, x.missing.k, x.missing.n) == (len(finite), len(rows) - len(finite), len(rows))
    scale = np.abs(finite).max() + 1e-9
    assert x.mean == pytest.approx(finite.mean(), abs=1e-9 * scale)
    assert x.sd == pytest.approx(finite.std(), abs=1e-6 * scale)
    assert (x.low, x.high) == (finite.min(), finite.max())
    assert BaselineProfile.from_json(merged.to_json()).profile_id == merged.profile_id


@settings(deadline=None)
@given(NAMES, NAMES)
def test_categories_are_counted_as_in_all_rows(left: "list[str | None]", right: "list[str | None]") -> None:
    numbers = [0.0]
    merged = merge_profiles(
        profile(numbers * len(left), left), profile(numbers * len(right), right)
    ).features.get("c")
    whole = categorical_profile(Categories.of(left + right))
    if whole is None:
        assert merged is None
        return
    assert isinstance(merged, CategoricalProfile)
    assert (merged.n, merged.categories, merged.counts) == (whole.n, whole.categories, whole.counts)
    assert (merged.missing.k, merged.missing.n) == (whole.missing.k, whole.missing.n)


@settings(deadline=None)
@given(NUMBERS, NUMBERS, NAMES, NAMES)
def test_the_order_of_merging_does_not_matter(
    left: list[float], right: list[float], one: "list[str | None]", other: "list[str | None]"
) -> None:
    a, b = profile(left, (one * len(left))[: len(left)]), profile(right, (other * len(right))[: len(right)])
    ab, ba = merge_profiles(a, b), merge_profiles(b, a)
    assert ab.features.keys() == ba.features.keys()
    assert ab.features.get("c") == ba.features.get("c")
    if "x" in ab.features:
        x, y = ab.features["x"], ba.features["x"]
        assert isinstance(x, NumericProfile)
        assert isinstance(y, NumericProfile)
        assert (x.edges, x.counts, x.stationary) == (y.edges, y.counts, y.stationary)


def test_bins_with_the_same_edges_are_added_exactly() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, 2_000).astype(float)
    a, b = numeric_profile(values[:1_000]), numeric_profile(values[1_000:])
    whole = numeric_profile(values)
    assert a is not None
    assert b is not None
    assert whole is not None
    assert a.edges == b.edges == whole.edges
    merged = merge_profiles(BaselineProfile(1_000, {"x": a}), BaselineProfile(1_000, {"x": b}))
    x = merged.features["x"]
    assert isinstance(x, NumericProfile)
    assert (x.counts, x.centres) == (whole.counts, whole.centres)


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_what_is_binned_anew_is_within_a_hundredth_of_the_true_shares(shift: float) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=6_000), rng.normal(shift, 1.2 if shift else 1.0, size=4_000)
    x = merge_profiles(profile(a.tolist()), profile(b.tolist())).features["x"]
    assert isinstance(x, NumericProfile)
    rows = np.concatenate([a, b])
    true = np.bincount(np.searchsorted(x.edges, rows, side="left"), minlength=len(x.counts)) / len(rows)
    assert np.abs(np.cumsum(x.counts) / x.n - np.cumsum(true)).max() < 0.01
    assert x.stationary == (shift == 0.0)


def test_a_spike_stays_in_its_bin_when_it_is_binned_anew() -> None:
    rng = np.random.default_rng(2)
    zeros = np.where(rng.random(1_000) < 0.95, 0.0, rng.exponential(size=1_000))
    spiky = numeric_profile(zeros)
    assert spiky is not None
    masses, _ = rebinned(spiky, np.array([-0.5, 0.0, 0.5]))
    assert masses[1] == pytest.approx((zeros == 0).sum())
    assert masses.sum() == pytest.approx(1_000)


@settings(deadline=None)
@given(NUMBERS, st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20, unique=True))
def test_binning_anew_keeps_every_row_and_the_mean(values: list[float], edges: list[float]) -> None:
    found = numeric_profile(np.array(values))
    if found is None:
        return
    masses, sums = rebinned(found, np.array(sorted(edges)))
    assert masses.sum() == pytest.approx(found.n)
    assert masses.min() >= -1e-9
    assert sums.sum() / found.n == pytest.approx(found.mean, rel=1e-6, abs=1e-6)
    assert whole_counts(masses).sum() == found.n


def test_a_feature_of_one_profile_only_was_missing_in_the_other() -> None:
    merged = merge_profiles(build_profile({"x": np.arange(10.0)}), build_profile({"y": np.arange(5.0)}))
    x, y = merged.features["x"], merged.features["y"]
    assert (x.missing.k, x.missing.n, y.missing.k, y.missing.n) == (5, 15, 10, 15)


def test_what_is_of_two_kinds_cannot_be_merged() -> None:
    number, name = build_profile({"x": np.arange(10.0)}), build_profile({"x": Categories.of(["a"] * 10)})
    with pytest.raises(ValueError, match="x is numeric in one profile and categorical in the other"):
        merge_profiles(number, name)
    rate = build_profile({}, Categories.of(["a"]), errors=np.array([0.0, 1.0]))
    size = build_profile({}, np.array([1.0]), errors=np.array([0.5, 1.0]))
    with pytest.raises(ValueError, match="errors"):
        merge_profiles(rate, BaselineProfile(size.rows, errors=size.errors))


def test_rates_of_errors_are_added_and_must_agree() -> None:
    rng = np.random.default_rng(3)
    few, many = ((rng.random(2_000) < p).astype(float) for p in (0.1, 0.3))
    classes = Categories.of(["a"])
    a, b = (build_profile({}, classes, errors=errors) for errors in (few, many))
    merged = merge_profiles(a, b).errors
    assert merged is not None
    assert merged.n == 4_000
    assert not merged.stationary
    assert merge_profiles(a, a).errors.stationary  # type: ignore[union-attr]


def test_a_comparison_puts_what_differs_most_first_and_says_by_how_much() -> None:
    rng = np.random.default_rng(4)
    jobs = rng.choice(["clerk", "cook"], 4_000).tolist()
    others = ["vet" if i % 5 == 0 else job for i, job in enumerate(jobs)]
    a = build_profile({"same": rng.normal(size=4_000), "age": rng.normal(40, 10, 4_000),
                       "job": Categories.of(jobs), "gone": np.arange(4_000.0)})  # fmt: skip
    b = build_profile({"same": rng.normal(size=4_000), "age": rng.normal(45, 10, 4_000),
                       "job": Categories.of(others)})  # fmt: skip
    found = compare_features(dict(a.features), dict(b.features))
    assert [d.name for d in found] == ["gone", "job", "age", "same"]
    gone, job, age, same = found
    assert gone.note == "only in the first profile"
    assert job.moved == "vet"
    assert job.size == pytest.approx(0.2)
    assert job.value("unseen_category_rate") == pytest.approx(0.2)
    assert age.size == pytest.approx(0.5, abs=0.05)
    assert age.value("ks") == pytest.approx(2 * stats.norm.cdf(0.25) - 1, abs=0.04)
    assert age.excess > 1 > same.excess


def test_a_review_says_what_the_reference_is_too_small_or_too_changeable_for() -> None:
    rng = np.random.default_rng(5)
    step = rng.normal(size=4_000) + np.repeat([0.0, 0.5], 2_000)
    many = Categories.of([str(i % 60) for i in range(4_000)])
    found = review(
        build_profile(
            {"step": step, "one": np.ones(4_000), "many": many, "fine": rng.normal(size=4_000)},
            Categories.of(["a"]),
            errors=np.arange(100) % 10 // 9.0,
        )
    )
    assert {(remark.feature, remark.problem) for remark in found} == {
        ("step", "not_stationary"), ("one", "constant"), ("many", "too_many_categories"),
        ("errors", "too_small"),
    }  # fmt: skip
    small = review(build_profile({"x": np.cumsum(rng.normal(size=300))}))
    assert [remark.problem for remark in small] == ["too_small", "too_dependent"]
