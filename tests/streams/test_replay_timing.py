"""Times to merge by: turns, pauses, files that are not sorted, and times that cannot be."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.schemas.decode import DecodeResult
from streamgauge.schemas.message import GROUND_TRUTH, METRICS, PREDICTIONS, Message
from streamgauge.streams.core.partition import CoreSettings
from streamgauge.streams.replay import Replayed, Variant, replay
from streamgauge.streams.sources.block import UNKNOWN_US, Block
from streamgauge.streams.sources.history import FileHistory
from streamgauge.streams.sources.merging import TURN_US, merged
from streamgauge.streams.sources.orders import Orders
from streamgauge.streams.sources.timing import FAR_US, FOLLOWING, Timing
from tests.core.scenario import SECOND_US, START_US, Feed, define

DAY = 86_400


def blocks_of(seconds: Sequence[float | None], cut: int = 8_192) -> Iterator[Block]:
    """Rows without batches, at these seconds after the start; None says no time."""
    times = [UNKNOWN_US if s is None else START_US + int(s * SECOND_US) for s in seconds]
    for start in range(0, len(times), cut):
        part = np.array(times[start : start + cut], np.int64)
        places = np.arange(start, start + len(part)) + 1
        yield Block(PREDICTIONS, places, part, DecodeResult(), lambda places: [])


def timed(seconds: Sequence[float | None], cut: int = 8_192) -> tuple[list[float], int]:
    """(times to merge by, in seconds after the start, how many were taken back)."""
    timing = Timing()
    found = np.concatenate([block.time_us for block in timing.ordered(blocks_of(seconds, cut))])
    return ((found - START_US) / SECOND_US).tolist(), timing.capped


@pytest.mark.parametrize(
    ("seconds", "expected", "capped"),
    [
        ([0, 1, 2], [0, 1, 2], 0),
        ([2, 0, 1, 3], [2, 2, 2, 3], 0),  # the latest so far
        ([0, None, 1], [0, 0, 1], 0),
        ([0, 1, 9 * DAY, 2, 3], [0, 1, 1, 2, 3], 1),  # one clock is wrong
        ([9 * DAY, 0, 1], [0, 0, 1], 1),  # the first is
        ([0, 1, 9 * DAY, 8 * DAY, 2, 3, 4], [0, 1, 1, 1, 2, 3, 4], 2),
        ([0, 1, 9 * DAY, 9 * DAY + 1], [0, 1, 9 * DAY, 9 * DAY + 1], 0),  # a pause
        ([0, 1, 9 * DAY], [0, 1, 9 * DAY], 0),  # nothing after it tells
        ([0, 5 * DAY, 10 * DAY, 15 * DAY], [0, 5 * DAY, 10 * DAY, 15 * DAY], 0),
        ([DAY / 2, 0, 1], [DAY / 2, DAY / 2, DAY / 2], 0),  # within a day
    ],
)
@pytest.mark.parametrize("cut", [1, 2, 8_192])
def test_the_time_to_merge_by(
    seconds: list[float | None], expected: list[float], capped: int, cut: int
) -> None:
    assert timed(seconds, cut) == (expected, capped)


@given(st.lists(st.integers(0, 400 * DAY), min_size=1, max_size=300), st.integers(1, 50))
def test_sorted_times_are_never_touched(seconds: list[int], cut: int) -> None:
    assert timed(sorted(seconds), cut) == (sorted(seconds), 0)


@given(
    st.lists(st.integers(0, 1_000), min_size=FOLLOWING * 2, max_size=400),
    st.sets(st.integers(0, FOLLOWING), max_size=20),
    st.integers(1, 300),
)
def test_some_wrong_clocks_move_no_other_row(steps: list[int], wrong: set[int], cut: int) -> None:
    right = np.cumsum(steps).tolist()
    seconds = [value + 3_000 * DAY if row in wrong else value for row, value in enumerate(right)]
    found, capped = timed(seconds, cut)
    others = [row for row in range(len(right)) if row not in wrong]
    assert capped == len(wrong)
    assert [found[row] for row in others] == [right[row] for row in others]
    assert max(found) <= max(right)


@given(
    st.lists(st.lists(st.integers(0, 200_000_000), max_size=60).map(sorted), min_size=1, max_size=3),
    st.integers(1, 20),
)
def test_sources_take_turns_wherever_their_blocks_end(times: list[list[int]], cut: int) -> None:
    def source(number: int) -> Iterator[Any]:
        runs = [
            [Message(str(number), row, time, None, None) for row, time in enumerate(times[number])][
                i : i + cut
            ]
            for i in range(0, len(times[number]), cut)
        ]
        return Orders.of(runs)

    found = [
        (message.timestamp_us // TURN_US, message.topic, message.offset)
        for piece in merged([source(number) for number in range(len(times))])
        for message in piece  # type: ignore[union-attr]
    ]
    expected = [
        (time // TURN_US, str(number), row)
        for number, part in enumerate(times)
        for row, time in enumerate(part)
    ]
    assert found == sorted(expected)


def prediction(number: int, second: float) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number}",
        "model": "m",
        "time": START_US + int(second * SECOND_US),
        "prediction": ["no", "yes"][number % 2],
    }


def label(number: int, second: float) -> dict[str, Any]:
    event = prediction(number, second)
    return {**event, "prediction": None, "label": ["no", "yes"][number % 3 == 0]}


def run(folder: Path, predictions: Sequence[Any], labels: Sequence[Any]) -> Replayed:
    paths = {}
    for topic, events in ((PREDICTIONS, predictions), (GROUND_TRUTH, labels)):
        paths[topic] = folder / f"{topic}.jsonl"
        paths[topic].write_text("".join(json.dumps(event) + "\n" for event in events))
    control = tuple(Feed().definitions([define("m", task="binary", pos_label="yes")]))
    with FileHistory(paths) as history:
        [result] = replay(history, [Variant(CoreSettings(clock="events"), control, folder / "out")])
    return result


@pytest.mark.parametrize("topic", [PREDICTIONS, GROUND_TRUTH])
def test_one_time_from_the_future_ends_nothing_early(topic: str, tmp_path: Path) -> None:
    predictions = [prediction(i, i) for i in range(600)]
    labels = [label(i, i + 20) for i in range(600)]
    (tmp_path / "right").mkdir()
    (tmp_path / "wrong").mkdir()
    right = run(tmp_path / "right", predictions, labels)
    mistaken = predictions if topic == PREDICTIONS else labels
    mistaken[310] = {**mistaken[310], "time": START_US + 4_000 * FAR_US // 10}
    wrong = run(tmp_path / "wrong", predictions, labels)
    assert wrong.counts == right.counts | {"capped": 1}
    if topic == GROUND_TRUTH:  # a label counts in its prediction's window
        name = f"{METRICS}.jsonl"
        assert (tmp_path / "right/out" / name).read_bytes() == (tmp_path / "wrong/out" / name).read_bytes()


def test_a_file_that_is_not_sorted_says_how_many_were_late(tmp_path: Path) -> None:
    shuffled = [prediction(i, i) for i in np.random.default_rng(1).permutation(3_000).tolist()]
    counts = run(tmp_path, shuffled, []).counts
    assert counts["late"] > 1_000
    assert counts["late"] + counts["applied"] == 3_000


def test_labels_meet_predictions_of_the_same_turn(tmp_path: Path) -> None:
    """Labels right after their predictions, for longer than predictions wait."""
    predictions = [prediction(i, i) for i in range(2_000)]
    counts = run(tmp_path, predictions, [label(i, i + 0.5) for i in range(2_000)]).counts
    assert counts["labelled"] == 2_000
