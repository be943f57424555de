"""What of predictions and their labels is written, and that it is enough to go on from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.streams.core import blocks, predictions
from streamgauge.streams.core.predictions import UNLABELLED, Labels, PredictionTable
from streamgauge.streams.core.snapshot import decode_state, encode_state
from tests.examples import examples

BLOCK = 4


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", BLOCK)
    monkeypatch.setattr(predictions, "BLOCK", BLOCK)


class Kept:
    """A table, and its blocks as the topic keeps them."""

    def __init__(self):
        self.table = PredictionTable()
        self.predictions, self.labels = {}, {}
        self.appended = 0

    def checkpoint(self):
        """The numbers of blocks that were written: of predictions, of labels."""
        written = []
        for table, kept in ((self.table, self.predictions), (self.table.given, self.labels)):
            changes = table.changes()
            for number, state in changes:
                if state is None:
                    del kept[number]
                else:
                    kept[number] = encode_state(state)
            written.append([number for number, state in changes if state is not None])
        return written

    def restart(self):
        self.checkpoint()
        bases = self.table.base, self.table.given.base
        self.table = PredictionTable()
        self.table.base, self.table.given.base = bases
        self.table.load({number: decode_state(block) for number, block in self.predictions.items()})
        self.table.load_labels({number: decode_state(block) for number, block in self.labels.items()})

    def append(self, n):
        """Rows whose times number them from the first one on."""
        numbers = range(self.appended + 1, self.appended + n + 1)
        self.appended += n
        ids = np.array([number.to_bytes(16, "big") for number in numbers], "S16")
        return self.table.append(ids, {"time": np.array(numbers)})

    def label(self, rows, value):
        n = len(rows)
        given = Labels(
            np.full(n, value), np.full(n, int(value), np.int32), np.zeros(n, bool), np.full(n, int(value))
        )
        self.table.assign(np.array(rows, np.int64), given)


def test_labels_scattered_over_a_long_past_are_written_as_the_few_rows_that_they_are():
    kept = Kept()
    kept.append(100 * BLOCK)
    assert kept.checkpoint() == [list(range(100)), []]
    kept.label([7, 150, 390], 1.0)
    assert kept.checkpoint() == [[], [0]]
    kept.label([200, 201], 2.0)
    assert kept.checkpoint() == [[], [0, 1]]  # the last block was not full
    kept.label([3], 3.0)
    assert kept.checkpoint() == [[], [1]]


def test_labels_of_rows_that_are_gone_are_deleted_and_those_between_them_are_kept():
    kept = Kept()
    kept.append(20 * BLOCK)
    kept.label(list(range(7)), 1.0)
    kept.label([79], 2.0)  # shares a block with labels of rows that go
    kept.checkpoint()
    assert sorted(kept.labels) == [0, 1]
    kept.table.drop_before(10 * BLOCK)
    kept.restart()
    assert sorted(kept.labels) == [2]
    assert kept.table.labels(np.array([39])).label.tolist() == [2.0]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 9)),
        st.tuples(st.just("label"), st.lists(st.integers(0, 1_000), min_size=1, max_size=6)),
        st.tuples(st.just("drop"), st.integers(0, 40)),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("checkpoint"), st.none()),
    ),
    max_size=30,
)


@examples(200)
@given(steps)
def test_rows_have_the_labels_they_were_given_whatever_was_dropped_and_restored(history):
    kept, times, labels = Kept(), [], {}
    value = 0.0
    for step, what in history:
        table = kept.table
        if step == "append":
            rows = kept.append(what)
            assert rows.tolist() == list(range(len(times), len(times) + what))
            times += range(kept.appended - what + 1, kept.appended + 1)
        elif step == "label" and times:
            value += 1.0
            rows = sorted({number % len(times) for number in what})
            kept.label(rows, value)
            labels |= {times[row]: value for row in rows}
        elif step == "drop":
            times = times[table.drop_before(min(what, len(times))) :]
        elif step == "restart":
            kept.restart()
        elif step == "checkpoint":
            kept.checkpoint()
        rows = np.arange(len(times))
        assert kept.table.column("time").tolist() == times
        found = kept.table.labels(rows)
        assert [
            None if revision == UNLABELLED else label
            for label, revision in zip(found.label.tolist(), found.revision.tolist(), strict=True)
        ] == [labels.get(time) for time in times]
