"""Predictions that have left memory: whatever is asked of them, nothing shows that they did."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.control import Define
from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.errors import StateError
from streamgauge.schemas.message import GROUND_TRUTH, PREDICTIONS, Checkpoint
from streamgauge.streams.core import blocks, predictions
from streamgauge.streams.core.context import CoreSettings
from streamgauge.streams.core.partition import Partition
from tests.core.scenario import OWN_METRICS, SECOND_US, START_US, Feed, Run, Sent, define
from tests.core.test_window_exactness import DEFINITIONS, cut, encodings, events, messages, quick


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    monkeypatch.setattr(predictions, "BLOCK", 2)


class ColdRun(Run):
    """A partition that may keep hardly any prediction in memory."""

    def __init__(self, hot_rows: int = 0) -> None:
        super().__init__()
        self.settings = CoreSettings(clock="events", metrics=OWN_METRICS, hot_rows=hot_rows)
        self.asked: list[bytes] = []
        self.partition = Partition(0, self.settings, self._get)

    def _get(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return self.state.get(key)

    def commit(self) -> Checkpoint:
        checkpoint = super().commit()
        self.partition.settled()
        return checkpoint

    def restart(self) -> "ColdRun":
        self.partition = Partition.restore(0, self.settings, list(self.state.items()), self._get)
        return self

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
    st.integers(0, 4),
)
def test_outputs_and_state_are_the_same_bytes_as_if_all_were_in_memory(
    sent: list[Sent], encoding: str, cuts: list[int], restarts: set[int], ttls: dict[int, str], hot_rows: int
) -> None:
    warm, cold = Run(), ColdRun(hot_rows)
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
    run, feed = ColdRun(hot_rows=10), Feed()
    run.apply(feed.definitions([define("credit", task="binary", pos_label="yes")]))
    run.apply(feed.singles(prediction(number) for number in range(101))).commit()
    run.restart()
    assert 80 <= run.cold <= 100
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
    Run.commit(run)  # of which nobody said that it has arrived
    assert run.cold == 0


def test_a_block_that_is_lost_ends_in_words() -> None:
    run, feed = ColdRun(), Feed()
    run.apply(feed.definitions([define("credit", task="binary", pos_label="yes")]))
    run.apply(feed.singles(prediction(number) for number in range(10))).commit()
    del run.state[b'["predictions","credit",1]']
    with pytest.raises(StateError, match="start the worker again"):
        run.apply(feed.singles([label(3)]))
