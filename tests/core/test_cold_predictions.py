"""Predictions that have left memory: whatever is asked of them, nothing shows that they did."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.control import Define
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.errors import StateError
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS
from streamgauge.streams.core import blocks, predictions
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, define
from tests.core.test_window_exactness import DEFINITIONS, cut, encodings, events, messages, quick


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    monkeypatch.setattr(predictions, "BLOCK", 2)


class ColdRun(Run):
    """A partition of which nothing stays in memory that can be read back, but its models."""

    def __init__(self, most_bytes: int = 0) -> None:
        super().__init__(most_bytes=most_bytes)
        self.partition._models.cache._sleep = lambda *_: None  # type: ignore[method-assign]

    @property
    def asked(self) -> list[bytes]:
        """Blocks of predictions that were read back."""
        assert self.shelf is not None
        return [key for key in self.shelf.asked if key.startswith(b'["predictions"')]

    @property
    def cold(self) -> int:
        """How many predictions are not in memory."""
        return sum(model.intake.join.predictions.cold for model in self.partition.models.values())


def prediction(number: int, second: int = 0, **changes: Any) -> Sent:
    time = START_US + second * SECOND_US
    event = {"prediction_id": f"{number:032x}", "model": "credit", "version": "1", "time": time}
    return PREDICTIONS, {**event, "prediction": "yes", "score": 0.7, **changes}


def label(number: int, second: int = 0, **changes: Any) -> Sent:
    time = START_US + second * SECOND_US
    event = {"prediction_id": f"{number:032x}", "model": "credit", "time": time, "label": "no"}
    return GROUND_TRUTH, {**event, **changes}


@quick
@given(
    events(),
    encodings(),
    st.lists(st.integers(0, 200), max_size=6),
    st.sets(st.integers(0, 6)),
    st.dictionaries(st.integers(0, 6), st.sampled_from(["1m", "5m", "30m"]), max_size=2),
    st.booleans(),
    st.sampled_from([0, 2_500_000, 2_600_000, 3_000_000]),
)
def test_outputs_and_state_are_the_same_bytes_as_if_all_were_in_memory(
    sent: list[Sent],
    encoding: str,
    cuts: list[int],
    restarts: set[int],
    ttls: dict[int, str],
    sleeps: bool,
    most_bytes: int,
) -> None:
    warm, cold = Run(), Run(most_bytes=most_bytes) if sleeps else ColdRun(most_bytes)
    orders = Feed()
    orders.definitions(DEFINITIONS)  # their offsets are taken
    for number, part in enumerate(cut(messages(sent, encoding, DEFINITIONS), cuts)):
        told = []
        if number in ttls:
            definition = define("prices", task="regression", labels={"ttl": ttls[number]})
            document = definition.model_dump(mode="json")
            told = orders.control(Define(actor="ops", time_us=START_US, model="prices", document=document))
        for run in (warm, cold):
            run.apply([*part, *told]).commit()
            if number in restarts:
                run.restart()
        assert cold.state == warm.state
    warm.finish()
    cold.finish()
    assert cold.state == warm.state
    assert [encode_output(o) for o in cold.outputs] == [encode_output(o) for o in warm.outputs]


@pytest.mark.parametrize("restarts", [False, True])
def test_tables_that_are_empty_go_on_where_they_were(restarts: bool) -> None:
    warm, other, feed = Run(), Run(most_bytes=0), Feed()
    definitions = feed.definitions([define("credit", task="binary", pos_label="yes")])  # ttl 5 min
    old = [*(prediction(number) for number in range(8)), *(label(number) for number in range(4))]
    parts = [
        [*definitions, *feed.singles([*old, label(50, second=1)])],
        feed.singles([prediction(60, second=3_600)]),  # all of them have expired, the labels too
        feed.singles([prediction(70, second=3_601, error="timeout", prediction=None, score=None)]),
        feed.singles([prediction(80, second=3_602), label(80, second=3_603), label(90, second=3_604)]),
    ]
    for part in parts:
        for run in (warm, other):
            run.apply(part).commit()
        if restarts:
            other.restart()
        assert other.state == warm.state
    kinds = [json.loads(key)[0] for key in warm.state]
    assert {"labels", "waiting"} <= set(kinds)  # else there was nothing to number


def test_a_label_finds_a_prediction_that_is_not_in_memory() -> None:
    run, feed = ColdRun(), Feed()
    run.apply(feed.definitions([define("credit", task="binary", pos_label="yes")]))
    run.apply(feed.singles(prediction(number) for number in range(11))).commit()
    assert run.cold == 10  # the last block is not full
    assert run.asked == []
    run.apply(feed.singles([label(3), prediction(4), prediction(4, version="2"), prediction(99)])).commit()
    assert set(run.asked) == {b'["predictions","credit",1]', b'["predictions","credit",2]'}
    counts = run.partition.counts()
    assert (counts["joined"], counts["duplicate"], counts["predictions"]) == (1, 1, 13)


def test_predictions_that_expire_are_counted_where_they_are() -> None:
    run, feed = ColdRun(), Feed()
    run.apply(feed.definitions([define("credit", task="binary", pos_label="yes")]))  # ttl 5 min
    run.apply(feed.singles(prediction(number, second=number) for number in range(100))).commit()
    run.apply(feed.singles([prediction(200, second=50 + 300 + 10)])).commit()
    counts = run.partition.counts()
    assert (counts["expired"], counts["pending"]) == (50, 51)
    assert run.cold > 0


def test_a_restart_leaves_on_disk_what_was_there() -> None:
    run, feed = ColdRun(), Feed()
    run.apply(feed.definitions([define("credit", task="binary", pos_label="yes")]))
    run.apply(feed.singles(prediction(number) for number in range(101))).commit()
    run.restart()
    assert run.cold == 100
    run.apply(feed.singles(label(number) for number in range(0, 101, 10))).commit()
    assert run.partition.counts()["joined"] == 11


def test_a_block_that_was_not_full_when_it_was_loaded_is_read_as_it_became() -> None:
    run, feed = ColdRun(), Feed()
    run.apply(feed.definitions([define("credit", task="binary", pos_label="yes")]))
    run.apply(feed.singles(prediction(number) for number in range(3))).commit()
    run.restart()
    run.apply(feed.singles(prediction(number) for number in range(3, 6))).commit()
    assert run.cold == 6
    run.apply(feed.singles([label(3)]))
    assert run.partition.counts()["joined"] == 1


def test_memory_is_left_only_by_what_can_be_read_back() -> None:
    run, feed = ColdRun(), Feed()
    run.apply(feed.definitions([define("credit", task="binary", pos_label="yes")]))
    run.apply(feed.singles(prediction(number) for number in range(10)))
    run.partition.checkpoint()  # of which nobody said that it has arrived
    run.settings.memory.settle()
    assert run.cold == 0


def test_a_block_that_is_lost_ends_in_words() -> None:
    run, feed = ColdRun(), Feed()
    run.apply(feed.definitions([define("credit", task="binary", pos_label="yes")]))
    run.apply(feed.singles(prediction(number) for number in range(10))).commit()
    del run.state[b'["predictions","credit",1]']
    with pytest.raises(StateError, match="start the worker again"):
        run.apply(feed.singles([label(3)]))
