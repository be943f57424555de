"""Ranking metrics of single pairs against scikit-learn and plain loops, whatever shares a batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from streamgauge.detectors.exact_sum import ExactSums
from streamgauge.detectors.ranking import (
    packed_rankings,
    packed_relevance,
    ranking_metrics,
    ranking_values,
)
from streamgauge.schemas.item_lists import ItemLists

items = st.sampled_from("abcdefgh")
rankings = st.lists(
    st.tuples(
        st.lists(items, unique=True, max_size=8),
        st.dictionaries(items, st.sampled_from([0.0, 0.5, 1.0, 3.0, 1e6]), max_size=8),
    ),
    min_size=1,
    max_size=6,
)
KS = [1, 3, 10]


def values(pairs, ks=KS, depth=100):
    ranked, relevance = zip(*pairs, strict=True)
    return ranking_values(
        packed_rankings(ItemLists.of(ranked), depth), packed_relevance(ItemLists.graded(relevance)), ks
    )


@given(rankings)
def test_ndcg_is_scikit_learn_s(pairs):
    found = values(pairs)
    for column, (ranked, grades) in enumerate(pairs):
        names = [*ranked, *range(11), *(item for item in grades if item not in ranked)]
        true = [[grades.get(name, 0.0) for name in names]]
        for row, k in enumerate(KS):
            expected = ndcg_score(true, [range(len(names), 0, -1)], k=k)
            assert found[row, column] == pytest.approx(expected, abs=1e-12)
            assert 0 <= found[row, column] <= 1


@given(rankings, st.integers(1, 8))
def test_hits_and_ranks_are_those_of_a_loop(pairs, depth):
    found = values(pairs, depth=depth)
    for column, (ranked, grades) in enumerate(pairs):
        relevant = [grades.get(item, 0) > 0 for item in ranked[:depth]]
        assert found[-1, column] == (1 / (relevant.index(True) + 1) if any(relevant) else 0)
        assert found[len(KS) : -1, column].tolist() == [any(relevant[:k]) for k in KS]


@given(rankings)
def test_a_pair_is_worth_the_same_in_any_batch(pairs):
    together = values(pairs)
    for column, pair in enumerate(pairs):
        assert values([pair])[:, 0].tobytes() == together[:, column].tobytes()


def test_metrics_have_intervals_within_their_range():
    found = values([(["a"], {"a": 1.0})] * 9 + [(["a"], {"b": 1.0})])
    sums = ExactSums(2 * len(found))
    sums.update_many(np.concatenate([found, found**2]))
    metrics = ranking_metrics(sums.values(), 10, KS)
    assert metrics["mrr"].value == metrics["ndcg_at_3"].value == metrics["hit_rate_at_1"].value == 0.9
    assert metrics["mrr"].high == 1.0
    assert metrics["hit_rate_at_1"].high == pytest.approx(0.982, abs=1e-3)
    assert {e.n for e in metrics.values()} == {10}


def test_nothing_labelled_is_undefined():
    metrics = ranking_metrics(ExactSums(6).values(), 0, [10])
    assert all(e.value is None for e in metrics.values())


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 2_000])
def test_the_intervals_cover(n):
    rng = np.random.default_rng(3)
    places = rng.geometric(0.3, 200_000) - 1
    truth = {
        "mrr": (1 / (places + 1)).mean(),
        "ndcg_at_10": np.where(places < 10, 1 / np.log2(places + 2), 0).mean(),
        "hit_rate_at_10": (places < 10).mean(),
    }
    within = dict.fromkeys(truth, 0)
    for _ in range(1_000):
        drawn = rng.choice(places, n)
        rows = np.stack([np.where(drawn < 10, 1 / np.log2(drawn + 2), 0), drawn < 10, 1 / (drawn + 1)])
        found = ranking_metrics([*rows.sum(axis=1), *(rows**2).sum(axis=1)], n, [10])
        for name, true in truth.items():
            within[name] += found[name].low <= true <= found[name].high
    assert all(925 <= count <= 980 for count in within.values()), within
