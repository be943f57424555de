"""Models that rank: from the wire to metrics, alerts and dead letters."""

import json
from typing import Any

import numpy as np
import pytest

from streamgauge.schemas.item_lists import ItemLists
from streamgauge.schemas.message import DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, define
from tests.core.test_partition_alerts import Columns, Rng, Story, story

RANKING = {"task": "ranking", "pos_label": None}


def ranker(rng: Rng, n: int, *, skill: float = 0.8, length: int = 12) -> Columns:
    """Of 40 items one is wanted; it is ranked first with a probability of `skill`, else anywhere or not.

    Some two thirds of `length` to `length` items are returned.
    """
    wanted, ranked = rng.integers(0, 40, n), []
    for item, knows in zip(wanted.tolist(), (rng.random(n) < skill).tolist(), strict=True):
        size = int(rng.integers(length * 2 // 3, length + 1))
        others = rng.permutation(40)[:size].tolist()
        ranked.append([item, *(o for o in others if o != item)][:size] if knows else others)
    return {
        "prediction": ItemLists.of([[f"item-{code}" for code in row] for row in ranked]),
        "label": ItemLists.graded([{f"item-{code}": 1.0} for code in wanted.tolist()]),
        "score": np.full(n, np.nan),
        "failed": np.zeros(n, np.bool_),
        "latency_ms": rng.exponential(20, n),
        "features": {"hour": rng.normal(12, 3, n)},
        "groups": {},
        "segments": {},
    }


def tell_of_rankings(**definition: Any) -> Story:
    return story(ranker, **RANKING, **definition).tell(15, ranker)


def one(number: int, topic: str = PREDICTIONS, **event: Any) -> Sent:
    time = START_US + number * SECOND_US
    return topic, {"prediction_id": str(number), "model": "m", "time": time, **event}


def latest(run: Run) -> dict[str, Any]:
    """Of all traffic, the last record of each metric."""
    return {r["metric"]: r for r in run.records(METRICS) if not r["segment"]}


def test_a_ranking_waits_for_what_was_relevant_of_it() -> None:
    run, feed = Run(), Feed()
    run.apply(feed.singles([one(0, ranked=["a", "b", 3]), one(1, ranked=["a"])]))
    run.commit()
    run.restart().apply(feed.singles([one(0, GROUND_TRUTH, relevance={"b": 2, "z": 1})]))
    run.finish()
    found = latest(run)
    best = 2 / np.log2(2) + 1 / np.log2(3)
    assert found["ndcg_at_10"]["value"] == pytest.approx(2 / np.log2(3) / best)
    assert (found["mrr"]["value"], found["hit_rate_at_10"]["value"]) == (0.5, 1.0)
    assert (found["mrr"]["n"], found["mrr"]["coverage"]) == (1, 0.5)
    assert "mean_absolute_error" not in found


def test_corrections_and_retractions_restate() -> None:
    run, feed = Run(), Feed()
    run.apply(feed.singles([one(0, ranked=["a", "b"]), one(1, ranked=["a", "b"]), one(2, ranked=["a"])]))
    run.apply(feed.singles([one(n, GROUND_TRUTH, relevance=["a"]) for n in range(3)]))
    run.apply(feed.singles([one(0, GROUND_TRUTH, relevance=["b"], revision=1)])).commit()
    run.restart().apply(feed.singles([one(2, GROUND_TRUTH, retracted=True, revision=1)])).finish()
    assert latest(run)["mrr"]["value"] == 0.75
    assert latest(run)["mrr"]["n"] == 2


def test_failures_before_the_first_ranking_do_not_say_what_the_model_predicts() -> None:
    run, feed = Run(), Feed()
    run.apply(feed.singles([one(0, error="timeout"), one(1, GROUND_TRUTH, retracted=True)])).commit()
    run.restart().apply(feed.singles([one(2, ranked=["a"]), one(2, GROUND_TRUTH, relevance=["a"])])).commit()
    run.restart().finish()
    assert latest(run)["hit_rate_at_10"]["value"] == 1.0
    assert latest(run)["failure_rate"]["value"] == 0.5


def test_what_is_no_relevance_does_not_fit_a_ranking_nor_the_other_way_round() -> None:
    for answer, label in (({"ranked": ["a"]}, {"label": "a"}), ({"prediction": "a"}, {"relevance": ["a"]})):
        run, feed = Run(), Feed()
        run.apply(feed.singles([one(0, **answer), one(0, GROUND_TRUTH, **label)])).commit()
        [letter] = run.records(DEAD_LETTERS)
        assert letter["reason"] == "wrong_type"


def test_relevance_without_a_ranking_is_quoted_when_it_is_given_up() -> None:
    import base64

    run, feed = Run(), Feed()
    run.apply(feed.singles([one(0, ranked=["a"]), one(5, GROUND_TRUTH, relevance={"ä": 2})]))
    run.commit()
    run.restart().finish()
    [letter] = run.records(DEAD_LETTERS)
    assert letter["reason"] == "orphaned"
    assert json.loads(base64.b64decode(letter["value"]))["relevance"] == {"ä": 2.0}


@pytest.mark.slow
def test_a_ranker_that_gets_worse_is_told_as_ndcg() -> None:
    told = tell_of_rankings().tell(10, ranker, skill=0.3)
    [opened] = [alert for alert in told.alerts("concept_drift") if alert["state"] == "opened"]
    assert opened["metric"] == "ndcg_at_10"
    assert opened["low"] <= opened["value"] <= opened["high"] < opened["baseline"]
    assert told.tell(60, ranker).states("concept_drift") == ["opened", "resolved"]


def test_a_ranker_that_returns_fewer_items_has_drifted() -> None:
    told = tell_of_rankings().tell(6, ranker, length=4)
    assert told.states("prediction_drift") == ["opened"]


def test_a_limit_at_a_k_of_ones_own_alerts() -> None:
    limit = {"ranking": {"k": [3, 10]}, "monitors": {"ndcg_at_3": {"min": 0.7}}}
    told = tell_of_rankings(**limit).tell(6, ranker, skill=0.3)
    assert told.states("ndcg_at_3") == ["opened"]


@pytest.mark.parametrize("wrong", [{"k": [200]}, {"k": [5, 5]}, {"k": []}, {"k": [0]}, {"depth": 2_000}])
def test_a_definition_that_cuts_where_it_cannot_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ranking"):
        define("m", task="ranking", ranking=wrong)
