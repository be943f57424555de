"""The join against a naive one that keeps everything in dictionaries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.streams.core.blocks import BLOCK
from streamgauge.streams.core.join import LabelJoin
from streamgauge.streams.core.predictions import Labels
from streamgauge.streams.core.snapshot import decode_state, encode_state
from streamgauge.streams.core.table import IdTable
from tests.examples import examples

TTL = 100


def ids(*numbers):
    return np.array([n.to_bytes(16, "big") for n in numbers], dtype="S16")


def predict(join, version, *numbers, time=0, watermark=-(2**62)):
    n = len(numbers)
    values = {"prediction": np.zeros(n), "score": np.full(n, np.nan)}
    return join.add_predictions(version, ids(*numbers), np.full(n, time), values, np.full(n, watermark))


def label(join, *labels, time=0, watermark=-(2**62)):
    """Each label is (identity, value, revision) or (identity, value, revision, retracted)."""
    filled = [(*entry, False)[:4] for entry in labels]
    numbers, values, revisions, retracted = zip(*filled, strict=True)
    given = Labels(
        np.array(values, float),
        np.array(revisions, np.int32),
        np.array(retracted, bool),
        np.full(len(numbers), time),
    )
    return join.add_labels(ids(*numbers), given, np.zeros(len(numbers), np.int64), watermark)


def balance(join):
    counts = join.counts
    assert counts["predictions"] == counts["pending"] + counts["labelled"] + counts["expired"]
    parts = ("joined", "waiting", "orphaned", "superseded", "retracted")
    assert counts["labels"] == sum(counts[part] for part in parts)


def test_a_label_finds_its_prediction():
    join = LabelJoin(TTL)
    predict(join, 0, 1, 2, time=5)
    pairs, stale = label(join, (2, 7.0, 0), time=9)
    assert pairs.rows.tolist() == [1]
    assert pairs.label.tolist() == [7.0]
    assert pairs.lag_us.tolist() == [4]
    assert stale == 0
    balance(join)


def test_a_label_that_comes_first_waits_for_its_prediction():
    join = LabelJoin(TTL)
    pairs, _ = label(join, (1, 7.0, 0))
    assert len(pairs.rows) == 0
    assert join.counts["waiting"] == 1
    _, _, pairs = predict(join, 0, 1)
    assert pairs.label.tolist() == [7.0]
    assert join.counts["joined"] == 1
    assert join.counts["waiting"] == 0


def test_a_repeated_prediction_is_a_duplicate_and_a_second_version_is_not():
    join = LabelJoin(TTL)
    new, _, _ = predict(join, 0, 1, 1, 2)
    assert new.tolist() == [True, False, True]
    new, _, _ = predict(join, 0, 1)
    assert not new.any()
    new, _, _ = predict(join, 1, 1)
    assert new.all()


def test_a_label_reaches_every_version_that_predicted_it_whenever_it_did():
    join = LabelJoin(TTL)
    predict(join, 0, 1)
    predict(join, 1, 1)
    pairs, _ = label(join, (1, 7.0, 0))
    assert sorted(pairs.rows.tolist()) == [0, 1]
    _, _, pairs = predict(join, 2, 1)
    assert pairs.label.tolist() == [7.0]
    assert join.counts["joined"] == 1
    balance(join)


def test_a_higher_revision_restates_and_the_same_or_a_lower_one_is_stale():
    join = LabelJoin(TTL)
    predict(join, 0, 1)
    label(join, (1, 7.0, 1))
    pairs, _stale = label(join, (1, 8.0, 2))
    assert list(zip(pairs.sign.tolist(), pairs.label.tolist(), strict=True)) == [(-1, 7.0), (1, 8.0)]
    assert not pairs.fresh.any()
    assert label(join, (1, 9.0, 2))[1] == 1
    assert label(join, (1, 9.0, 0))[1] == 1
    assert join.counts["superseded"] == 1
    balance(join)


def test_a_retraction_takes_the_pair_out_and_a_higher_revision_reinstates_it():
    join = LabelJoin(TTL)
    predict(join, 0, 1)
    label(join, (1, 7.0, 0))
    pairs, _ = label(join, (1, np.nan, 1, True))
    assert (pairs.sign.tolist(), pairs.label.tolist()) == ([-1], [7.0])
    assert join.counts["pending"] == 1
    assert join.counts["retracted"] == 1
    pairs, _ = label(join, (1, 8.0, 2))
    assert (pairs.sign.tolist(), pairs.label.tolist()) == ([1], [8.0])
    balance(join)


def test_what_waits_longer_than_its_time_to_live_expires_and_orphans():
    join = LabelJoin(TTL)
    predict(join, 0, 1, time=0)
    label(join, (2, 7.0, 0), time=0)
    assert len(join.expire(-(2**62), TTL).ids) == 0
    orphans = join.expire(TTL, TTL + 1)
    assert orphans.ids.tolist() == ids(2).tolist()
    assert (join.counts["expired"], join.counts["orphaned"]) == (1, 1)
    pairs, _ = label(join, (1, 7.0, 0), time=50, watermark=TTL + 1)
    assert len(pairs.rows) == 0
    balance(join)


events = st.lists(
    st.one_of(
        st.tuples(st.just("predict"), st.integers(0, 1), st.lists(st.integers(0, 6), min_size=1, max_size=6)),
        st.tuples(
            st.just("label"),
            st.just(0),
            st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.booleans()), min_size=1, max_size=6),
        ),
    ),
    max_size=14,
)


@examples(300)
@given(events)
def test_pairs_and_ledger_are_those_of_a_naive_join(history):
    join = LabelJoin(TTL)
    rows: dict[tuple[int, int], int] = {}
    current: dict[int, tuple[int, float, bool]] = {}
    counted: dict[int, float] = {}
    value, stale_seen, stale_expected = 0.0, 0, 0

    def count(pairs):
        for row, was, sign in zip(
            pairs.rows.tolist(), pairs.label.tolist(), pairs.sign.tolist(), strict=True
        ):
            if sign > 0:
                assert row not in counted
                counted[row] = was
            else:
                assert counted.pop(row) == was

    for kind, version, entries in history:
        if kind == "predict":
            new, numbers, pairs = predict(join, version, *entries)
            for entry, is_new in zip(entries, new.tolist(), strict=True):
                assert is_new == ((version, entry) not in rows)
                if is_new:
                    rows[version, entry] = len(rows)
            assert numbers.tolist() == list(range(len(rows) - int(new.sum()), len(rows)))
        else:
            batch = []
            for number, revision, retracted in entries:
                value += 1
                batch.append((number, np.nan if retracted else value, revision, retracted))
                if number in current and revision <= current[number][0]:
                    stale_expected += 1
                else:
                    current[number] = (revision, value, retracted)
            pairs, stale = label(join, *batch)
            stale_seen += stale
        count(pairs)
        balance(join)
    expected = {
        row: current[number][1]
        for (_, number), row in rows.items()
        if number in current and not current[number][2]
    }
    assert counted == expected
    assert stale_seen == stale_expected
    assert join.counts["labelled"] == len(expected)


@examples(50)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=600), st.integers(1, 50))
def test_a_table_finds_the_newest_row_and_the_older_ones_also_after_a_restart(numbers, size):
    table = IdTable({"value": ("<i8", 0)})
    expected: dict[int, list[int]] = {}
    stored: dict[int, dict] = {}
    for start in range(0, len(numbers), size):
        batch = list(dict.fromkeys(numbers[start : start + size]))
        rows = table.append(ids(*batch), {"value": np.array(batch)})
        for number, row in zip(batch, rows.tolist(), strict=True):
            expected.setdefault(number, []).insert(0, row)
        for block, state in table.changes():
            stored[block] = decode_state(encode_state(state))
    restored = IdTable({"value": ("<i8", 0)})
    restored.load(stored)
    for each in (table, restored):
        for number, rows in expected.items():
            found, seen = each.find(ids(number)), []
            while found[0] >= 0:
                seen.append(int(found[0]))
                found = each.older(found)
            assert seen == rows
        assert each.find(ids(401)).tolist() == [-1]
        assert (each.column("value") == table.column("value")).all()


def test_a_table_drops_whole_blocks_and_says_which():
    table = IdTable({})
    for start in range(0, 3 * BLOCK, BLOCK):
        table.append(ids(*range(start, start + BLOCK)), {})
    table.changes()
    table.drop_before(2 * BLOCK + 5)
    assert table.changes() == [(0, None), (1, None)]
    assert table.find(ids(0, 2 * BLOCK)).tolist() == [-1, 0]


@pytest.mark.parametrize("value", [None, True, -3, 1.5, "é", b"\0", [1, [2]], {"a": {"b": []}}])
def test_plain_values_survive_a_snapshot(value):
    assert decode_state(encode_state(value)) == value
