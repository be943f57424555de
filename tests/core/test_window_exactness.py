"""Whatever the order, the encoding and the cuts: every window says what the raw events say."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from streamgauge.schemas.encode import encode_output
from streamgauge.schemas.message import GROUND_TRUTH, METRICS, PREDICTIONS, Message
from streamgauge.schemas.monitor import MonitorDefinition
from tests.core.naive import Naive, differences
from tests.core.scenario import SECOND_US, START_US, Feed, Run, Sent, assert_ledgers_balance, define
from tests.examples import examples

DEFINITIONS = [
    define(
        "credit",
        task="binary",
        pos_label="yes",
        fairness={"min_n": 2},
        baseline={"first": 200},
        segments={"pairs": [["paid", "country"]], "max": 4},
        metrics={"f2": {"metric": "river.metrics.FBeta", "params": {"beta": 2}}},
    ),
    define("fair", task="binary", pos_label="yes", fairness={"min_n": 2, "intersections": True}),
    define(
        "animals",
        task="multiclass",
        segments={"max": 1},
        metrics={"weighted_f1": {"metric": "river.metrics.WeightedF1"}},
    ),
    define(
        "prices",
        task="regression",
        segments={"pairs": [["country", "paid"]]},
        metrics={"smape": {"metric": "river.metrics.SMAPE"}},
    ),
    define("shop", task="ranking", ranking={"k": [2, 3], "depth": 4}),
]
ANSWERS: dict[str, list[Any]] = {
    "credit": ["yes", "no"],
    "fair": ["yes", "no"],
    "animals": ["cat", "dog", "eel"],
    "prices": [-1.5, 0.1, 0.3, 1e9, 7.25],
    "inferred": ["true", "false"],
    "shop": [["a", "b", "c"], ["c", "a"], [], ["b", "d", "e", "f", "a"]],
    "feed": [["a", "b"], ["c", "a", "b"]],
}
RELEVANCE: list[Any] = [{"a": 2.0, "z": 0.5}, ["c", "a"], {"b": 1.0, "c": 3.5, "f": 0.0}, []]
SCORES = [None, 0.0, 0.1, 0.5, 0.9, 1.0]

#: Enough for what goes wrong, few enough to be quick: scikit-learn is what takes the time.
quick = examples(40, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def events(draw: st.DrawFn, second_us: int = SECOND_US, together: int = 20) -> list[Sent]:
    """Events in the order of their arrival; times wander, so that some come late and some labels early.

    `second_us` is what a second of the stream takes; an identity is of one in `together` neighbours.
    """
    shapes = draw(
        st.lists(
            st.tuples(
                st.booleans(),
                st.sampled_from(sorted(ANSWERS)),
                st.integers(0, 5),  # identity
                st.integers(-100, 30),  # seconds from the stream's own time
                st.integers(0, 2**16),  # everything else
            ),
            min_size=draw(st.sampled_from([1, 20, 60])),
            max_size=80,
        )
    )
    pace = draw(st.sampled_from([2, 10, 40]))
    sent = []
    for position, (is_label, model, number, delta, bits) in enumerate(shapes):
        time_us = START_US + (position * pace + delta) * second_us + bits
        answer = ANSWERS[model][bits % len(ANSWERS[model])]
        # an identity is used again only by what follows shortly, as it is in life
        event = {"prediction_id": f"{number}-{position // together}", "model": model, "time": time_us}
        if is_label:
            retracted = bits % 7 == 0
            event |= {
                "label": None if retracted else answer,
                "revision": bits // 8 % 4,
                "retracted": retracted,
            }
            if isinstance(answer, list):
                event["relevance"] = None if retracted else RELEVANCE[bits // 64 % 4]
                del event["label"]
            sent.append((GROUND_TRUTH, event))
        else:
            failed = bits % 11 == 0
            event |= {
                "version": str(bits // 16 % 2),
                "prediction": None if failed else answer,
                "error": "timeout" if failed else None,
                "latency_ms": [None, 0.0, 3.0, 250.5][bits // 32 % 4],
            }
            if isinstance(answer, list):
                event["ranked"] = event.pop("prediction")
            if isinstance(answer, str):
                event |= {
                    "score": SCORES[bits // 64 % 6],
                    "groups": {"sex": [None, "f", "m"][bits // 128 % 3], "age": ["old", "young"][bits % 2]},
                }
            if bits // 256 % 2:
                event["segments"] = {
                    "country": ["NO", "SE", "other", None][bits // 512 % 4],
                    "paid": ["true", "false"][bits // 2048 % 2],
                }
            sent.append((PREDICTIONS, event))
    return sent


def encodings() -> st.SearchStrategy[str]:
    return st.sampled_from(["json", "avro", "packed", "mixed"])


def messages(sent: Sequence[Sent], encoding: str, definitions: Sequence[MonitorDefinition]) -> list[Message]:
    feed = Feed()
    encoded = feed.definitions(definitions)
    if encoding == "packed":
        encoded += feed.packed(sent)
    elif encoding == "mixed":
        third = len(sent) // 3
        encoded += feed.singles(sent[:third])
        encoded += feed.packed(sent[third : 2 * third])
        encoded += feed.singles(sent[2 * third :], "avro")
    else:
        encoded += feed.singles(sent, encoding)
    return encoded


def oracle(sent: Sequence[Sent], definitions: Sequence[MonitorDefinition]) -> Naive:
    naive = Naive(definitions)
    for topic, event in sent:
        (naive.predict if topic == PREDICTIONS else naive.label)(event)
    return naive


def cut(encoded: Sequence[Message], cuts: Sequence[int]) -> list[Sequence[Message]]:
    """The same messages as parts; a cut is a position modulo their number."""
    places = sorted({0, len(encoded), *(at % (len(encoded) + 1) for at in cuts)})
    return [encoded[a:b] for a, b in pairwise(places)]


@quick
@given(events(), encodings(), st.lists(st.integers(0, 200), max_size=5))
def test_every_final_metric_is_what_the_raw_events_say(
    sent: list[Sent], encoding: str, cuts: list[int]
) -> None:
    run = Run()
    for part in cut(messages(sent, encoding, [*DEFINITIONS, define("inferred"), define("feed")]), cuts):
        run.apply(part).commit()
    run.finish()
    naive = oracle(sent, [*DEFINITIONS, define("inferred"), define("feed")])
    assert differences(run.records(METRICS, rollups=True), naive.metrics()) == []
    counts = run.partition.counts()
    assert {name: counts.get(name, 0) for name in naive.counts} == naive.counts
    assert_ledgers_balance(run, len(sent))


@quick
@given(events(), st.lists(st.tuples(st.integers(0, 80), st.integers(-60, 900)), max_size=6))
def test_ticks_close_windows_that_events_still_agree_with(
    sent: list[Sent], ticks: list[tuple[int, int]]
) -> None:
    """A tick may be far ahead of the events; what comes after it may be late, and both sides must say so."""
    after = {at % len(sent): START_US + second * SECOND_US for at, second in ticks}
    run, naive, feed = Run(clock="wall"), Naive(DEFINITIONS), Feed()
    run.apply(feed.definitions(DEFINITIONS))
    for number, (topic, event) in enumerate(sent):
        timestamp_us = event["time"]  # nothing is ahead of its record, so nothing is capped
        run.apply([feed.message(topic, event, timestamp_us)])
        (naive.predict if topic == PREDICTIONS else naive.label)(event)
        if number in after:
            run.partition.tick(after[number])
            naive.tick(after[number])
            run.commit()
    run.finish()
    assert differences(run.records(METRICS, rollups=True), naive.metrics()) == []
    counts = run.partition.counts()
    assert {name: counts.get(name, 0) for name in naive.counts} == naive.counts
    assert_ledgers_balance(run, len(sent))


@quick
@given(events(), encodings(), st.lists(st.integers(0, 200), max_size=8))
def test_how_messages_are_cut_into_calls_does_not_show(
    sent: list[Sent], encoding: str, cuts: list[int]
) -> None:
    encoded = messages(sent, encoding, DEFINITIONS)
    whole = Run().apply(encoded).finish()
    parts = Run()
    for part in cut(encoded, cuts):
        parts.apply(part)
    parts.finish()
    assert parts.final() == whole.final()
    assert parts.partition.counts() == whole.partition.counts()


@quick
@given(events(), encodings(), st.lists(st.integers(0, 200), max_size=5), st.sets(st.integers(0, 5)))
def test_a_restart_after_any_commit_changes_nothing(
    sent: list[Sent], encoding: str, cuts: list[int], restarts: set[int]
) -> None:
    steady, interrupted = Run(), Run()
    for number, part in enumerate(cut(messages(sent, encoding, DEFINITIONS), cuts)):
        steady.apply(part).commit()
        interrupted.apply(part).commit()
        assert interrupted.state == steady.state
        if number in restarts:
            interrupted.restart()
    steady.finish()
    interrupted.finish()
    assert [encode_output(o) for o in interrupted.outputs] == [encode_output(o) for o in steady.outputs]
    assert interrupted.state == steady.state


@quick
@given(events(), st.integers(0, 200), st.integers(0, 200))
def test_messages_that_come_again_are_skipped(sent: list[Sent], end: int, back: int) -> None:
    encoded = messages(sent, "json", DEFINITIONS)
    once = Run().apply(encoded).finish()
    again = Run()
    end %= len(encoded) + 1
    again.apply(encoded[:end]).commit()
    again.restart().apply(encoded[end - min(back, end) :]).finish()
    assert again.final() == once.final()


@quick
@given(events(), encodings())
def test_the_same_input_gives_the_same_bytes(sent: list[Sent], encoding: str) -> None:
    encoded = messages(sent, encoding, DEFINITIONS)
    first, second = Run().apply(encoded).finish(), Run().apply(encoded).finish()
    assert [encode_output(o) for o in first.outputs] == [encode_output(o) for o in second.outputs]
    assert first.state == second.state
