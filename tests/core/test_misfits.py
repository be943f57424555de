"""Predictions and labels of another kind than the model predicts are refused, each with its own letter."""

from collections.abc import Sequence
from typing import Any

import pytest

from streamgauge.schemas.message import DEAD_LETTERS, GROUND_TRUTH, METRICS, PREDICTIONS
from tests.core.naive import Naive, differences
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, assert_ledgers_balance, define

#: Task → what it predicts, and what it doesn't.
KINDS: dict[str, tuple[Any, Any]] = {
    "regression": ({"prediction": 3.5}, {"prediction": "3.5"}),
    "ranking": ({"ranked": ["a", "b"]}, {"prediction": "a"}),
    "binary": ({"prediction": "yes"}, {"ranked": ["yes", "no"]}),
    "multiclass": ({"prediction": 7.0}, {"ranked": ["cat"]}),
}


def told(task: str, misfits: Sequence[int], n: int = 12) -> tuple[list[Sent], list[Sent]]:
    """All events, and those that fit."""
    sent, fit = [], []
    for number in range(n):
        time_us = START_US + number * SECOND_US
        named = {"prediction_id": f"p{number}", "model": "m", "time": time_us}
        event = (PREDICTIONS, {**named, "version": "1", **KINDS[task][number in misfits]})
        sent.append(event)
        fit += [] if number in misfits else [event]
    failed = {"prediction_id": "f", "model": "m", "time": START_US + n * SECOND_US, "version": "1"}
    sent.append((PREDICTIONS, {**failed, "error": "timeout"}))
    return sent, [*fit, sent[-1]]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("misfits", [[3], [0, 1, 5, 11], [*range(12)]])
@pytest.mark.parametrize("task", KINDS)
def test_a_prediction_of_another_kind_is_refused_and_counts_nowhere_else(
    task: str, misfits: list[int], packed: bool
) -> None:
    definition = define("m", task=task, pos_label="yes" if task == "binary" else None)
    sent, fit = told(task, misfits)
    run, naive, feed = Run(), Naive([definition]), Feed()
    run.apply(feed.definitions([definition]))
    run.apply([*feed.packed(sent)] if packed else feed.singles(sent))
    run.finish()
    for _, event in fit:
        naive.predict(event)
    assert differences(run.records(METRICS, rollups=True), naive.metrics()) == []
    letters = run.records(DEAD_LETTERS)
    assert {letter["reason"] for letter in letters} == {"wrong_type"}
    assert {letter["detail"] for letter in letters} == {"it is not of the kind that m predicts"}
    if not packed:
        assert [letter["offset"] for letter in letters] == misfits
        assert_ledgers_balance(run, len(sent))


def test_a_label_is_refused_likewise() -> None:
    run, feed = Run(), Feed()
    run.apply(feed.definitions([define("m", task="regression")]))
    run.apply(feed.singles(told("regression", [])[0]))
    label = {"prediction_id": "p1", "model": "m", "time": START_US + SECOND_US, "label": "3.5"}
    run.apply(feed.singles([(GROUND_TRUTH, label)])).finish()
    [letter] = run.records(DEAD_LETTERS)
    assert letter["detail"] == "it is not of the kind that m predicts"
