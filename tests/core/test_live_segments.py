"""Which segments are live is decided row by row, whatever the batches; pairs are asked for."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamgauge.schemas.batch import Categories
from streamgauge.schemas.message import METRICS, PREDICTIONS
from streamgauge.schemas.monitor import Segments
from streamgauge.streams.core.segments import LiveSegments
from tests.core.scenario import define
from tests.core.test_partition_orders import Told, label, prediction

Row = tuple[str | None, str | None]
PAIRS = [("country", "plan")]
rows_of_two_keys = st.lists(
    st.tuples(st.sampled_from([None, *"abcdef"]), st.sampled_from([None, "free", "paid", "other"])),
    min_size=1,
    max_size=40,
)


def columns(rows: Sequence[Row]) -> dict[str, Categories]:
    return {key: Categories.of([row[i] for row in rows]) for i, key in enumerate(("country", "plan"))}


def named(live: LiveSegments, rows: Sequence[Row]) -> list[list[object]]:
    """For each row its segments by name, None where it has none."""
    slots = live.slots(columns(rows))
    return [[None if s[i] < 0 else live.names[s[i]] for s in slots.values()] for i in range(len(rows))]


@given(rows_of_two_keys, st.integers(1, 12), st.sets(st.integers(1, 39)), st.integers(0, 39))
def test_batches_and_restarts_do_not_decide_which_segments_are_live(
    rows: list[Row], most: int, cuts: set[int], restart: int
) -> None:
    whole, cut = LiveSegments(PAIRS, most), LiveSegments(PAIRS, most)
    expected, found = named(whole, rows), []
    for start, stop in pairwise(sorted({0, len(rows), *(c for c in cuts if c < len(rows))})):
        if start <= restart < stop:
            restored = LiveSegments(PAIRS, most)
            restored.load(cut.to_state())
            cut = restored
        found += named(cut, rows[start:stop])
    assert found == expected
    assert cut.to_state() == whole.to_state()


@given(rows_of_two_keys, st.integers(1, 12))
def test_no_more_than_the_cap_are_live_beside_one_other_for_each_set_of_keys(
    rows: list[Row], most: int
) -> None:
    live = LiveSegments(PAIRS, most)
    slots = live.slots(columns(rows))
    own = [segment for segment, (_, _, beyond) in zip(live.names, live.to_state(), strict=True) if not beyond]
    assert len(own) == len(set(own)) <= most
    assert len(live.names) - len(own) <= 3
    beyond = sum(
        any(s[i] >= 0 and live.to_state()[s[i]][2] for s in slots.values()) for i in range(len(rows))
    )
    assert live.beyond(slots.values(), len(rows)) == beyond


def test_a_missing_column_is_a_missing_key() -> None:
    live = LiveSegments(PAIRS, 10)
    slots = live.slots({"plan": Categories.of(["free", None])})
    assert {keys: s.tolist() for keys, s in slots.items()} == {("plan",): [0, -1]}


def test_what_is_beyond_the_cap_is_published_as_other_and_counted() -> None:
    run = Told().define(segments={"max": 2})
    for number, country in enumerate(["NO", "SE", "NO", "DK", "FI", None]):
        run.predict(prediction(number, segments={} if country is None else {"country": country}))
    run.finish()
    minute = [r for r in run.records(METRICS) if r["window"]["end"] == "2026-11-21T10:01:00.000000Z"]
    counts = {str(r["segment"].get("country")): r["n"] for r in minute if r["metric"] == "failure_rate"}
    assert counts == {"None": 6, "NO": 2, "SE": 1, "other": 2}
    [overflow] = [r for r in minute if r["metric"] == "segment_overflow_rate"]
    assert (overflow["value"], overflow["n"], overflow["segment"]) == (pytest.approx(2 / 6), 6, {})


def test_each_version_has_a_cap_of_its_own() -> None:
    run = Told().define(segments={"max": 1})
    for number, (version, country) in enumerate([("6", "NO"), ("7", "SE"), ("6", "SE"), ("7", "SE")]):
        run.predict(prediction(number, version=version, segments={"country": country}))
    run.finish()
    found = {(r["version"], r["segment"].get("country")) for r in run.records(METRICS)}
    assert found == {("6", None), ("6", "NO"), ("6", "other"), ("7", None), ("7", "SE")}


def test_a_limit_holds_for_pairs_too() -> None:
    limited = {"monitors": {"failure_rate": {"max": 0.5, "raw": True, "windows": 1}}}
    run = Told().define(segments={"pairs": [["plan", "country"]]}, **limited)
    for number in range(20):
        keys = {"country": "NO" if number % 2 else "SE", "plan": "free" if number % 4 < 2 else "paid"}
        failed = {"prediction": None, "error": "timeout"} if number % 4 == 3 else {}
        run.predict(prediction(number, number, segments=keys, **failed))
    run.finish()
    alerts = [output.record for output in run.outputs if output.topic == "alerts"]
    assert [alert["segment"] for alert in alerts] == [{"country": "NO", "plan": "paid"}]


def test_pairs_are_of_two_keys_and_have_no_order() -> None:
    assert Segments.model_validate({"pairs": [["b", "a"], ["a", "b"]]}).pairs == (("a", "b"),)
    for wrong in ([["a", "a"]], [["a"]], [["a", "b", "c"]], "all"):
        with pytest.raises(ValidationError):
            Segments.model_validate({"pairs": wrong})
    with pytest.raises(ValidationError):
        define("m", segments={"max": 0})


def test_rows_whose_identity_comes_twice_in_a_batch_keep_their_segments() -> None:
    run = Told().define(labels={"ttl": "2m", "min_coverage": 0.1}, lateness="1m")
    rows = [(0, 0, "NO"), (1, 400, "SE"), (0, 401, "DK"), (2, 402, "FI")]
    events = [(PREDICTIONS, prediction(n, second, segments={"country": c})) for n, second, c in rows]
    run.apply(list(run.feed.packed(events))).label(label(0, 402), label(2, 403, label="no")).finish()
    accuracy = {
        r["segment"].get("country"): r["value"] for r in run.records(METRICS) if r["metric"] == "accuracy"
    }
    assert accuracy == {None: 0.5, "DK": 1.0, "FI": 0.0}
