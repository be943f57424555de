"""Profiles: built from rows, holding no rows, the same after a round trip."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.detectors.baseline import (
    NUMERIC_BINS,
    build_profile,
    categorical_profile,
    numeric_profile,
    rank_scores,
    rate_profile,
)
from streamgauge.detectors.dependence import design_effect, halves_agree
from streamgauge.detectors.profile_review import review
from streamgauge.schemas.batch import Categories
from streamgauge.schemas.profile import BaselineProfile, CategoricalProfile, NumericProfile


def full_profile():
    rng = np.random.default_rng(0)
    job = Categories.of([None if v == "-" else v for v in rng.choice(["a", "b", "-"], 1_000).tolist()])
    return build_profile(
        {"age": rng.normal(40, 10, 1_000), "job": job, "empty": np.full(1_000, np.nan)},
        prediction=Categories.of(rng.choice(["yes", "no"], 1_000).tolist()),
        score=rng.random(1_000),
        errors=(rng.random(700) < 0.1).astype(float),
        ranges={"age": (18, None)},
    )


def test_a_profile_comes_back_from_its_json_with_the_same_id():
    profile = full_profile()
    text = json.dumps(profile.to_json(), allow_nan=False)
    again = BaselineProfile.from_json(json.loads(text))
    assert again.profile_id == profile.profile_id
    assert (again.features, again.prediction, again.score, again.errors) == (
        dict(profile.features), profile.prediction, profile.score, profile.errors,
    )  # fmt: skip


def test_the_id_follows_the_content_and_not_the_order_of_features():
    profile = full_profile()
    turned = BaselineProfile(
        profile.rows,
        dict(reversed(profile.features.items())),
        profile.prediction,
        profile.score,
        profile.errors,
        pairs=profile.pairs,
    )
    assert turned.profile_id == profile.profile_id
    assert BaselineProfile(profile.rows + 1).profile_id != BaselineProfile(profile.rows).profile_id


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.update(schema=99),
        lambda d: d.pop("rows"),
        lambda d: d.update(features=[1]),
        lambda d: d["features"]["age"].update(kind="text"),
        lambda d: d["features"]["age"].pop("edges"),
        lambda d: d["features"]["age"].update(surprise=1),
        lambda d: d.update(score=d["features"]["job"]),
        lambda d: d["features"]["age"]["counts"].pop(),
        lambda d: d["features"]["age"]["edges"].reverse(),
        lambda d: d["features"]["age"].update(mean=float("nan")),
        lambda d: d["features"]["age"].update(sd="wide"),
        lambda d: d["features"]["job"]["categories"].append("c"),
        lambda d: d["features"]["job"].update(counts=[-1, 1001]),
        lambda d: d["errors"].update(k=701),
        lambda d: d["errors"].update(design_effect=0.5),
    ],
)
def test_what_is_no_profile_is_refused_with_a_value_error(damage):
    document = full_profile().to_json()
    damage(document)
    with pytest.raises(ValueError, match=r"profile|score|schema"):
        BaselineProfile.from_json(document)


def test_kinds_ranges_and_missing_values_are_as_they_were_in_the_rows():
    profile = full_profile()
    age, job = profile.features["age"], profile.features["job"]
    assert isinstance(age, NumericProfile)
    assert isinstance(job, CategoricalProfile)
    assert "empty" not in profile.features
    assert (age.low, age.high) == (18.0, pytest.approx(age.centres[-1], abs=30))
    assert set(job.categories) == {"a", "b"}
    assert job.missing.k + job.n == 1_000
    assert profile.errors.n == 700


NUMBERS = st.lists(
    st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=True, allow_infinity=True)),
    min_size=1,
    max_size=200,
)


@settings(deadline=None)
@given(NUMBERS)
def test_bins_hold_what_really_fell_into_them(values):
    array = np.array(values)
    profile = numeric_profile(array)
    finite = array[np.isfinite(array)]
    if len(finite) == 0:
        assert profile is None
        return
    assert profile.n == len(finite) == sum(profile.counts)
    assert min(profile.counts) > 0
    assert len(profile.counts) <= NUMERIC_BINS
    assert list(profile.edges) == sorted(set(profile.edges))
    assert np.isfinite([profile.mean, profile.sd, *profile.centres, profile.low, profile.high]).all()
    location, spread = rank_scores(np.array(profile.counts))
    masses = np.array(profile.counts) / profile.n
    assert abs(masses @ location) < 1e-12
    assert abs(masses @ spread) < 1e-12
    json.dumps(BaselineProfile(1, {"x": profile}).to_json(), allow_nan=False)


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=100))
def test_categories_are_counted_and_ranked_and_novelty_is_what_earlier_rows_lack(names):
    profile = categorical_profile(Categories.of(names))
    present = [name for name in names if name is not None]
    if not present:
        assert profile is None
        return
    assert dict(zip(profile.categories, profile.counts, strict=True)) == {
        n: present.count(n) for n in present
    }
    assert list(profile.counts) == sorted(profile.counts, reverse=True)
    for share, novelty in zip((0.2, 0.5, 0.8), profile.novelty, strict=True):
        cut = round(share * len(present))
        assert novelty.n == len(present) - cut
        assert novelty.k == sum(name not in present[:cut] for name in present[cut:])


def test_a_profile_holds_no_rows():
    rng = np.random.default_rng(1)
    small, large = (
        build_profile({"x": rng.normal(size=n), "c": Categories.of(rng.choice(["a", "b"], n).tolist())})
        for n in (1_000, 50_000)
    )
    assert len(json.dumps(large.to_json())) < 1.1 * len(json.dumps(small.to_json()))


@pytest.mark.slow
@pytest.mark.parametrize(("phi", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.9, 19.0), (-0.5, 1.0)])
def test_design_effects_are_those_of_the_autoregression(phi, expected):
    rng = np.random.default_rng(2)
    effects = []
    for _ in range(20):
        noise = rng.normal(size=20_000)
        values = np.empty_like(noise)
        values[0] = noise[0]
        for t in range(1, len(noise)):
            values[t] = phi * values[t - 1] + noise[t]
        effects.append(design_effect(values))
    assert np.median(effects) == pytest.approx(expected, rel=0.1)


def test_a_random_walk_and_a_step_are_not_stationary():
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(size=5_000))
    assert not halves_agree(walk, design_effect(walk))
    step = rng.normal(size=5_000) + np.repeat([0.0, 0.5], 2_500)
    assert not numeric_profile(step).stationary
    assert numeric_profile(rng.normal(size=5_000)).stationary
    assert not rate_profile((rng.random(5_000) < np.repeat([0.1, 0.3], 2_500)).astype(float)).stationary


@pytest.mark.parametrize(
    ("n", "height", "at", "problem"),
    [
        (600, 1.0, 0.5, "not_stationary"),
        (600, 2.0, 0.75, "not_stationary"),
        (2_000, 0.5, 0.5, "not_stationary"),
    ],
)
def test_a_level_that_jumps_in_a_small_reference_is_told_as_that_and_not_as_dependence(
    n, height, at, problem
):
    rng = np.random.default_rng(6)
    for _ in range(10):
        values = rng.normal(size=n) + height * (np.arange(n) >= at * n)
        assert [r.problem for r in review(build_profile({"x": values})) if r.feature == "x"] == [problem]


@pytest.mark.parametrize("phi", [0.5, 0.9, 1.0])
def test_events_that_really_depend_are_not_taken_for_a_jump(phi):
    rng = np.random.default_rng(7)
    for _ in range(10):
        values = rng.normal(size=600)
        for t in range(1, len(values)):
            values[t] += phi * values[t - 1]
        assert [r.problem for r in review(build_profile({"x": values})) if r.feature == "x"] == [
            "too_dependent"
        ]


def test_a_constant_has_one_bin_and_no_spread():
    profile = numeric_profile(np.full(500, 3.0))
    assert (profile.counts, profile.edges, profile.sd, profile.stationary) == ((500,), (), 0.0, True)
    assert profile.out_of_range.k == 0
